"""What counts as rounding follows what torch makes of single precision."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import cnnviz
from cnnviz.datasets import open_dataset
from cnnviz.introspection.tolerance import told_rounding, tolerance
from cnnviz.testing import small_network
from cnnviz.testing.trial import images
from cnnviz_gallery.scan.scan import scan

SETTINGS = ("cudnn.conv", "cuda.matmul", "mkldnn.conv", "mkldnn.matmul")


def settings() -> dict[str, Any]:
    """Return the object of each setting of torch, by name."""
    return {name: attrgetter(name)(torch.backends) for name in SETTINGS}


@pytest.fixture
def exact() -> Iterator[None]:
    """Have no operation round single precision, and put the settings back as they were."""
    if not hasattr(torch.backends.cudnn, "conv"):
        pytest.skip("this torch has one setting for all operations")
    before = {name: held.fp32_precision for name, held in settings().items()}
    for held in settings().values():
        held.fp32_precision = "ieee"
    yield
    for name, held in settings().items():
        held.fp32_precision = before[name]


def single(kind: str) -> torch.Tensor:
    """Return single precision on a device that need not be there."""
    with FakeTensorMode():
        return torch.empty(1, device=kind)


@pytest.mark.parametrize(
    ("name", "way", "kind", "share"),
    [
        ("cudnn.conv", "tf32", "cuda", 2.0**-5),
        ("cuda.matmul", "tf32", "cuda", 2.0**-5),
        ("mkldnn.conv", "bf16", "cpu", 2.0**-2),
        ("mkldnn.matmul", "bf16", "cpu", 2.0**-2),
    ],
)
@pytest.mark.usefixtures("exact")
def test_single_precision_is_as_coarse_as_torch_makes_it(
    name: str, way: str, kind: str, share: float
) -> None:
    other = {"cuda": "cpu", "cpu": "cuda"}[kind]
    assert tolerance(single(kind)) == tolerance(single(other)) == 1e-4
    # Set for one operation alone, torch raises where it is asked for all of them.
    settings()[name].fp32_precision = way
    assert tolerance(single(kind)) == share
    assert tolerance(single(other)) == 1e-4
    assert tolerance(torch.ones(1, dtype=torch.double)) == 1e-4


@pytest.mark.usefixtures("exact")
def test_results_say_that_products_are_rounded() -> None:
    network = small_network()
    exact = cnnviz.capture(network, images()).provenance.notes
    settings()["mkldnn.matmul"].fp32_precision = "bf16"
    told = set(cnnviz.capture(network, images()).provenance.notes) - set(exact)
    assert len(told) == 1
    assert "rounded to two digits on the way (bfloat16)" in told.pop()
    assert cnnviz.capture(network.double(), images().double()).provenance.notes == exact


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("generation", "told"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_tf32_is_told_of_the_gpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch, generation: tuple[int, int], told: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: generation)
    gpu = torch.device("cuda:0")
    assert told_rounding(gpu, torch.float32) == ""
    settings()["cudnn.conv"].fp32_precision = "tf32"
    assert ("(TF32)" in told_rounding(gpu, torch.float32)) is told
    assert told_rounding(gpu, torch.float64) == ""


def test_the_precision_of_a_network_in_half_is_told() -> None:
    """It stood nowhere that values are rounded to two digits."""
    network, photos = small_network(), images()
    for dtype, told in ((torch.bfloat16, "to two digits"), (torch.half, "to three digits")):
        model = cnnviz.load(network.to(dtype))
        assert told in " ".join(cnnviz.capture(model, photos.to(dtype)).provenance.notes)
        found = scan(model, open_dataset(photos.to(dtype)), workers=1)
        assert told in " ".join(found.notes)


def test_autocast_is_told_where_it_was_on() -> None:
    """Around a call or inside of a network, nothing said that numbers were rounded."""
    network, photos = small_network(), images()
    model = cnnviz.load(network)

    def told() -> str:
        found = cnnviz.capture(model, photos, layers="conv")
        assert cnnviz.cam(found).provenance.notes == found.provenance.notes
        return " ".join(found.provenance.notes)

    assert "autocast" not in told()
    with torch.autocast("cpu", torch.bfloat16):
        assert "Under autocast layers compute in bfloat16, which rounds" in told()
        flow = cnnviz.gradient_flow(model, photos, remedies=False)
        assert "Under autocast" in " ".join(flow.provenance.notes)
    assert "autocast" not in told()
    inside = cnnviz.capture(_Inside(network), photos, layers=())
    assert "Under autocast" in " ".join(inside.provenance.notes)


class _Inside(torch.nn.Module):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.network(x).float()


def test_coarse_types_and_whole_numbers() -> None:
    assert tolerance(torch.ones(1, dtype=torch.half)) == 32 * 2.0**-10
    assert tolerance(torch.ones(1, dtype=torch.long)) == 0.0
