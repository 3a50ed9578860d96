"""Pictures as files: drawn once, named literally, written whole or reported."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnviz.reports.content import Picture
from cnnviz.reports.pictures import DPI, PictureWriter, draw
from cnnviz.results.provenance import Provenance

ORIGIN = Provenance(model="small", weights="as given", weights_sha256="0" * 64)


def picture(draw, name="a", title="title"):
    return Picture(name, title, "caption", "alt", draw, ORIGIN)


def test_an_image_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (7, 9, 3), dtype=np.uint8)
    with PictureWriter(tmp_path) as writer:
        drawn = draw(picture(lambda: pixels, title="an 絵"), writer)
    assert (drawn.path, drawn.width, drawn.height) == ("pictures/a.png", 9, 7)
    with Image.open(tmp_path / drawn.path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        assert image.info["Title"] == "an ?"


def test_a_figure_is_drawn_at_its_size(tmp_path):
    with PictureWriter(tmp_path) as writer:
        drawn = draw(picture(lambda: Figure(figsize=(2, 1), facecolor="white")), writer)
    assert (drawn.width, drawn.height) == (2 * DPI, DPI)


def test_names_are_no_formulas_and_unknown_letters_no_fault(tmp_path):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.barh([0, 1], [1, 1000])
    axes.set_xscale("log")
    axes.set_yticks([0, 1], ["$x_{", "コアラ"])
    title = axes.set_title("half a formula: $\\frac{")
    with PictureWriter(tmp_path) as writer:
        draw(picture(lambda: figure), writer)
    assert not title.get_parse_math()
    assert not any(label.get_parse_math() for label in axes.get_yticklabels())
    # The exponents of a logarithmic axis are formulas that matplotlib writes itself.
    assert all(label.get_parse_math() for label in axes.get_xticklabels())
    assert any("10^{" in label.get_text() for label in axes.get_xticklabels())


def test_what_cannot_be_written_is_raised(tmp_path):
    def fill():
        with PictureWriter(tmp_path) as writer:
            (tmp_path / "pictures" / "a.png").mkdir()
            draw(picture(lambda: np.zeros((2, 2, 3), np.uint8)), writer)

    with pytest.raises(IsADirectoryError):
        fill()
