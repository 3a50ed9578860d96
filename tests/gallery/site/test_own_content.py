"""Which files count as made by cnnviz: all of a site's, and no other, whatever it speaks of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cnnviz.errors import OutputError
from cnnviz_gallery.site.own_content import MARK, XMP, is_own
from cnnviz_gallery.site.site_folder import SiteFolder, check

_QUOTED = '<meta name="generator" content="cnnviz 0.1.0">'
STRANGERS = {
    "a page that speaks of cnnviz": f"<!doctype html>\n<title>Notes</title><p>{_QUOTED} {MARK}",
    "a page that begins alike": '<!doctype html>\n<html lang="en" data-root=""><title>A</title>'
    + _QUOTED,
    "a report of cnnviz": f"<!doctype html>\n<html lang='en'>\n<head>{_QUOTED}<title>A</title>",
    "settings that name it": '{\n "generator": "cnnviz",\n "mine": 1\n}\n',
    "settings with it inside": '{\n "mine": {\n  "generator": "cnnviz"\n }\n}\n',
    "a script that names it": f"// {MARK}\nlet mine = 1;\n",
    "a style that names it": f"/* {MARK} */\np {{}}\n",
    "a diary": f"I wrote {MARK} today.\n",
    "a picture with other words": "RIFF" + XMP.decode() + "EXIF mine",
    "nothing": "",
}


def test_every_file_of_a_site_is_own(tiny_site) -> None:
    files = [path for path in tiny_site.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".json", ".webp", ".js", ".css", ".svg"}
    assert [path for path in files if not is_own(path)] == []


@pytest.mark.parametrize("what", STRANGERS)
def test_a_file_that_only_speaks_of_cnnviz_is_kept(tmp_path, what) -> None:
    """The mark counted wherever in a file it stood."""
    site = SiteFolder(tmp_path / "site")
    mine = tmp_path / "site/index.html"
    mine.write_text(STRANGERS[what], "utf-8")
    site.remove("index.html")
    for write in (lambda: site.write("index.html", "new"), lambda: check(tmp_path / "site")):
        with pytest.raises(OutputError, match="nothing in it says that cnnviz made it"):
            write()
    assert mine.read_text("utf-8") == STRANGERS[what]


def test_what_is_no_ordinary_file_is_kept(tmp_path) -> None:
    site = SiteFolder(tmp_path / "site")
    os.mkfifo(tmp_path / "site/pipe.html")
    (tmp_path / "site/link.html").symlink_to("nowhere")
    for name in ("pipe.html", "link.html"):
        with pytest.raises(OutputError, match="nothing in it says"):
            site.write(name, "new")
    assert (tmp_path / "site/pipe.html").is_fifo()
    assert (tmp_path / "site/link.html").is_symlink()


def test_a_large_file_is_not_read_whole(tmp_path, monkeypatch) -> None:
    site = SiteFolder(tmp_path / "site")
    with (tmp_path / "site/index.html").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte, of which nothing is stored
    with pytest.raises(OutputError, match="nothing in it says"):
        site.write("index.html", "new")


def test_a_list_that_somebody_else_wrote_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "gallery.json").write_text('{"format": "cnnviz gallery 1"}', "utf-8")
    with pytest.raises(OutputError, match="nothing in it says that cnnviz made it"):
        check(tmp_path)
