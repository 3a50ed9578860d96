"""What is a map of the image, and what is none: every layout found, every impostor named."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize

from cnnviz.errors import LayerError
from cnnviz.heatmaps.stretching import stretch_over_box
from cnnviz.images import Preprocessing
from cnnviz.models import Model, as_model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captures import capture
from cnnviz.passes.run_to_layer import PartialForward
from cnnviz.views.cam import cam
from cnnviz.views.deconvnet import deconvnet
from cnnviz.views.feature_maps import feature_maps
from cnnviz.views.feature_visualization import feature_visualization
from cnnviz.views.invariance import invariance
from cnnviz.views.receptive_field import receptive_field
from cnnviz.views.top_activations import top_activations
from tests.helpers import networks_of_maps as made


def images(count: int = 2, side: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, side, side, generator=generator)


@cache
def known(build: Callable[[], nn.Module]) -> nn.Module:
    """Return the same network each time: what is found out of it by tracing serves again."""
    return made.seeded(build())


def small(network: nn.Module) -> Model:
    """Return a network with photos as small as the images; at the usual size some take long."""
    return Model(network, preprocessing=Preprocessing(16, (16, 16), (0.5,) * 3, (0.5,) * 3))


def stages(network: nn.Module, side: int = 16) -> tuple[str, ...]:
    return call_order(as_model(network), images(1, side)).stages()


def gradcam_by_hand(network: nn.Module, layer: str, inputs: torch.Tensor) -> tuple:
    """Return activation and gradient of a layer in double precision, for class 2."""
    held: list[torch.Tensor] = []
    network = network.double()

    def keep(module: nn.Module, given: object, output: torch.Tensor) -> torch.Tensor:
        held.append(output)
        return output.clone()

    handle = network.get_submodule(layer).register_forward_hook(keep)
    score = network(inputs.double())[:, 2].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, held[0])
    return held[0].detach(), gradient


NETWORKS = {
    "windows": (made.Swinlike, "norm", ("first.1", "norm")),
    "class token": (made.Tokens, "blocks.1", ("blocks.1",)),
    "mean of tokens": (lambda: made.Tokens(0, "mean"), "norm", ("norm",)),
    "between channels": (made.CrossCovariance, "norm", ("norm",)),
    "channels last": (made.ChannelsLast, "narrow", ("conv", "narrow")),
    "sequence first": (made.SequenceFirst, "norm", ("norm",)),
    "mixer": (made.Mixer, "norm", ("norm",)),
    "turned": (made.Turned, "mirrored", ("mirrored",)),
    "strip": (made.Strip, "columns", ("conv", "columns")),
    "coordinates": (made.Coordinates, "last", ("last",)),
    "shuffled": (made.Shuffled, "last", ("conv", "last")),
    "padded": (made.Padded, "layers.1.2", ("layers.0.2", "layers.1.2")),
    "class map": (made.Segmenter, "relu", ("relu",)),
    "dynamic filters": (made.DynamicFilters, "conv", ("conv",)),
    "crops": (made.Crops, "merged", ("coarse", "merged")),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_stages_are_maps_of_the_image_and_end_with_the_last(name: str) -> None:
    build, last, expected = NETWORKS[name]
    found = stages(known(build))
    assert found == expected
    assert found[-1] == last


def test_channels_last_windows_equal_a_double_precision_reference() -> None:
    network, inputs = known(made.Swinlike), images()
    held = capture(network, inputs, layers=["norm", "first.1"], target=2)
    for layer in ("norm", "first.1"):
        kept, gradient = gradcam_by_hand(made.seeded(made.Swinlike()), layer, inputs)
        expected = (gradient.mean((1, 2), keepdim=True) * kept).sum(3)
        np.testing.assert_allclose(cam(held, layer).maps[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("apart", [1, 3])
def test_tokens_equal_a_double_precision_reference(apart: int) -> None:
    network, inputs = small(made.seeded(made.Tokens(apart))), images()
    held = capture(network, inputs, layers="stages", target=2)
    kept, gradient = gradcam_by_hand(made.seeded(made.Tokens(apart)), "blocks.1", inputs)
    kept, gradient = kept[:, apart:], gradient[:, apart:]
    expected = (gradient.mean(1, keepdim=True) * kept).sum(2).view(2, 4, 4)
    found = cam(held)
    assert found.layers == ("blocks.1",)
    assert np.abs(found.maps[0]).max() > 0.0
    np.testing.assert_allclose(found.maps[0], expected, rtol=1e-4, atol=1e-6)


def test_windows_are_undone_for_several_images() -> None:
    network, inputs = known(made.Swinlike), images(3)
    held = capture(network, inputs, layers=["first.1.attn", "first.1.norm"], gradients=False)
    inside = held.activation_maps("first.1.attn")
    assert inside.shape == (3, 8, 8, 8)
    # The norm ahead of the windows is in the order of the image; the attention in that of windows
    # moved by one. Taken back, its first window covers rows and columns 1 and 2.
    raw = held.activations["first.1.attn"].view(3, 16, 4, 8)
    torch.testing.assert_close(inside[:, :, 1, 1], raw[:, 0, 0])
    torch.testing.assert_close(inside[:, :, 1, 2], raw[:, 0, 1])
    torch.testing.assert_close(inside[:, :, 2, 1], raw[:, 0, 2])
    torch.testing.assert_close(inside[:, :, 0, 0], raw[:, 15, 3])
    alone = capture(network, inputs[1:2], layers=["first.1.attn"], gradients=False)
    torch.testing.assert_close(alone.activation_maps("first.1.attn")[0], inside[1])


def test_tokens_before_images_are_told_from_images() -> None:
    network, inputs = known(made.SequenceFirst), images(3)
    held = capture(network, inputs, layers=["norm"], gradients=False)
    raw = held.activations["norm"]
    assert raw.shape == (16, 3, 8)
    expected = raw.permute(1, 2, 0).reshape(3, 8, 4, 4)
    assert torch.equal(held.activation_maps("norm"), expected)


def test_turned_maps_are_turned_back() -> None:
    network, inputs = known(made.Turned), images()
    held = capture(network, inputs, layers=["conv", "across", "mirrored"], gradients=False)
    conv, across = held.activations["conv"], network.across
    assert torch.equal(held.activation_maps("across"), held.activations["across"].transpose(2, 3))
    expected = network.mirrored(across(conv))
    torch.testing.assert_close(held.activation_maps("mirrored"), expected, rtol=1e-4, atol=1e-5)


REFUSED = {
    "attention in windows": (made.Swinlike, "first.0.attn.softmax", "compares positions"),
    "attention of tokens": (made.Tokens, "blocks.0.attn.softmax", "compares positions"),
    "attention of channels": (made.CrossCovariance, "softmax", "has no positions"),
    "a table": (made.CrossCovariance, "table", "does not depend on the image"),
    "kernels": (made.DynamicFilters, "kernels", "weights of a convolution"),
    "crops": (made.Crops, "box", "crops of regions"),
    "positions mixed": (made.Mixer, "over", "has no positions"),
    "queries": (made.Queries, "answers", "has no positions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_map_is_refused_with_the_reason_by_every_view(name: str) -> None:
    build, layer, reason = REFUSED[name]
    network, inputs = small(known(build)), images()
    held = capture(network, inputs, layers=[layer], gradients=False)
    asked = {
        "cam": lambda: cam(held, layer, "eigencam"),
        "feature_maps": lambda: feature_maps(held, layer),
        "deconvnet": lambda: deconvnet(network, inputs, layer, top=1),
        "top_activations": lambda: top_activations(network, inputs, layer, top=1),
        "receptive_field": lambda: receptive_field(network, inputs, layer, draws=1),
        "invariance": lambda: invariance(network, inputs, layer, steps=3),
        "visualization": lambda: feature_visualization(network, f"{layer}:0", steps=1, size=16),
    }
    for view, ask in asked.items():
        with pytest.raises(LayerError, match=reason):
            pytest.fail(f"{view} took {ask()}")


@pytest.mark.parametrize("layer", ["norm", "second.0", "first.1.attn.proj", "merge"])
def test_every_view_takes_a_map_in_an_unusual_layout(layer: str) -> None:
    network, inputs = small(known(made.Swinlike)), images()
    held = capture(network, inputs, layers=[layer], target=1)
    size = tuple(held.activation_maps(layer).shape[2:])
    assert feature_maps(held, layer).maps.shape[1:] == size
    for method in ("gradcam", "layercam", "eigencam", "scorecam", "ablationcam"):
        assert cam(held, layer, method).maps[0].shape == (2, *size)
    found = deconvnet(network, inputs, layer, top=2)
    assert (found.rows < size[0]).all()
    assert (found.columns < size[1]).all()
    assert top_activations(network, inputs, layer, top=1, k=1).images.shape[1] == 1
    assert receptive_field(network, inputs, [layer], draws=1).layers == (layer,)
    assert np.isfinite(invariance(network, inputs, [layer], steps=3).distances).all()
    assert feature_visualization(network, f"{layer}:0", steps=1, size=16).units == (f"{layer}:0",)


def test_ablation_leaves_tokens_that_are_set_apart_alone() -> None:
    network, inputs = known(made.Tokens), images(1)
    held = capture(small(network), inputs, layers=["blocks.1"], target=2)
    layout, output = held.layout("blocks.1"), held.activations["blocks.1"]
    maps = layout.take(output, 1)
    assert layout.apart == 3
    assert torch.equal(layout.put(output, maps), output)
    without = layout.put(output, torch.zeros_like(maps))
    assert torch.equal(without[:, :3], output[:, :3])
    assert not without[:, 3:].any()
    with torch.no_grad():
        drops = []
        for channel in range(8):
            changed = output.clone()
            changed[:, 3:, channel] = 0.0
            drops.append(
                held.scores - network.head(network.norm(network.blocks[2](changed))[:, 0])[:, 2]
            )
        weights = torch.stack(drops, 1) / held.scores.abs()[:, None]
    expected = (weights[:, :, None, None] * maps).sum(1)
    found = cam(held, "blocks.1", "ablationcam").maps[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def base() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


class Symmetric(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return (weight + weight.flip(-1)) / 2.0


PARAMETRISED = {
    "plain": lambda layer: layer,
    "symmetric": lambda layer: parametrize.register_parametrization(layer, "weight", Symmetric()),
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.parametrize("kind", PARAMETRISED)
def test_weights_are_no_stage_however_they_are_parametrised(kind: str) -> None:
    network = base()
    for place in (0, 3):
        PARAMETRISED[kind](network[place])
    network.eval()
    assert stages(network) == ("1", "4")
    held = capture(network, images(), layers="stages")
    assert cam(held).layers == ("4",)
    joined = cam(held, method="layercam", fuse=True)
    assert joined.maps[0].shape == (2, 16, 16)
    assert receptive_field(network, images(1), "stages", draws=1).layers == ("1", "4")
    assert invariance(network, images(1), steps=3).layers == ("1", "4")


def test_positions_follow_the_pixels_and_not_the_shape() -> None:
    # One bright patch: the token that stands for it is the one whose embedding differs.
    network = made.seeded(made.Tokens(3))
    dark, bright = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    bright[:, :, 4:8, 12:16] = 1.0
    held = [
        capture(network, x, layers=["blocks.0.norm"], gradients=False).activation_maps(
            "blocks.0.norm"
        )
        for x in (dark, bright)
    ]
    changed = (held[0] != held[1]).any(1)[0]
    assert changed.nonzero().tolist() == [[1, 3]]


@pytest.mark.parametrize("layer", ["embed", "blocks.0.norm", "blocks.1"])
def test_the_field_of_a_token_is_that_of_its_place(layer: str) -> None:
    network = made.seeded(made.Tokens(3))
    field = PartialForward.to(as_model(network), images(1), layer).field
    assert field is not None
    assert field.positions == (4, 4)
    whole = layer == "blocks.1"
    assert field.box(1, 3) == ((0, 0, 16, 16) if whole else (12, 4, 16, 8))


def test_a_field_of_one_pixel_is_one_pixel_wide() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, (1, 5), padding=(0, 2)), nn.ReLU()
    ).eval()
    found = receptive_field(network, images(1), ["0", "2"], draws=4)
    assert found.effective[0].tolist() == [1.0, 1.0]
    assert found.effective[1, 0] == 1.0
    assert 1.0 < found.effective[1, 1] <= 5.0


@pytest.mark.parametrize("layer", ["2", "4"])
def test_maps_of_one_place_are_maps(layer: str) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    ).eval()
    held = capture(network, images(), layers=[layer], gradients=False)
    assert feature_maps(held, layer).maps.shape == (8, 1, 1)
    assert deconvnet(network, images(), layer, top=1).rows.tolist() == [[0, 0]]
    assert np.isfinite(invariance(network, images(), [layer], steps=3).distances).all()


def test_a_blind_head_does_not_hide_what_is_read() -> None:
    network = made.seeded(made.Tokens(1))
    with torch.no_grad():
        network.head.weight.zero_()
    assert stages(network) == ("blocks.1",)


@pytest.mark.parametrize("size", [(16, 16), (16, 32), (24, 8)])
def test_maps_have_the_shape_of_the_image(size: tuple[int, int]) -> None:
    network = small(made.seeded(made.Tokens(2)))
    inputs = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    found = cam(capture(network, inputs, layers="stages"))
    assert found.maps[0].shape == (2, size[0] // 4, size[1] // 4)


def test_a_layer_called_like_a_kind_does_not_hide_the_others() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.more = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
            self.stages, self.head = nn.Conv2d(4, 4, 1), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.stages(self.more(self.conv(x)).relu()).mean((2, 3)))

    network = Two().eval()

    def names(layers: object) -> list[str]:
        return list(capture(network, images(1), layers=layers).activations)

    assert names("conv") == ["conv", "more", "stages"]
    assert names(["conv"]) == ["conv"]
    assert names(["stages"]) == ["stages"]
    assert names("stages") == ["conv", "stages"]


def test_names_with_commas_and_number_signs_are_reached() -> None:
    odd = nn.ModuleDict({"a,b": nn.Conv2d(3, 4, 1), "x#1": nn.Conv2d(4, 4, 1)})

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.d, self.head = odd, nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.d.values():
                x = layer(x).relu()
            return self.head(x.mean((2, 3)))

    network = Odd().eval()
    held = capture(network, images(1), layers="conv")
    for name in ("d.a,b", "d.x#1"):
        assert list(capture(network, images(1), layers=[name]).activations) == [name]
        assert cam(held, name).layers == (name,)
        assert deconvnet(network, images(1), name, top=1).layer == name
        assert receptive_field(network, images(1), [name], draws=1).layers == (name,)


def test_what_is_drawn_is_clipped_at_the_layers_size() -> None:
    network = made.seeded(base())
    held = capture(network, images(1), layers=["3"], target=1)
    drawn, signed = cam(held), cam(held, relu=False)
    maps = signed.maps[0]
    assert maps.min() < 0.0 < maps.max()
    np.testing.assert_array_equal(drawn.maps[0], maps)
    np.testing.assert_array_equal(drawn.shown(), np.maximum(maps, 0.0))
    np.testing.assert_array_equal(signed.shown(), maps)
    expected = stretch_over_box(np.maximum(maps[0], 0.0), drawn.boxes[0], 16, 16)
    np.testing.assert_array_equal(drawn.on_photo(), expected)
    # Clipped afterwards, evidence against would have eaten into it.
    late = np.maximum(stretch_over_box(maps[0], drawn.boxes[0], 16, 16), 0.0)
    assert (expected >= late - 1e-6).all()
    assert (expected > late + 0.01 * expected.max()).any()
    row, column = drawn.peak()
    assert expected[row, column] == expected.max()


class ClassMaps(nn.Module):
    """Ends in a convolution to classes, averaged for the image or as a map of its size."""

    def __init__(self, *, averaged: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.classes = nn.Conv2d(6, 4, 1)
        self.averaged = averaged

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.classes(self.second(self.first(x).relu()).relu())
        return found.mean((2, 3)) if self.averaged else found


@pytest.mark.parametrize("averaged", [True, False])
def test_the_map_of_the_classes_is_no_default(averaged: bool) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    network = ClassMaps(averaged=averaged).eval()
    held = capture(network, image, layers="conv")
    assert cam(held).layers == ("second",)
    assert cam(held, "classes").layers == ("classes",)
    assert cam(held, fuse=True, method="layercam").layers == ("first | second",)
    alone = capture(network, image, layers="classes")
    assert cam(alone).layers == ("classes",), "nothing else was captured"


class Moved(nn.Module):
    """Some channels are mirrored or rolled, before a layer that mixes channels."""

    def __init__(self, move: Callable[[torch.Tensor], torch.Tensor], *, last: bool) -> None:
        super().__init__()
        self.conv, self.moved = nn.Conv2d(3, 6, 3, padding=1), nn.Identity()
        self.mixed, self.head = nn.Linear(6, 8), nn.Linear(8, 5)
        self.move, self.last = move, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, others = self.conv(x).split([1, 5], 1)
        x = torch.cat([self.move(one), others], 1)
        x = self.moved(x.permute(0, 2, 3, 1) if self.last else x)
        x = self.mixed(x if self.last else x.permute(0, 2, 3, 1))
        return self.head(x.relu().mean((1, 2)))


MOVES = {
    "mirrored": (lambda x: x.flip(3), False),
    "upside down": (lambda x: x.flip(2), False),
    "shifted down": (lambda x: functional.pad(x, (0, 0, 2, 0))[:, :, :-2], True),
    "rolled": (lambda x: x.roll(3, 3), False),
    "rolled down": (lambda x: x.roll(3, 2), False),
}


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("move", MOVES)
def test_channels_that_are_moved_are_not_taken_for_rows_or_columns(move: str, last: bool) -> None:
    change, is_map = MOVES[move]
    held = capture(made.seeded(Moved(change, last=last)), images(), layers=["moved", "mixed"])
    for layer, channels in (("moved", 6), ("mixed", 8)):
        if is_map:
            assert held.activation_maps(layer).shape == (2, channels, 16, 16)
        else:
            with pytest.raises(LayerError, match="no map of the image"):
                held.activation_maps(layer)


def test_cells_of_padding_are_not_called_tokens() -> None:
    padded = nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 1), nn.Flatten())
    network = made.seeded(nn.Sequential(*padded, nn.Linear(4 * 18 * 18, 5)))
    held = capture(network, images(), layers=["1"])
    assert "Set apart at layer 1: 68 cells without a place in the image." in cam(held).notes
    tokens = capture(made.seeded(made.Tokens()), images(), layers=["blocks.1"])
    assert "Set apart at blocks.1: 3 tokens without a place in the image." in cam(tokens).notes
