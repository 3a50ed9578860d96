"""What units of signals and volumes see and respond to, against brute force and plain autograd."""

from __future__ import annotations

import copy
import itertools
import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.datasets.arrays import open_arrays
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import ArrayPreprocessing
from cnnviz.introspection.receptive_fields import ArrayBox
from cnnviz.models import Model, as_model
from cnnviz.units.projection import UnitPosition, project
from tests.helpers.array_networks import NETWORKS, build, fresh, seeded, signal_classifier

LAID_OUT = ("signal", "spectrogram", "volume", "parted")
"""One of each form of input and of maps: others are drawn of as many panels as one of these."""
SEEN = ("signal", "wavenet", "circular", "unfolded", "volume", "unet", "parted")


def doubled(network: nn.Module, layer: str, x: torch.Tensor) -> torch.Tensor:
    """Return what a layer of a double copy gives for inputs, with its graph."""
    held: list[torch.Tensor] = []
    twin = copy.deepcopy(network).double()
    handle = twin.get_submodule(layer).register_forward_hook(
        lambda module, given, output: held.append(output)
    )
    twin(x)
    handle.remove()
    return held[0]


def touched(network: nn.Module, layer: str, x: torch.Tensor, position: tuple[int, ...]) -> set:
    """Return at which places of an input a change is felt at a position of a layer."""
    with torch.no_grad():
        places = list(itertools.product(*map(range, x.shape[2:])))
        changed = x.double().repeat(len(places) + 1, *(1,) * (x.ndim - 1))
        for row, place in enumerate(places):
            changed[(row, slice(None), *place)] += 1.0
        maps = doubled(network, layer, changed)[(slice(None), slice(None), *position)]
        felt = (maps[:-1] - maps[-1:]).abs().amax(1) > 0
    return {place for place, one in zip(places, felt.tolist(), strict=True) if one}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("signal", "3"),
        ("wavenet", "skips.3"),
        ("circular", "conv"),
        ("volume", "3"),
        ("unet", "up"),
    ],
)
def test_the_field_is_where_a_change_is_felt(name: str, layer: str) -> None:
    network, x = fresh(name)
    for held in network.parameters():
        # Nothing is switched off and nothing cancels: what could be felt is.
        held.data.abs_().add_(0.01)
    found = cnnviz.receptive_field(network, x[:1], layer, draws=1)
    felt = np.array(sorted(touched(network, layer, x[:1], tuple(found.positions[0]))))
    window = found.windows[0]
    assert isinstance(window, ArrayBox)
    assert window.starts == tuple(felt.min(0))
    assert window.ends == tuple(felt.max(0) + 1)
    assert not found.outside.any()


@pytest.mark.parametrize(("kind", "shape"), [(nn.Conv1d, (2, 30)), (nn.Conv3d, (2, 7, 8, 9))])
def test_the_energy_is_the_squared_gradient(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    network = seeded(lambda: nn.Sequential(kind(2, 4, 3, padding=1), nn.Tanh(), kind(4, 1, 3)))
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(3))
    found = cnnviz.receptive_field(network, x, "2", draws=2)
    leaf = x.double().requires_grad_()
    maps = copy.deepcopy(network).double()(leaf)
    middle = tuple(length // 2 for length in maps.shape[2:])
    (slope,) = torch.autograd.grad(maps[(slice(None), 0, *middle)].sum(), leaf)
    energy = slope.square().sum(1).mean(0).numpy()
    np.testing.assert_allclose(found.energy[0], energy, rtol=1e-4, atol=1e-9)
    for axis, length in enumerate(energy.shape):
        others = tuple(other for other in range(energy.ndim) if other != axis)
        share = energy.sum(others) / energy.sum()
        places = np.arange(length) + 0.5
        centre = share @ places
        spread = 4 * np.sqrt(share @ (places - centre) ** 2)
        assert found.centres[0, axis] == pytest.approx(centre, rel=1e-5)
        limit = found.windows[0].sizes[axis]
        assert found.effective[0, axis] == pytest.approx(min(max(spread, 1.0), limit), rel=1e-4)


@pytest.mark.parametrize("name", SEEN)
def test_projections_by_the_gradient_are_those_of_autograd(name: str) -> None:
    network, x = build(name)
    found = cnnviz.deconvnet(network, x, rule="gradient", top=3)
    for image, one in enumerate(x):
        leaf = one[None].double().requires_grad_()
        maps = doubled(network, found.layer, leaf)
        # A layer of pictures made of a signal has its frequencies as channels: see the next test.
        if maps.ndim != x.ndim:
            return
        for place, channel in enumerate(found.channels):
            values = maps[0, channel]
            at = np.unravel_index(int(values.argmax()), values.shape)
            assert tuple(found.positions[place, image]) == at
            value = float(values[at].detach())
            assert found.activations[place, image] == pytest.approx(value, rel=1e-4)
            (slope,) = torch.autograd.grad(values[at], leaf, retain_graph=True)
            window = found.windows[place][image]
            wanted = slope[0].numpy() * (value > 0)
            # As much around it as the window reaches beyond the edges.
            begins, ends = np.array(window.starts), np.array(window.ends)
            lead, trail = np.maximum(0, -begins), np.maximum(0, ends - wanted.shape[1:])
            edges = [(0, 0), *zip(lead, trail, strict=True)]
            part = tuple(map(slice, begins + lead, ends + lead))
            padded = np.pad(wanted, edges)
            np.testing.assert_allclose(
                found.signals[place, image], padded[(slice(None), *part)], rtol=1e-3, atol=1e-6
            )
            seen = np.pad(one.numpy(), edges, constant_values=9)
            patch = np.nan_to_num(found.patches[place, image], nan=9.0)
            np.testing.assert_allclose(patch, seen[(slice(None), *part)], rtol=1e-6)


def test_the_deconvnet_rule_along_a_signal_is_that_of_the_paper() -> None:
    network, x = build("signal")
    found = cnnviz.deconvnet(network, x[:1], "3", channels=[0, 1, 2, 3, 4, 5, 6, 7])
    first, second = network[0], network[3]
    with torch.no_grad():
        pooled, switches = F.max_pool1d(network[:2](x[:1]), 2, return_indices=True)
        maps = second(pooled)[0]
    for place, channel in enumerate(found.channels):
        at = int(maps[channel].argmax())
        start = torch.zeros_like(maps)[None]
        start[0, channel, at] = maps[channel, at].clamp(min=0)
        back = F.conv_transpose1d(start, second.weight, padding=2, dilation=2)
        back = F.max_unpool1d(back, switches, 2, output_size=(40,)).relu()
        wanted = F.conv_transpose1d(back, first.weight, padding=2)[0].detach().numpy()
        ((left,), (right,)) = found.windows[place][0].starts, found.windows[place][0].ends
        padded = np.pad(wanted, ((0, 0), (20, 20)))[:, left + 20 : right + 20]
        np.testing.assert_allclose(found.signals[place, 0], padded, rtol=1e-4, atol=1e-6)


def test_crops_of_a_long_signal_give_what_the_whole_does(monkeypatch) -> None:
    network = seeded(signal_classifier)
    x = torch.rand(2, 2, 300, generator=torch.Generator().manual_seed(2))
    picks = [UnitPosition(image, 3, at=(at,)) for image in (1, 0) for at in (0, 17, 149)]
    cropped = project(as_model(network), x, "4", picks, "guided")
    monkeypatch.setattr("cnnviz.units.projection.crops.WORTH", 0.0)
    plain = project(as_model(network), x, "4", picks, "guided")
    assert cropped.windows == plain.windows
    np.testing.assert_allclose(cropped.signals, plain.signals, rtol=1e-4, atol=1e-6)
    with pytest.raises(UsageError, match=r"Position \(150\) lies outside the 150 maps"):
        project(as_model(network), x, "4", [UnitPosition(0, 3, at=(150,))])


@pytest.mark.parametrize("name", ["signal", "spectrogram", "volume", "parted"])
def test_the_strongest_patches_are_those_of_a_search_by_hand(name: str) -> None:
    network, _ = build(name)
    shape = NETWORKS[name][1]
    x = torch.rand(7, *shape, generator=torch.Generator().manual_seed(5))
    layer = {"signal": "3", "spectrogram": "conv", "volume": "3", "parted": "time"}[name]
    found = cnnviz.top_activations(network, [*x], layer, k=3)
    with torch.no_grad():
        maps = doubled(network, layer, x.double())
    if name == "spectrogram":  # [N, C, frequencies, l]: each frequency of a channel is a channel
        maps = maps.flatten(1, 2)
    tops = maps.flatten(2).amax(2)
    order = torch.argsort(tops, 0, descending=True)[:3].T
    np.testing.assert_array_equal(found.images, order)
    np.testing.assert_allclose(found.values, tops.T.gather(1, order), rtol=1e-4, atol=1e-6)
    for channel, slot in np.ndindex(found.images.shape):
        values = maps[found.images[channel, slot], channel]
        at = np.unravel_index(int(values.argmax()), values.shape)
        assert tuple(found.positions[channel, slot]) == at
        assert found.strongest(channel)[slot].at == at


def test_a_folder_of_signals_is_searched_with_its_classes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for place in range(6):
        folder = tmp_path / ("low" if place % 2 else "high")
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{place}.npy", generator.normal(size=(2, 40)).astype(np.float32))
    (tmp_path / "low" / "broken.npy").write_bytes(b"no numbers")
    network = seeded(signal_classifier)
    found = cnnviz.top_activations(network, tmp_path, k=2)
    assert (found.seen, found.data) == (6, f"{tmp_path.name}, 7 signals in 2 folders")
    assert set(found.labels.values()) <= {"low", "high"}
    assert "1 signal could not be read and was left out" in found.provenance.notes[0]
    every = [np.load(tmp_path / name) for name in sorted(found.names.values())]
    alone = cnnviz.top_activations(network, every, k=2)
    held = set(np.round(alone.values[~alone.never_above_zero], 5).ravel().tolist())
    assert set(np.round(found.values[~found.never_above_zero], 5).ravel().tolist()) == held
    saved = found.save(tmp_path / "found.json")
    first = json.loads(saved.read_text("utf-8"))["channels"][0]["strongest"][0]
    assert len(first["at"]) == 1
    assert found.table().columns[-1].name == "sample"


def test_sets_of_signals_are_opened_in_every_form(tmp_path: Path) -> None:
    takes = ArrayPreprocessing()
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.arange(50, dtype="<i2").tobytes())
    assert len(open_arrays(tmp_path, takes)) == 1
    assert open_arrays(tmp_path / "a.wav", takes).names == ("a.wav",)
    assert len(open_arrays(np.zeros((5, 1, 20)), takes)) == 5
    assert len(open_arrays(torch.zeros(5, 1, 20), takes, 3)) == 3

    class Pairs:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return torch.full((1, 9), float(index)), index

    pairs = open_arrays(Pairs(), takes)
    assert [pairs.read(place).label for place in range(2)] == [0, 1]
    assert pairs.sha256(0) != pairs.sha256(1)
    with pytest.raises(ImageError, match="no signal"):
        open_arrays([], takes)
    with pytest.raises(ImageError, match="no volume"):
        open_arrays(tmp_path, ArrayPreprocessing(axes=3))
    with pytest.raises(UsageError, match="no folder"):
        open_arrays(tmp_path / "b", takes)
    with pytest.raises(UsageError, match="count cannot be 0"):
        open_arrays(tmp_path, takes, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_units_of_every_kind_are_drawn(name: str) -> None:
    network, x = build(name)
    noun = "signal" if x.ndim == 3 else "volume"
    channels, *size = x.shape[1:]
    numbers = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    takes = ArrayPreprocessing(**numbers, axes=len(size), shape=tuple(size))
    small = Model(network, preprocessing=takes)
    for found in (
        cnnviz.receptive_field(network, x, draws=1),
        cnnviz.receptive_field(small, draws=1, scale="log"),
        cnnviz.deconvnet(network, x[:1], top=0),
        cnnviz.deconvnet(network, x, top=2),
        cnnviz.top_activations(network, [*x], k=2, top=3),
    ):
        figure = found.figure()
        if name in LAID_OUT:
            figure.draw_without_rendering()
        told = f"{found.summary()} {found.caption()}"
        assert noun in told
        assert not {"pixel", "pixels", "px", "image", "images"} & set(told.split())


def test_many_channels_and_single_samples_are_drawn() -> None:
    network = seeded(lambda: nn.Sequential(nn.Conv1d(12, 5, 1), nn.ReLU(), nn.Conv1d(5, 5, 9)))
    x = torch.rand(3, 12, 60, generator=torch.Generator().manual_seed(1))
    for layer in ("0", "2"):
        found = cnnviz.deconvnet(network, x[:1], layer)
        assert "the 4 that it sends most back to" in found.caption()
        found.figure().draw_without_rendering()
        cnnviz.top_activations(network, [*x], layer).figure().draw_without_rendering()
