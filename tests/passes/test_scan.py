"""One pass over a data set: every image once, as far as the last layer, the network untouched."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.datasets import LoadedBatch, open_dataset
from cnnviz.errors import ImageError, LayerError
from cnnviz.introspection.final_activation import FinalActivation
from cnnviz.models import Model, as_model
from cnnviz.passes.captures import capture
from cnnviz.passes.scan import first_batch, scan, way_to_scan
from tests.helpers.architectures import OF_OTHER_KINDS, shallow, small_input, thin, tiny_network
from tests.helpers.state import state


def inputs(count: int, channels: int = 3, side: int = 16) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(2))


def collected(model: Model, data: torch.Tensor, layers: list[str], **how: object):
    found: dict[str, list[torch.Tensor]] = {layer: [] for layer in layers}
    order: list[int] = []

    def see(layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        found[layer].append(maps.clone())
        if layer == layers[0]:
            order.extend(batch.indices.tolist())

    scanned = scan(model, open_dataset(data), layers, see, **how)
    return {layer: torch.cat(maps) for layer, maps in found.items()}, order, scanned


@pytest.mark.parametrize("name", OF_OTHER_KINDS)
def test_the_maps_are_those_of_a_capture(name: str) -> None:
    """Of the stages of every listed network, in-place rectifiers included."""
    model, data = shallow(name), small_input(name, 3)
    held = capture(model, data, layers="stages", gradients=False)
    layers = list(held.activations)
    before = state(model.module)
    found, order, scanned = collected(model, data, layers, batch_size=2)
    assert order == [0, 1, 2]
    assert scanned.images == 3
    for layer in layers:
        wanted = held.activations[layer]
        # Batches of another size round differently.
        reach = float(wanted.abs().max())
        torch.testing.assert_close(found[layer], wanted, rtol=0, atol=1e-4 * reach)
    assert state(model.module) == before


class _Twice(nn.Module):
    """A layer that is called twice, and one behind it that must not run."""

    # Of the class: a network that counts for itself is another one after each pass.
    passes = 0

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.after = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv(self.relu(self.conv(x))))
        type(self).passes += 1
        return self.after(x).mean((2, 3))


def test_each_call_of_a_layer_is_seen_and_nothing_runs_behind_the_last() -> None:
    module = _Twice().eval()
    model, data = as_model(module), inputs(4)
    first_batch(open_dataset(data), model, [0])
    collected(model, data, ["conv#0"], batch_size=4)  # also finds the order of calls
    before = module.passes
    found, _, _ = collected(model, data, ["conv#1", "conv#0"], batch_size=3)
    assert module.passes == before, "trace and order are known, and no batch comes so far"
    with torch.no_grad():
        one = module.conv(data)
        two = module.conv(one.relu())
    torch.testing.assert_close(found["conv#0"], one)
    torch.testing.assert_close(found["conv#1"], two)


def test_a_layer_without_positions_has_one() -> None:
    model, data = as_model(tiny_network()), inputs(3)
    found, _, _ = collected(model, data, ["8"])
    with torch.no_grad():
        torch.testing.assert_close(found["8"][:, :, 0, 0], model.module(data))


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "mobilenet_v2", "vgg16_bn"])
def test_in_even_batches_an_image_gives_the_same_to_the_bit(name: str) -> None:
    model, data = thin(name), small_input(name, 7)
    layers = list(capture(model, data[:1], layers="stages", gradients=False).activations)
    # As processes that share a scan have it: each part would decide by its own first image.
    how = {"batch_size": 3, "even": True, "way": way_to_scan(model, open_dataset(data), layers)}
    whole, _, _ = collected(model, data, layers, **how)
    for indices in ([6], [5, 0, 1, 4], [2, 3]):
        part, _, _ = collected(model, data, layers, indices=indices, **how)
        for layer in layers:
            assert torch.equal(part[layer], whole[layer][indices])


def test_what_is_shown_is_what_went_in_even_where_the_first_layer_works_in_place() -> None:
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1)).eval()
    data = inputs(5) - 0.5
    shown: list[torch.Tensor] = []
    scan(
        as_model(module),
        open_dataset(data),
        ["1"],
        lambda _, __, batch: shown.append(batch.tensor),
        batch_size=2,
    )
    assert torch.equal(torch.cat(shown), data)


def test_part_of_the_data_can_be_seen_and_none_of_it() -> None:
    model, data = as_model(tiny_network()), inputs(6)
    found, order, _ = collected(model, data, ["0"], indices=[5, 1], batch_size=1, workers=2)
    assert order == [5, 1]
    assert len(found["0"]) == 2
    assert scan(model, open_dataset(data), ["0"], lambda *_: None, indices=[]).images == 0


def test_what_looks_at_maps_goes_through_no_mode_that_follows_the_network(monkeypatch) -> None:
    looking, followed = False, Counter[bool]()

    def answer(_self: Any, func: Any, args: Any, named: Any) -> Any:
        followed[looking] += 1
        return func(*args, **named)

    def see(_layer: str, maps: torch.Tensor, _batch: Any) -> None:
        nonlocal looking
        looking = True
        assert len(maps.amax((2, 3))) == len(maps)
        looking = False

    monkeypatch.setattr(FinalActivation, "answer", answer)
    scan(as_model(tiny_network()), open_dataset(inputs(2)), ["0"], see, batch_size=2)
    assert followed[False]
    assert not followed[True]


def test_progress_counts_images_with_their_rate_and_those_left_out() -> None:
    model = as_model(tiny_network())
    good = np.zeros((32, 32, 3), np.uint8)
    told: list[tuple[int, int, str]] = []
    scanned = scan(
        model,
        open_dataset([good, good.astype(float), good, good]),
        ["0"],
        lambda *_: None,
        batch_size=2,
        progress=lambda done, total, what: told.append((done, total, what)),
    )
    assert [entry[:2] for entry in told] == [(0, 4), (3, 4), (4, 4)]
    assert told[-1][2].endswith("images/s")
    assert list(scanned.refused) == [1]


def test_errors_are_sentences_and_leave_the_network_as_it_was() -> None:
    model, data = as_model(tiny_network().train()), inputs(2)
    before = state(model.module)
    with pytest.raises(LayerError, match="no layer 'nine'"):
        collected(model, data, ["nine"])
    with pytest.raises(ImageError, match=r"No image of 2 images can be used \(image 0"):
        scan(model, open_dataset([np.zeros(3), np.zeros(3)]), ["0"], lambda *_: None)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(model, open_dataset(data), ["0"], stop)
    assert state(model.module) == before
    with torch.inference_mode():
        collected(model, data, ["0"])
    assert state(model.module) == before


@pytest.mark.parametrize("even", [False, True])
def test_the_network_can_be_run_to_its_end_and_its_answers_seen(even: bool) -> None:
    model, data = as_model(tiny_network()), inputs(5)
    seen: list[str] = []
    answers: list[torch.Tensor] = []

    def answered(output: torch.Tensor, batch: LoadedBatch) -> None:
        seen.append("answer")
        assert len(output) == (3 if even else len(batch))
        answers.append(output[: len(batch)].clone())

    scan(
        model,
        open_dataset(data),
        ["0", "3"],
        lambda layer, _maps, _batch: seen.append(layer),
        batch_size=3,
        even=even,
        answered=answered,
    )
    assert seen == ["0", "3", "answer"] * 2
    with torch.no_grad():
        torch.testing.assert_close(torch.cat(answers), model.module(data))


class _MakesKernels(nn.Module):
    """Makes the kernels that it is convolved with by a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.made = nn.Parameter(torch.ones(4, 3, 3, 3)), nn.Tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(x, self.made(self.kernels)).mean((2, 3))


@pytest.mark.parametrize("even", [False, True])
def test_a_layer_that_does_not_answer_image_by_image_is_refused(even: bool) -> None:
    with pytest.raises(
        LayerError, match=r"gives \[4, 3, 3, 3\], .* it does not depend on the image"
    ):
        collected(as_model(_MakesKernels().eval()), inputs(3), ["made"], batch_size=2, even=even)


class _GoesByValues(nn.Module):
    """Light images go through one layer, and dark ones through another."""

    def __init__(self) -> None:
        super().__init__()
        self.light, self.dark = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = x.mean((1, 2, 3)) > 0
        if bool(light.all()):
            maps = self.light(x)
        elif not bool(light.any()):
            maps = self.dark(x)
        else:
            maps = torch.where(light[:, None, None, None], self.light(x), self.dark(x))
        return maps.mean((2, 3))


@pytest.mark.parametrize("answered", [None, lambda *_: None])
def test_a_layer_that_some_images_pass_by_is_refused(answered) -> None:
    """What was seen of it would be of other images, and counted for all."""
    images = inputs(4) * torch.tensor([-1.0, -1.0, 1.0, -1.0])[:, None, None, None]
    with pytest.raises(LayerError, match=r"'dark' is not called for .*though for others"):
        collected(as_model(_GoesByValues()), images, ["dark"], batch_size=1, answered=answered)
