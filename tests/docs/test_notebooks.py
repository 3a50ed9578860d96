"""The notebooks of the documentation: they run from top to bottom, and are small."""

import json
from pathlib import Path

import pytest
import torch

from cnnviz.results.result import Result
from tests.helpers.each_case import each_case
from tests.helpers.notebooks import run_notebook
from tests.helpers.quick_code import few_random_maps, quick
from tests.helpers.undrawn import undrawn

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = {"tour", "why_this_answer", "units", "gradients", "the_course", "my_network"}


def test_all_six_are_there():
    assert {path.stem for path in NOTEBOOKS} == NAMES


@each_case("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_showed(path):
    found = json.loads(path.read_text("utf-8"))
    cells = found["cells"]
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert cells[0]["source"][0].startswith("# ")
    assert all(cell.get("outputs", []) == [] for cell in cells)
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_every_value_shows_itself(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_text(quick(path.read_text("utf-8"), f"docs/notebooks/{path.name}"), "utf-8")
    with torch.random.fork_rng(devices=[]), few_random_maps(), undrawn():
        _, shown = run_notebook(copy, tmp_path)
        assert len(shown) >= 4
        # One form of each: Jupyter stores every form that there is.
        assert all(hasattr(value, "_repr_html_") for value in shown)
        assert not any(hasattr(value, "_repr_png_") for value in shown)
        # The pictures of results have their own tests, which draw them; one is enough here.
        one = next(value for value in shown if isinstance(value, Result))
        for value in (one, *(value for value in shown if not isinstance(value, Result))):
            assert len(value._repr_html_()) > 100
