"""The view of activation functions: its numbers, what it draws, and its command."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnviz.errors import UsageError
from cnnviz.introspection.activation_functions import chain_gradients, table
from cnnviz.results import drawing
from cnnviz.results.legibility import crowded
from cnnviz.results.text import power_of_ten
from cnnviz.views.activation_functions import activation_functions
from cnnviz.views.pictures.activation_functions import spread
from tests.helpers.each_case import each_case


def test_every_function_is_shown_with_its_derivative_and_chains() -> None:
    found = activation_functions(width=32)
    assert found.names == tuple(table())
    assert found.values.shape == found.derivatives.shape == (10, len(found.x))
    assert found.gradients.shape == (10, 2, 11)
    np.testing.assert_array_equal(found.gradients[:, :, -1], 1.0)
    # Differences of the values, which autograd had no part in.
    slopes = np.gradient(found.values, found.x, axis=1)
    near_kink = np.abs(found.x) < 0.03
    np.testing.assert_allclose(
        slopes[:, ~near_kink][:, 1:-1], found.derivatives[:, ~near_kink][:, 1:-1], atol=1e-3
    )


def test_the_chains_are_those_of_the_functions_asked_for() -> None:
    found = activation_functions("tanh, ReLU", layers=6, width=24, seed=5)
    assert found.titles == ("tanh", "ReLU")
    wanted = chain_gradients(table()["relu"], "default", layers=6, width=24, images=64, seed=5)
    np.testing.assert_array_equal(found.gradients[1, 1], wanted.numpy())
    assert found.decades[1, 1] == pytest.approx(np.log10(float(wanted[0])))
    assert activation_functions(["relu", "ReLU"], layers=1, width=2).names == ("relu",)


def test_all_of_them_fill_a_slide_and_the_summary_names_who_keeps_and_who_loses() -> None:
    found = activation_functions()
    figure = found.figure()
    width, height = figure.get_size_inches()
    assert width / height == pytest.approx(drawing.SLIDE, rel=0.02)
    assert crowded(figure) == ""
    assert "with SELU" in found.summary()
    assert "with softmax" in found.summary()
    assert "100% of" not in str(found).splitlines()[0]
    lone = activation_functions("relu", width=64)
    share = lone.gradients[0, 0, 0]
    assert f"{power_of_ten(share)} of a gradient comes through" in lone.summary()
    lines = [line for text in (str(found), found.summary()) for line in text.splitlines()]
    shares = re.findall(r"(\S+(?: × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?) of a gradient", "\n".join(lines))
    assert len(shares) == len(found.names) + 1
    powers = [share for share in shares if "× 10" in share]
    assert all(1.0 <= float(share) < 10.0 for share in shares if share not in powers)
    assert not re.search(r"\de[-+]\d|%", "\n".join(lines))


def test_the_picture_draws_the_values_and_says_what_leaves_the_axis() -> None:
    found = activation_functions("relu,softmax", width=32)
    figure = found.figure()
    relu, softmax, suited, default = figure.axes
    curves = [line for line in relu.lines if len(line.get_xdata()) == len(found.x)]
    np.testing.assert_array_equal(curves[0].get_ydata(), found.values[0])
    np.testing.assert_array_equal(curves[1].get_ydata(), found.derivatives[0])
    assert softmax.get_title("left").strip() == "softmax"
    assert suited.get_ylim() == default.get_ylim()
    drawn = [line.get_ydata() for line in default.lines if len(line.get_xdata()) == 11]
    np.testing.assert_array_equal(drawn, found.gradients[:, 1])
    low = default.get_ylim()[0]
    fallen = [text.get_text() for text in default.texts if "(to " in text.get_text()]
    assert found.gradients[1, 1, 0] < low < found.gradients[0, 1, 0]
    assert fallen == [f"softmax (to {power_of_ten(found.gradients[1, 1, 0])})"]
    assert "says at its foot how far it falls" in found.caption()


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_labels_keep_their_order_and_their_distance(wanted: list[float]) -> None:
    found = spread(wanted, 0.05)
    gap = min(0.05, 1.0 / max(len(wanted) - 1, 1))
    assert all(-1e-9 <= height <= 1.0 + 1e-9 for height in found)
    assert all(b - a >= gap - 1e-9 for a, b in zip(sorted(found), sorted(found)[1:], strict=False))
    for a in range(len(wanted)):
        for b in range(len(wanted)):
            assert not (wanted[a] < wanted[b] and found[a] > found[b])


def test_labels_that_do_not_touch_stay_where_they_are() -> None:
    assert spread([0.5, 0.1, 0.9], 0.05) == pytest.approx([0.5, 0.1, 0.9])


@each_case(
    ("arguments", "message"),
    [
        ({"functions": "rlu"}, "no activation function 'rlu'"),
        ({"functions": " , "}, "No activation function was named"),
        ({"layers": 0}, "layers cannot be 0"),
        ({"width": 0}, "width cannot be 0"),
        ({"seed": -1}, "seed cannot be -1"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        activation_functions(**arguments)


def test_it_knows_no_network() -> None:
    found = activation_functions("relu", width=8, seed=2)
    assert found.provenance.weights == "random, seed 2"
    assert found.provenance.weights_sha256 == ""
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["names"] == ["relu"]
