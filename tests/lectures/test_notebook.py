"""The notebook: well-formed, and its cells run from the folder that it lies in."""

import json

import numpy as np

import cnnviz
from cnnviz.lectures.beginning import Loading
from cnnviz.lectures.build import lecture
from tests.helpers.report_model import small_model


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


def test_its_cells_run(tmp_path, monkeypatch, photo):
    loading = Loading('cnnviz.load("shapes")', "--model shapes")
    made = lecture(cnnviz.load("shapes"), photo, "classification", loading=loading)
    made.save(tmp_path / "lecture")
    monkeypatch.chdir(tmp_path / "lecture")
    cells = json.loads((tmp_path / "lecture" / "lecture.ipynb").read_text("utf-8"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "<cell>", "exec"), names)
    pictures = made.sections[0].pictures
    for picture in pictures:
        name = picture.code.partition(" = ")[0]
        for key, array in names[name].arrays().items():
            if array.dtype.kind == "f":
                assert np.allclose(array, picture.arrays[key], rtol=1e-5, equal_nan=True)


def test_the_same_lecture_gives_the_same_notebook(tmp_path, photo):
    first, second = (
        lecture(small_model(), photo, "filters").save(tmp_path / name) for name in ("a", "b")
    )
    assert _notebook(first) == _notebook(second)
