"""Pages elsewhere lead to the units of a gallery, if it is of the same network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.explorer import explore
from cnnviz_gallery.site.unit_folders import unit_folders
from tests.helpers.browser import Visit
from tests.helpers.gallery.tiny import tiny_model


def test_every_channel_has_a_page_and_a_picture_there(tiny_site: Path) -> None:
    folders = unit_folders(tiny_site, tiny_model())
    assert set(folders) == {"first", "left", "right", "mixed", "head"}
    for name, channels in (("first", 6), ("mixed", 9)):
        for channel in range(channels):
            assert (folders[name] / f"{channel}.html").is_file()
            assert (folders[name] / f"{channel}.webp").is_file()


def test_another_network_or_no_gallery_is_a_sentence(tiny_site: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not hold shapes-plain with these.*holds tiny"):
        unit_folders(tiny_site, cnnviz.load("shapes-plain"))
    with pytest.raises(UsageError, match="There is no gallery in"):
        unit_folders(tmp_path, tiny_model())
    other = tmp_path / "models" / "odd"
    other.mkdir(parents=True)
    (other / "network.json").write_text("[1, 2", "utf-8")
    with pytest.raises(UsageError, match="holds odd"):
        unit_folders(tmp_path, tiny_model())


def test_the_explorer_shows_what_excites_a_channel(tiny_site, browser, tmp_path: Path) -> None:
    model = tiny_model()
    pages = {
        name: Path(os.path.relpath(folder, tmp_path)).as_posix()
        for name, folder in unit_folders(tiny_site, model).items()
    }
    photo = cnnviz.Shapes()[2].image
    made = explore(model, photo, layers=["first", "mixed"], unit_pages=pages)
    path = made.save(tmp_path / "page.html")
    visit = Visit(browser, 1000, "light")
    visit.page.goto(f"{path.as_uri()}#layer=0&channel=3")
    visit.wait_until("'cnnviz' in window")
    visit.page.locator("#channel > summary").click()
    picture = visit.page.locator("#channel-patches img")
    picture.wait_for(state="visible")
    visit.wait_until("document.querySelector('#channel-patches img').naturalWidth > 100")
    assert picture.get_attribute("src") == f"{pages['first']}/3.webp"
    visit.page.locator("#channel-page").click()
    visit.page.wait_for_url("**/first/3.html")
    assert visit.complaints == []
    visit.leave()
