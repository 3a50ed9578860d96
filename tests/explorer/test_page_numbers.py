"""Whatever the page works out, Python works out by another way."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import cnnviz
from cnnviz.introspection.tracing import trace
from cnnviz.pages.scripts import source
from cnnviz.passes.run_from_layer import ForwardFromLayer
from cnnviz.results.text import number

BOTH = pytest.mark.parametrize("opened", ["shapes-residual", "small"], indirect=True)


@BOTH
def test_every_map_is_that_of_python_to_within_its_steps(opened) -> None:
    classes = [0, 3, 7] if opened.made.exact else opened.asks("app.data.layers[0].classes")[:3]
    for place, layer in enumerate(opened.made.layers):
        for index in classes:
            seen = cnnviz.capture(opened.model, opened.photo, layers=[layer], target=index)
            for method in ("gradcam", "hirescam", "layercam"):
                wanted = cnnviz.cam(seen, layer, method).maps[0][0]
                found = opened.asks(
                    "[...arithmetic.classMap(app.data.layers[given.shift()], ...given, new Map())]",
                    [place, index, method],
                )
                off = np.abs(np.reshape(found, wanted.shape) - wanted).max()
                assert off <= 0.02 * np.abs(wanted).max(), (layer, index, method)


@BOTH
def test_how_far_rounding_puts_a_map_off_is_known_and_nothing_below_is_drawn(opened) -> None:
    for place, layer in enumerate(opened.made.layers):
        offs = opened.asks("[...app.data.layers[given].off.values]", place)
        classes = opened.asks("app.data.layers[given].classes", place) or [*range(len(offs))]
        for row in (0, len(classes) - 1):
            index = classes[row]
            seen = cnnviz.capture(opened.model, opened.photo, layers=[layer], target=index)
            wanted = cnnviz.cam(seen, layer).maps[0][0]
            found = opened.asks(
                "[...arithmetic.classMap(app.data.layers[given[0]], given[1], 'gradcam', new "
                "Map())]",
                [place, index],
            )
            off = float(np.abs(np.reshape(found, wanted.shape) - wanted).max())
            least = 1e-5 * float(np.abs(wanted).max())
            assert off == pytest.approx(offs[row], rel=0.05, abs=least)
    assert opened.asks("app.byId('scale-high').textContent") != "0"
    said = opened.asks(
        "((off) => { const own = off.slice(); off.fill(1e9); app.draw();"
        " const said = app.byId('scale-high').textContent; off.set(own); app.draw();"
        " return said; })(app.layer().off.values)"
    )
    assert said == "0"


@BOTH
def test_activations_and_receptive_fields_are_those_of_python(opened) -> None:
    seen = cnnviz.capture(opened.model, opened.photo, layers=list(opened.made.layers))
    traced = trace(opened.model.module, tuple(seen.batch.tensor.shape[1:]))
    for place, layer in enumerate(opened.made.layers):
        maps = seen.activation_maps(layer)[0].numpy()
        channels, height, width = maps.shape
        for channel, row, column in [(0, 0, 0), (channels - 1, height // 2, width - 1)]:
            value = opened.asks(
                "arithmetic.valueAt(app.data.layers[given[0]], ...given.slice(1))",
                [place, channel, row * width + column, height * width],
            )
            step = (maps[channel].max() - maps[channel].min()) / 255
            assert abs(value - maps[channel, row, column]) <= 0.51 * step + 1e-7
        field = traced.find(layer).map_field
        for row in range(height):
            for column in (0, width // 3, width - 1):
                box = field.local.box(row, column)
                found = opened.asks(
                    "arithmetic.fieldAt(app.data.layers[given[0]].field, given[1], given[2])",
                    [place, row, column],
                )
                assert found == [box.top, box.left, box.bottom, box.right]


def test_the_answer_with_channels_scaled_is_that_of_the_network(opened) -> None:
    layer = opened.made.layers[-1]
    seen = cnnviz.capture(opened.model, opened.photo, layers=[layer], gradients=False)
    key = seen.activations.resolve(layer)
    run = ForwardFromLayer(opened.model, seen.batch.tensor, key)
    for scales in ({2: 0.0}, {0: 0.0, 5: 0.0, 9: 2.0}, dict.fromkeys(range(12), 0.0)):
        changed = seen.activations[key].clone()
        for channel, scale in scales.items():
            changed[:, channel] *= scale
        wanted = run(changed)[0].numpy()
        found = opened.asks(
            "[...arithmetic.scoresWith(app.data.scores.values, app.data.layers.at(-1), "
            "new Map(given))]",
            [list(pair) for pair in scales.items()],
        )
        assert np.abs(np.array(found) - wanted).max() <= 1e-3 * np.abs(wanted).max()
        shares = opened.asks(
            "[...arithmetic.probabilitiesOf(Float32Array.from(given), 'softmax')]", found
        )
        softmax = torch.tensor(wanted).softmax(0).numpy()
        assert np.abs(np.array(shares) - softmax).max() < 2e-3


@pytest.mark.parametrize("opened", ["small"], indirect=True)
def test_answers_that_were_computed_beforehand_are_those_of_the_network(opened) -> None:
    for place, layer in enumerate(opened.made.layers):
        seen = cnnviz.capture(opened.model, opened.photo, layers=[layer], gradients=False)
        key = seen.activations.resolve(layer)
        run = ForwardFromLayer(opened.model, seen.batch.tensor, key)
        muted = opened.asks(
            "((held) => ({channels: [...held.channels.values], best: [...held.best.values],"
            " shares: [...held.probabilities.values]}))(app.data.layers[given].muted)",
            place,
        )
        classes = opened.asks("app.data.layers[given].classes", place)
        for row, channel in enumerate(muted["channels"]):
            changed = seen.activations[key].clone()
            changed[:, channel] = 0.0
            shares = run(changed)[0].softmax(0)
            held = muted["shares"][row * len(classes) : (row + 1) * len(classes)]
            # Kept in 65,536 steps.
            np.testing.assert_allclose(np.array(held) / 65535, shares[classes], atol=0.6 / 65535)
            assert muted["best"][row] == int(shares.argmax())


@BOTH
def test_worked_convolutions_are_those_of_the_network(opened) -> None:
    steps = opened.asks(
        "app.data.convolutions.map(({scale, channels, ...rest}) => ({ own: rest.own,"
        " error: rest.error, layers: rest.layers, first: rest.first, activation: rest.activation,"
        " scale: [...scale.values], channels: [...channels.values]}))"
    )
    assert [step["first"] for step in steps] == [True] + [False] * (len(steps) - 1)
    assert steps[0]["own"] == isinstance(opened.photo, np.ndarray)
    assert len(steps) >= 2
    names = list(dict.fromkeys(name.split("#")[0] for step in steps for name in step["layers"]))
    seen = cnnviz.capture(opened.model, opened.photo, layers=names, gradients=False)
    for place, step in enumerate(steps):
        chain = [seen.activations[name][0] for name in step["layers"]]
        channels, height, width = chain[0].shape
        assert len(set(step["channels"])) == len(step["channels"])
        assert max(step["channels"]) < channels
        for held, row, column in [
            (0, 0, 0),
            (len(step["channels"]) - 1, height - 1, width // 2),
            (1, min(3, height - 1), width - 1),
        ]:
            found = opened.asks(
                "arithmetic.workedOut(app.data.convolutions[given[0]], ...given.slice(1))",
                [place, held, row, column],
            )
            at = step["channels"][held], row, column
            # What is told beside the sum bounds it; the photo's own pixels lose next to nothing.
            assert abs(found["biased"] - float(chain[0][at])) <= 1.01 * step["error"] + 1e-6
            assert step["error"] <= (1e-4 if step["own"] else 2e-2) * float(chain[0].abs().max())
            # Of the activations only ReLU is worked out.
            if step["activation"] in ("", "ReLU"):
                off = abs(found["activated"] - float(chain[-1][at]))
                assert off <= 1.01 * step["error"] * abs(step["scale"][held]) + 1e-5
            products = sum(sum(plane["products"]) for plane in found["planes"])
            assert abs(products - found["sum"]) < 1e-9


def test_a_map_is_stretched_as_torch_does_it(opened) -> None:
    values = torch.rand(1, 1, 5, 7)
    found = opened.asks("[...arithmetic.stretched(given, 5, 7, 20, 31)]", values.flatten().tolist())
    wanted = torch.nn.functional.interpolate(values, (20, 31), mode="bilinear")
    np.testing.assert_allclose(found, wanted.flatten(), atol=1e-6)


def test_numbers_are_written_as_python_writes_them(opened) -> None:
    """A patch of 1.1e3 times a kernel was another product than the one beside it."""
    values = [0.0, 0.00123, 0.01234, 0.9876, 3.14159, 99.96, 100.3, 999.7, 1120.6, -1580.2, 99998.7]
    found = re.search(
        r"^export (function written.*?^\})", source("cnnviz.pages", "dom"), re.M | re.S
    )
    assert found is not None
    said = opened.visit.page.evaluate(
        f"(given) => {{ {found[1]} return given.map(written) }}", values
    )
    assert said == [number(one) for one in values]
