import json

import pytest
from PIL import Image


@pytest.mark.usefixtures("not_drawn")
def test_a_view_that_needs_nothing_takes_neither_network_nor_photo(run, tmp_path):
    said = run("activation-functions", "--functions", "relu,tanh", "--width", 16)
    assert said.code == 0, said.err
    assert said.last_line == "activation-functions.png"
    assert Image.open(tmp_path / said.last_line).format == "PNG"
    assert "of a gradient comes through" in said.out
    page = run("activation-functions", "--help").out
    assert "--model" not in page
    assert "PHOTO" not in page
    assert "--functions" in page


def test_its_numbers_go_to_stdout(run, tmp_path):
    found = json.loads(run("activation-functions", "--layers", 3, "--width", 8, "--json").out)
    assert found["layers"] == 3
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_function_is_two_lines(run):
    said = run("activation-functions", "--functions", "sigmod")
    assert said.code == 2
    assert "Did you mean 'sigmoid'" in said.err
