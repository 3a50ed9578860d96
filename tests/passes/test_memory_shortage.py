"""Where memory is short, batches are halved until they fit, and what comes out is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import cnnviz
from cnnviz.datasets import open_dataset
from cnnviz.datasets.streaming import LoadedBatch
from cnnviz.errors import CnnvizError
from cnnviz.evaluation import evaluate
from cnnviz.heatmaps.checks.measure_groups import CheckSettings
from cnnviz.images import Preprocessing
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.scan import scan
from cnnviz.testing.trial import small_network
from tests.helpers.state import state

SHORTAGES: list[Callable[[], Exception]] = [
    MemoryError,
    lambda: torch.OutOfMemoryError("CUDA out of memory"),
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
]
_SEEN: list[int] = []
AS_GIVEN = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)


class Small(nn.Module):
    """A network that has memory for so many images."""

    def __init__(self, most: int, shortage: Callable[[], Exception]) -> None:
        super().__init__()
        self.network = small_network()
        self.most, self.shortage = most, shortage

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _SEEN.append(len(x))
        if len(x) > self.most:
            raise self.shortage()
        return self.network(x)


def prepared(network: nn.Module) -> cnnviz.Model:
    """Return a network with its images as they are given: a guess takes passes of its own."""
    return cnnviz.Model(network, preprocessing=AS_GIVEN)


def image(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def cams(network: cnnviz.Model) -> Any:
    held = cnnviz.capture(network, image(), layers="network.3", target=1)
    return cnnviz.cam(held, method="scorecam").maps[0]


def captured(network: cnnviz.Model) -> Any:
    held = cnnviz.capture(network, image(7), layers="conv", target=[0, 1, 2, 3, 0, 1, 2])
    found = {f"activations of {key}": value for key, value in held.activations.items()}
    found |= {f"gradients of {key}": value for key, value in held.gradients.items()}
    found |= {"input": held.input_gradient, "logits": held.logits}
    assert [one.asked for one in held.resolved_targets] == [0, 1, 2, 3, 0, 1, 2]
    return {name: value.numpy() for name, value in found.items()}


def answers(network: cnnviz.Model) -> Any:
    return cnnviz.capture(network, image(5), layers=(), gradients=False).returned.numpy()


def evaluated(network: cnnviz.Model) -> Any:
    photos = [np.uint8(255 * one.permute(1, 2, 0).numpy()) for one in image(2)]
    settings = CheckSettings(groups=("curves",), steps=4)
    asked = {"methods": ("gradcam", "smoothgrad"), "random": 1, "settings": settings}
    return evaluate(network, photos, **asked).values


ASKS: dict[str, Callable[[cnnviz.Model], Any]] = {
    "capture": captured,
    "answers": answers,
    "evaluate": evaluated,
    "Score-CAM": cams,
    "SmoothGrad": lambda net: cnnviz.attribute(net, image(), "smoothgrad", target=1, steps=8).maps[
        0
    ],
    "occlusion": lambda net: cnnviz.occlusion(net, image(), 4, 4, target=1).maps[0],
    "invariance": lambda net: cnnviz.invariance(net, image()).arrays(),
}


@pytest.mark.parametrize("shortage", SHORTAGES[:1])
@pytest.mark.parametrize("ask", ASKS)
def test_batches_are_halved_and_the_result_is_the_same(
    ask: str, shortage: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    _SEEN.clear()
    expected = ASKS[ask](prepared(Small(1000, shortage)))
    assert max(_SEEN) > 3
    network = Small(3, shortage).train()
    before = state(network)
    _SEEN.clear()
    found = ASKS[ask](prepared(network))
    assert max(_SEEN) > 3, "it was short of memory"
    assert state(network) == before
    pairs = (
        [(found[name], expected[name]) for name in expected]
        if isinstance(expected, dict)
        else [(found, expected)]
    )
    for one, other in pairs:
        if one.dtype.kind == "f":
            most = float(np.nanmax(np.abs(other), initial=0.0))
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * most)


class SeveralOutputs(Small):
    """Returns its scores by name, beside a number."""

    def forward(self, x: torch.Tensor) -> Any:
        return {"scores": super().forward(x), "loss": torch.zeros(())}


def test_what_is_no_tensor_is_returned_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    network = SeveralOutputs(2, MemoryError)
    model = cnnviz.Model(network, preprocessing=AS_GIVEN, member="scores")
    found = cnnviz.capture(model, image(3), layers=(), gradients=False)
    torch.testing.assert_close(found.logits, network.network(image(3)))


def test_fewer_images_of_a_gradient_flow_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    found = cnnviz.gradient_flow(prepared(Small(3, MemoryError)), image(7), remedies=False)
    assert "The first 2 of 7 images were used: more do not fit." in found.provenance.notes
    whole = prepared(Small(1000, MemoryError))
    expected = cnnviz.gradient_flow(whole, image(7)[:2], remedies=False)
    np.testing.assert_array_equal(found.gradient_norms, expected.gradient_norms)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("fast", ["0", "always"])
def test_a_scan_halves_its_batches_and_shows_each_image_once(
    even: bool, fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", fast)

    def seen(most: int) -> dict[tuple[str, int], NDArray[np.float32]]:
        found: dict[tuple[str, int], NDArray[np.float32]] = {}

        def keep(kind: str, values: torch.Tensor, batch: LoadedBatch) -> None:
            for place, row in zip(batch.indices.tolist(), values, strict=False):
                assert (kind, place) not in found, "shown twice"
                found[kind, place] = row.numpy().copy()

        model = prepared(Small(most, MemoryError))
        data = open_dataset(image(11))
        scan(
            *(model, data, ["network.0", "network.5"], keep),
            batch_size=8,
            even=even,
            answered=lambda output, batch: keep("answer", output, batch),
        )
        return found

    expected, found = seen(1000), seen(3)
    assert len(expected) == 3 * 11
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_shortage_is_told_where_one_image_is_too_many(
    shortage: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    network = Small(0, shortage).train()
    before = state(network)
    with pytest.raises((CnnvizError, MemoryError, torch.OutOfMemoryError), match=r"memory|^$"):
        cnnviz.attribute(prepared(network), image(), "smoothgrad", target=1)
    assert state(network) == before


def test_what_is_no_shortage_is_raised_at_once() -> None:
    calls = []

    @in_smaller_batches
    def fails() -> None:
        calls.append(1)
        raise RuntimeError("another fault")

    with pytest.raises(RuntimeError, match="another fault"):
        fails()
    assert len(calls) == 1
