"""What holds for every network, tried on networks that nobody thought of."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnnviz
from cnnviz.heatmaps.occlusion import Grid, Sweep
from cnnviz.introspection.hooks import isolated, preserve_state
from cnnviz.introspection.receptive_fields import PixelBox
from cnnviz.introspection.tracing import trace
from cnnviz.passes.captures import capture
from cnnviz.passes.fast_model import fast_model
from cnnviz.testing.state import differences, network_state
from cnnviz.views import VIEWS, View
from tests.helpers import brief_views
from tests.helpers.generated_networks import SIDE, Generated, generated_networks, shown

few = settings(max_examples=8, suppress_health_check=list(HealthCheck))
TRAINS = ("transfer_learning",)
"""Trains for seconds, on copies; the laws try it."""
LOOKS = [view for view in VIEWS if view.needs in ("model", "capture") and view.name not in TRAINS]
"""The views of networks; those that one example has are drawn, so that all come up over time."""
BRIEF: dict[str, dict[str, Any]] = {
    **brief_views.BRIEF,
    "feature_visualization": {"units": "first:0", "steps": 2, "size": SIDE},
}


@few
@given(generated_networks(), st.sampled_from(LOOKS))
def test_every_network_is_after_every_view_what_it_was(network: Generated, view: View) -> None:
    network.train()
    network.first.bias.requires_grad_(False)
    before = network_state(network)
    with suppress(cnnviz.CnnvizError):  # Not every view is for every network.
        brief_views.BriefTrial(view, BRIEF.get(view.name, {})).run(network, shown())
    assert not differences(before, network_state(network))


@few
@given(generated_networks())
def test_every_field_is_what_a_nan_spreads_from(network: Generated) -> None:
    network.double()
    last: dict[str, torch.Tensor] = {}
    found = trace(network, (3, SIDE, SIDE))
    assert found.unknown == ()
    calls = [call for call in found.module_calls() if len(call.output_shape) == 4]
    chosen = {call.name: call for call in calls[-1:] + calls[len(calls) // 2 : len(calls) // 2 + 1]}
    # One image for each pixel, which is no number there; the first layer mixes the channels.
    images = shown(1, torch.float64).repeat(SIDE * SIDE, 1, 1, 1)
    places = torch.arange(SIDE * SIDE)
    images[places, :, places // SIDE, places % SIDE] = float("nan")
    handles = [
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: last.update({name: output.clone()})
        )
        for name in chosen
    ]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for name in chosen:
        # Of a layer that is called again the last call was kept.
        call = [each for each in calls if each.name == name][-1]
        field = call.output_field
        assert field is not None
        height, width = field.positions
        for row, column in {(0, 0), (height // 2, width // 3), (height - 1, width - 1)}:
            spread = last[name][:, :, row, column].isnan().any(1).reshape(SIDE, SIDE)
            assert field.box(row, column) == _box(spread), (name, row, column, network.steps)


def _box(spread: torch.Tensor) -> PixelBox:
    rows, columns = spread.any(1).nonzero().flatten(), spread.any(0).nonzero().flatten()
    if not len(rows):
        return PixelBox(0, 0, 0, 0)
    return PixelBox(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


@few
@given(generated_networks(), st.integers(2, 6))
def test_occlusion_of_patches_alone_is_that_of_whole_images(
    network: Generated, window: int
) -> None:
    network.double()
    image, baseline = shown(1, torch.float64), shown(1, torch.float64).flip(-1)
    grid = Grid(SIDE, SIDE, window, max(1, window - 1))
    with torch.no_grad(), preserve_state(network):
        sweep = Sweep(network, image, baseline, grid, lambda output: output)
        for group in grid.groups(16):
            whole = image.repeat(len(group), 1, 1, 1)
            for one, (row, column) in zip(whole, group, strict=True):
                part = (
                    slice(None),
                    slice(row * grid.stride, row * grid.stride + window),
                    slice(column * grid.stride, column * grid.stride + window),
                )
                one[part] = baseline[0][part]
            found, wanted = sweep.scores(group), network(whole)
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@few
@given(generated_networks(), st.integers(0, 2))
def test_gradcam_is_that_of_the_formula_in_double_precision(
    network: Generated, target: int
) -> None:
    image = shown()
    held = capture(network, image, layers="conv", target=target)
    # Of a layer that is called twice each call has a name of its own.
    names = set(dict(network.named_modules())) & set(held.gradients)
    layer = max(names, key=list(held.gradients).index)
    found = cnnviz.cam(held, layer, method="gradcam")
    reference = copy.deepcopy(network).double().requires_grad_(False)
    kept: list[torch.Tensor] = []

    def keep(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        # What comes after may write to it in place.
        kept.append(output if output.requires_grad else output.requires_grad_())
        return kept[-1] * 1.0

    reference.get_submodule(layer).register_forward_hook(keep)
    leaf = image.double().requires_grad_()
    score = reference(leaf)[0, target]
    (gradient,) = torch.autograd.grad(score, kept[0])
    maps = (gradient.mean((2, 3), keepdim=True) * kept[0].detach()).sum(1)[0]
    scale = max(float(maps.abs().max()), 1e-6)
    # What speaks against the class is kept, and left out where the map is drawn.
    mine = torch.from_numpy(np.asarray(found.maps[0][0])).double()
    assert float((mine - maps).abs().max()) <= 1e-4 * scale, network.steps


@few
@given(generated_networks())
def test_the_fast_copy_answers_as_the_network_does(network: Generated) -> None:
    images, model = shown(3), cnnviz.Model(network)
    computing = fast_model(model, images, rows=1 << 20, by_rows=True)
    with isolated(computing.module, grad=False):
        found = computing.forward(images)
    with torch.no_grad():
        expected = network(images)
    assert float((expected - found).abs().max()) <= 1e-5 * float(expected.abs().max())
