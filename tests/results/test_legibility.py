"""What of a picture cannot be read: texts cut off, over one another, or over a picture."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from cnnviz.errors import UsageError
from cnnviz.results.drawing import new_figure
from cnnviz.results.legibility import as_wide, crowded, legible, lowest
from tests.helpers.each_case import each_case


def page(width: float = 4.0, height: float = 2.0) -> Figure:
    return Figure((width, height))


def test_texts_apart_are_no_fault() -> None:
    figure = page()
    figure.text(0.1, 0.5, "left\nof two lines")
    figure.text(0.6, 0.5, "right")
    assert crowded(figure) == ""


@each_case(
    ("across", "down", "turn"), [(-0.1, 0.5, 0), (0.9, 0.5, 0), (0.5, -0.02, 0), (0.5, 0.7, 90)]
)
def test_a_text_beyond_the_edge_is_cut_off(across: float, down: float, turn: float) -> None:
    figure = page()
    figure.text(across, down, "something long", rotation=turn)
    assert crowded(figure) == "'something long' would be cut off"


def test_the_last_letter_of_a_text_is_not_lost_beyond_the_edge() -> None:
    figure = page()
    text = figure.text(1.0, 0.5, "some named)", ha="right")
    assert crowded(figure) == ""
    text.set_x(1.0 + 0.015 / 4.0)
    assert crowded(figure) == "'some named)' would be cut off"


def test_lines_over_one_another_or_without_a_space_are_told() -> None:
    figure = page()
    figure.text(0.1, 0.5, "first\nsecond")
    figure.text(0.12, 0.5, "third")
    assert crowded(figure) == "'second' and 'third' would overlap"
    figure = page()
    first = figure.text(0.1, 0.5, "first")
    end = first.get_window_extent().x1 / figure.bbox.width
    figure.text(end + 0.002, 0.5, "second")
    assert crowded(figure) == "'first' and 'second' would overlap"


def test_turned_lines_whose_boxes_cross_only_upright_are_apart() -> None:
    figure = page(4, 3)
    figure.text(0.3, 0.3, "a slanted label", rotation=45)
    figure.text(0.4, 0.3, "another of them", rotation=45)
    assert crowded(figure) == ""
    figure.text(0.31, 0.3, "one too near", rotation=45)
    assert "overlap" in crowded(figure)


def test_a_text_that_runs_onto_a_picture_is_told_and_an_outlined_one_is_not() -> None:
    from matplotlib.patheffects import withStroke

    figure = page(4, 4)
    axes = figure.add_axes((0.0, 0.0, 1.0, 0.5))
    axes.set_axis_off()
    axes.imshow(np.zeros((8, 8, 3)), aspect="auto")
    figure.text(0.2, 0.47, "half over it", fontsize=20)
    assert crowded(figure) == "'half over it' would lie over a picture"
    figure.texts[0].set_path_effects([withStroke(linewidth=2, foreground="white")])
    assert crowded(figure) == ""


def test_looking_leaves_the_resolution_alone() -> None:
    figure = Figure((200.0, 1.0), dpi=100)
    figure.text(0.5, 0.5, "in the middle")
    assert crowded(figure) == ""
    assert figure.dpi == 100


def draw(size: tuple[float, float] | None) -> Figure:
    figure = new_figure(*(size or (6.0, 3.0)))
    figure.text(0.0, 0.5, "a text that is four inches wide or about so much")
    return figure


def test_a_size_that_will_not_do_is_refused_with_the_least_that_will() -> None:
    with pytest.raises(UsageError, match=r"fit into 1 x 1 inches: .* cut off") as caught:
        legible(draw, (1.0, 1.0))
    width = float(str(caught.value).split("Give ")[1].split(" x ")[0])
    assert legible(draw, (width, width)).get_size_inches().tolist() == [width, width]
    with pytest.raises(UsageError):
        legible(draw, (0.9 * width, 0.9 * width))


def test_a_shape_that_never_will_do_is_told_the_size_of_the_picture_itself() -> None:
    with pytest.raises(UsageError, match=r"Leave the size out: the picture takes 6 x 3 inches"):
        legible(draw, (0.1, 4.0))


def test_letters_that_shrink_with_the_picture_are_told() -> None:
    figure = page()
    figure.text(0.1, 0.5, "small", fontsize=4.0)
    assert crowded(figure) == "'small' would have letters of 4 points"
    figure.texts[0].set_fontsize(5.0)
    assert crowded(figure) == ""


def test_a_least_size_is_found_with_few_drawings() -> None:
    drawn = []

    def counted(size: tuple[float, float] | None) -> Figure:
        drawn.append(size)
        return draw(size)

    with pytest.raises(UsageError, match="Give"):
        legible(counted, (2.0, 1.0))
    assert len(drawn) <= 6


@each_case("least", range(11))
def test_the_first_that_does_is_found_with_few_tries(least: int) -> None:
    tried = []

    def does(place: int) -> bool:
        tried.append(place)
        return place >= least

    assert lowest(does, 10) == (least if least < 10 else None)
    if least < 10:
        assert len(tried) <= 5
    assert lowest(lambda place: place == 3, 10) == 3, "and the only one is found, too"


def test_nothing_is_tried_between_two_that_fail_alike() -> None:
    tried = []

    def does(place: int) -> bool:
        tried.append(place)
        return place == 6

    assert lowest(does, 10, lambda one, other: (one < 5) == (other < 5)) is None
    assert sorted(tried) == [0, 1, 2, 3, 4, 5, 7, 8, 9]


def test_a_narrow_picture_is_as_high_as_it_needs_found_with_few_drawings() -> None:
    drawn = []

    def lines(size: tuple[float, float] | None) -> Figure:
        drawn.append(size)
        figure = new_figure(*(size or (6.0, 1.0)))
        for place in range(10):
            figure.text(0.1, 0.05 + 0.09 * place, "a line")
        return figure

    height = float(as_wide(lines, 3.0).get_figheight())
    assert crowded(lines((3.0, 0.8 * height))) != ""
    assert len(drawn) <= 8


def test_a_picture_is_drawn_once_at_each_size() -> None:
    sizes: list[tuple[float, float] | None] = []

    def lines(size: tuple[float, float] | None) -> Figure:
        sizes.append(size)
        return page(*(size or (4.0, 2.0)))

    as_wide(lines, 3.0)
    assert sizes[:2] == [None, (3.0, 1.5)]
    assert len(set(sizes)) == len(sizes)
