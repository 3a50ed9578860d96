"""The notebook: well-formed, and its cells run from the folder that it lies in."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

import cnnviz
from cnnviz.lectures.beginning import Loading, located_data
from cnnviz.lectures.build import lecture
from cnnviz.reports.own_files import NOTEBOOK, SLIDES
from tests.helpers.notebooks import run_notebook
from tests.helpers.report_model import small_model, write_photo
from tests.helpers.undrawn import undrawn


def _notebook(saved):
    return json.loads((saved.directory / "lecture.ipynb").read_text("utf-8"))


def test_it_is_a_notebook_of_format_4_5(saved):
    found = _notebook(saved)
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    identities = [cell["id"] for cell in found["cells"]]
    assert len(set(identities)) == len(identities)
    for cell in found["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        assert isinstance(cell["source"], list)
        assert (cell["cell_type"] == "code") == ("outputs" in cell)


def test_it_has_the_words_and_the_calls_of_the_page(saved, told):
    cells = _notebook(saved)["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    for section in told.sections:
        assert section.title in text
        for picture in section.pictures:
            assert picture.code in text
            assert all(paragraph in text for paragraph in (*picture.before, *picture.after))


def _run(folder):
    """Run the cells in the folder of the notebook, and show what they end with."""
    names, values = run_notebook(folder / "lecture.ipynb", folder)
    with undrawn():
        return names, [value._repr_html_() for value in values]


def test_its_cells_run_and_give_the_pictures_of_the_page(tmp_path, photo):
    loading = Loading.of("shapes")
    made = lecture(cnnviz.load("shapes"), photo, "classification,filters", loading=loading)
    # The notebook and its photo alone: pictures, page and slides have tests of their own.
    for name, write in made.beside:
        if name != SLIDES:
            write(tmp_path / name)
    names, shown = _run(tmp_path)
    pictures = [picture for section in made.sections for picture in section.pictures]
    assert len(pictures) == len(shown) == 5
    for picture, text in zip(pictures, shown, strict=True):
        result = names[picture.code.partition(" = ")[0]]
        assert result.caption() == picture.caption
        assert "<img" in text
        for key, array in result.arrays().items():
            if array.dtype.kind == "f":
                assert np.allclose(array, picture.arrays[key], rtol=1e-4, atol=1e-5, equal_nan=True)


NETWORK = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a working folder with a network, weights, class names, and images of one's own."""
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.py").write_text(NETWORK)
    (tmp_path / "names.txt").write_text("ant\nbee\ncow\ndog\n")
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        write_photo(tmp_path / "photos" / f"{seed}.png", seed)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("data", ["photos", "photos/*.png"])
def test_files_that_were_named_from_elsewhere_are_found_from_its_folder(own, data):
    (own / "courses").mkdir()
    out = Path("courses/mine")
    loading = Loading.of("nets/net.py:make", categories="names.txt", folder=out)
    model = cnnviz.load("nets/net.py:make", categories="names.txt")
    made = lecture(model, "photos/0.png", "hierarchy", data=data, loading=loading, folder=out)
    made.save(out)
    (command,) = [picture.command for picture in made.sections[0].pictures]
    assert "--model ../../nets/net.py:make --categories ../../names.txt" in command
    assert f"--data {shlex.quote(f'../../{data}')}" in command
    # The whole of it is moved, as by those who get it in an archive.
    elsewhere = own.with_name(f"{own.name}-moved")
    own.rename(elsewhere)
    names, shown = _run(elsewhere / "courses" / "mine")
    elsewhere.rename(own)
    assert len(shown) == 1
    assert names["hierarchy"].caption() == made.sections[0].pictures[0].caption


def test_files_beyond_the_working_folder_are_named_by_their_whole_path(own, tmp_path_factory):
    out = tmp_path_factory.mktemp("elsewhere") / "course"
    found = Loading.of("nets/net.py:make", folder=out)
    assert found.code == f"cnnviz.load({str(own / 'nets' / 'net.py') + ':make'!r})"
    assert Loading.of("nets/net.py:make") == found
    assert located_data("photos", out) == str(own / "photos")
    assert located_data(["photos/0.png", "photos/1.png"], Path("course")) == [
        "../photos/0.png",
        "../photos/1.png",
    ]


def test_what_is_no_file_keeps_its_name(own):
    (own / "shapes").mkdir()
    (own / "random").mkdir()
    assert located_data("shapes", Path("course")) == "shapes"
    assert located_data("https://example.org/a.tar", Path("course")) == "https://example.org/a.tar"
    found = Loading.of("shapes", "random", output="classes", folder=Path("course"))
    assert found.code == "cnnviz.load('shapes', 'random', output='classes')"


def test_the_same_lecture_gives_the_same_notebook(tmp_path, photo):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        dict(lecture(small_model(), photo, "filters").beside)[NOTEBOOK](path)
    first, second = (json.loads(path.read_text("utf-8")) for path in paths)
    assert len(first["cells"]) > 4
    assert first == second
