"""On what the images of a scan are computed: decided once, alike by all, and never felt."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.datasets import open_dataset
from cnnviz.errors import UsageError
from cnnviz.models import Model
from cnnviz.passes import precision
from cnnviz.passes.fast_model import FastModel
from cnnviz.passes.precision import lacks_bf16
from cnnviz.passes.scan import scan, way_to_scan
from cnnviz.results.provenance import AS_IT_IS
from cnnviz_gallery.scan.scan import scan as scan_gallery
from cnnviz_gallery.scan.scan_result import ScanSettings
from tests.helpers.foldable_networks import trained
from tests.helpers.gallery.generated import Generated, content
from tests.helpers.state import state

HERE = torch.device("cpu")
needs_bf16 = pytest.mark.skipif(
    bool(lacks_bf16(HERE)), reason="this processor computes nothing in bfloat16"
)


class Wrapped(nn.Module):
    """A convolution in a module of its own, so that the output of both is one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(3, 9, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inner(x)
        return found


class Net(nn.Module):
    """Two convolutions with batch norms, an addition and a rectifier that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = Wrapped(), nn.BatchNorm2d(9)
        self.two, self.after = nn.Conv2d(9, 9, 3, padding=1, bias=False), nn.BatchNorm2d(9)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(9, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.one(x)))
        x = self.relu(x + self.after(self.two(x)))
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


LAYERS = ("norm", "after", "two", "relu#1", "one")


def network() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Model(trained(Net(), 1), categories=tuple("abcd"))


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "1")


def in_double(model: Model, data: Generated) -> dict[str, np.ndarray]:
    """Return the maps of all layers of all images, in double precision and by the network."""
    net = copy.deepcopy(model.module).double()
    found: dict[str, np.ndarray] = {}
    images = torch.stack([data.read(index).image for index in range(len(data))]).double()
    with torch.no_grad():
        one = net.one(images)
        norm = net.norm(one)
        two = net.two(norm.relu())
        after = net.after(two)
        found = dict(
            zip(LAYERS, (norm, after, two, (norm.relu() + after).relu(), one), strict=True)
        )
    return {name: each.numpy() for name, each in found.items()}


def test_patches_and_values_are_those_of_the_network_in_double_precision() -> None:
    model, data = network(), Generated(40)
    before = state(model.module)
    wanted = in_double(model, data)
    for layer in ("norm", "after", "two", "relu#1"):
        found = cnnviz.top_activations(model, data, layer, k=3, top=1)
        assert found.provenance.computed_on.startswith(
            "a private copy that computes the same faster: "
        ), layer
        assert found.provenance.bf16_error is None
        maps, largest = wanted[layer], np.abs(wanted[layer]).max()
        tops = -np.sort(-maps.max((2, 3)), axis=0)[:3].T
        assert np.abs(found.values - tops).max() <= 1e-5 * largest, layer
        for channel, slot in np.ndindex(found.images.shape):
            row, column = found.positions[channel, slot]
            there = maps[found.images[channel, slot], channel, row, column]
            # The patch is that of the value, whichever of two alike it is.
            assert abs(there - found.values[channel, slot]) <= 1e-5 * largest
    assert state(model.module) == before


def test_a_layer_that_is_asked_for_is_not_folded_away_under_any_name() -> None:
    model, data = network(), Generated(40)
    wanted = in_double(model, data)
    for layers in (["one"], ["two", "after"], list(LAYERS)):
        seen: dict[str, list[np.ndarray]] = {}
        scan(
            model,
            data,
            layers,
            lambda layer, maps, _, seen=seen: seen.setdefault(layer, []).append(
                maps.numpy().copy()
            ),
        )
        for layer in layers:
            found = np.concatenate(seen[layer])
            assert np.abs(found - wanted[layer]).max() <= 1e-5 * np.abs(wanted[layer]).max()


def test_it_is_decided_by_how_many_images_there_are_and_by_nothing_before() -> None:
    model = network()
    few, many = open_dataset(Generated(31)), open_dataset(Generated(32))
    assert way_to_scan(model, few, ["after"]).told.startswith(AS_IT_IS)
    assert isinstance(way_to_scan(model, many, ["after"]).computing, FastModel)
    # Whatever went through the network in between.
    assert way_to_scan(model, few, ["after"]).told.startswith(AS_IT_IS)
    exact = Model(model.module, exact=True)
    assert way_to_scan(exact, many, ["after"]).told.startswith(AS_IT_IS)


class Moody(Net):
    """From the third image on it reads what a convolution gives, besides the norm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.two(self.relu(self.norm(self.one(x))))
        more = first if x.shape[0] > 2 else 0.0
        x = self.relu(self.after(first) + more)
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


def test_a_network_that_goes_another_way_than_at_first_is_run_itself() -> None:
    model = Model(trained(Moody(), 2), categories=tuple("abcd"))
    answers: list[torch.Tensor] = []
    found = scan(
        *(model, Generated(40), ["relu#1"], lambda *_: None),
        batch_size=8,
        answered=lambda output, _: answers.append(output),
    )
    assert found.computed_on.endswith("; the network itself for 40 of them")
    images = torch.stack([Generated(40).read(index).image for index in range(40)])
    with torch.no_grad():
        assert torch.allclose(torch.cat(answers), model.module(images), rtol=1e-4, atol=1e-5)


def test_values_that_are_no_numbers_are_still_those_of_the_network() -> None:
    class Lost(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = super().forward(x) / 0.0
            return found * 0.0

    model = Model(trained(Lost(), 3), categories=tuple("abcd"))
    answers: list[torch.Tensor] = []
    scan(model, Generated(40), (), lambda *_: None, answered=lambda out, _: answers.append(out))
    assert len(torch.cat(answers)) == 40
    assert torch.cat(answers).isnan().all()


def test_images_of_other_sizes_are_computed_on_the_network_itself() -> None:
    class Mixed(Generated):
        def read(self, index: int):  # type: ignore[no-untyped-def]
            self.side = 12 if index % 2 else 14
            return super().read(index)

    model, sums = network(), []
    found = scan(model, Mixed(40), ["after"], lambda _, maps, __: sums.append(maps.sum((2, 3))))
    assert found.computed_on.endswith("; the network itself for 20 of them")
    assert sum(map(len, sums)) == 40
    assert all(each.isfinite().all() for each in sums)


def test_a_gallery_keeps_what_was_computed_otherwise_apart(tmp_path, monkeypatch) -> None:
    model, data, few = network(), Generated(40), ScanSettings(kept=3, sample=6, batch_size=4)
    fast = scan_gallery(model, data, settings=few, folder=tmp_path)
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    exact = scan_gallery(model, data, settings=few, folder=tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    assert exact.computed_on.startswith(AS_IT_IS)
    assert fast.computed_on.startswith("a private copy that computes the same faster: ")
    for one, two in zip(fast.layers, exact.layers, strict=True):
        largest = np.abs(two.strongest.values).max()
        assert np.abs(one.strongest.values - two.strongest.values).max() <= 1e-5 * largest
        assert np.abs(one.sample.values - two.sample.values).max() <= 1e-5 * largest
    monkeypatch.setenv("CNNVIZ_FAST", "1")
    again = scan_gallery(network(), data, settings=few, folder=tmp_path)
    assert content(again) == content(fast)
    assert again.computed_on == fast.computed_on


def test_shards_are_the_same_to_the_last_bit_whatever_ran_before(tmp_path) -> None:
    few, data = ScanSettings(kept=3, sample=6, batch_size=4), Generated(40)
    fresh = scan_gallery(network(), data, settings=few, shard=8)
    used = network()
    cnnviz.capture(used, torch.zeros(40, 3, 12, 12))
    cnnviz.capture(used, torch.zeros(2, 3, 14, 14))
    assert content(scan_gallery(used, data, settings=few, shard=20)) == content(fresh)


def test_a_run_that_was_begun_in_another_way_is_not_gone_on_with(tmp_path, monkeypatch) -> None:
    few, data = ScanSettings(kept=3, sample=6, batch_size=4), Generated(40)

    class StopError(Exception):
        pass

    def stop(done: int, _total: int, _what: str) -> None:
        if done > 8:
            raise StopError

    with pytest.raises(StopError):
        scan_gallery(network(), data, settings=few, folder=tmp_path, every=0.0, progress=stop)
    # As on a processor for which no weights are packed.
    monkeypatch.setattr("cnnviz.introspection.fast_copy.packed.packs", lambda: False)
    with pytest.raises(UsageError, match="in another way here than where it was begun"):
        scan_gallery(network(), data, settings=few, folder=tmp_path)


def test_bfloat16_is_refused_where_the_machine_has_none(monkeypatch) -> None:
    monkeypatch.setattr(precision, "lacks_bf16", lambda device: "This processor")
    data = Generated(40)
    for asked in (
        lambda: cnnviz.top_activations(network(), data, "after", precision="bf16"),
        lambda: scan_gallery(network(), data, settings=ScanSettings(precision="bf16")),
        lambda: scan(network(), data, ["after"], lambda *_: None, precision="bf16"),
    ):
        with pytest.raises(UsageError, match="computes nothing in bfloat16"):
            asked()
    assert data.reads == 0
    double = Model(network().module.double())
    with pytest.raises(UsageError, match="computes in float64"):
        cnnviz.top_activations(double, data, "after", precision="bf16")
    with pytest.raises(UsageError, match="There is no precision"):
        cnnviz.top_activations(network(), data, "after", precision="half")  # type: ignore[arg-type]


@needs_bf16
@pytest.mark.parametrize("fast", ["0", "1"])
def test_bfloat16_is_as_far_away_as_is_told(monkeypatch, fast) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", fast)
    model, data = network(), Generated(40)
    found = cnnviz.top_activations(model, data, "after", k=3, top=1, precision="bf16")
    error = found.provenance.bf16_error
    assert error is not None
    assert 1e-4 < error < 0.05
    assert "bfloat16" in found.provenance.computed_on
    assert f"up to {error:.1%} of the largest" in found.caption()
    assert found.provenance.to_json()["bf16_error"] == error
    wanted = in_double(model, data)["after"]
    peaks = wanted.max((2, 3))
    # What is told is measured on the first eight; here it is all of them.
    tops = -np.sort(-peaks, axis=0)[:3].T
    assert 0.0 < np.abs(found.values - tops).max() <= 4 * error * np.abs(wanted).max()
    assert not any("came out otherwise" in note for note in found.provenance.notes)


@needs_bf16
def test_a_gallery_in_bfloat16_says_so_and_is_kept_apart(tmp_path) -> None:
    few = ScanSettings(kept=3, sample=6, batch_size=4, precision="bf16")
    data = Generated(40)
    found = scan_gallery(network(), data, settings=few, folder=tmp_path)
    assert found.bf16_error is not None
    assert "bfloat16" in found.computed_on
    found.save(tmp_path / "kept")
    assert type(found).load(tmp_path / "kept").bf16_error == found.bf16_error
    plain = scan_gallery(network(), data, settings=ScanSettings(3, 6, 0, 4), folder=tmp_path)
    assert plain.bf16_error is None
    assert content(scan_gallery(network(), data, settings=few, folder=tmp_path)) == content(found)
    # In one process or several, whole or in parts.
    assert content(scan_gallery(network(), data, settings=few, shard=12)) == content(found)


@needs_bf16
def test_score_cam_in_bfloat16_is_near_and_says_so() -> None:
    model = network()
    held = cnnviz.capture(model, torch.randn(1, 3, 16, 16), layers=["after"])
    plain, low = (cnnviz.cam(held, method="scorecam", precision=p) for p in ("float32", "bf16"))
    error = low.provenance.bf16_error
    assert plain.provenance.bf16_error is None
    assert error is not None
    assert 1e-4 < error < 0.05
    assert low.provenance.computed_on.endswith(", in bfloat16")
    assert f"up to {error:.1%} of the largest" in low.caption()
    one, two = plain.maps[0], low.maps[0]
    assert 0.0 < np.abs(one - two).max() < 0.2 * np.abs(one).max()
    # What is computed afterwards is as ever.
    again = cnnviz.cam(held, method="scorecam")
    assert np.abs(again.maps[0] - one).max() <= 1e-5 * np.abs(one).max()
    with pytest.raises(UsageError, match="computes no changed images"):
        cnnviz.cam(held, precision="bf16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
@pytest.mark.parametrize("asked", ["float32", "bf16"])
def test_on_a_gpu_a_search_finds_what_the_processor_finds(asked) -> None:
    data, model = Generated(70), network()
    there = Model(copy.deepcopy(model.module).cuda(), categories=tuple("abcd"))
    found = cnnviz.top_activations(there, data, "after", k=3, top=1, precision=asked)
    wanted = in_double(model, data)["after"]
    tops = -np.sort(-wanted.max((2, 3)), axis=0)[:3].T
    allowed = found.provenance.bf16_error or 2e-3  # convolutions in TF32 round to 10 bits
    assert np.abs(found.values - tops).max() <= 4 * allowed * np.abs(wanted).max()


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="there is no Apple GPU here")
def test_on_an_apple_gpu_a_search_finds_what_the_processor_finds() -> None:
    data, model = Generated(70), network()
    there = Model(copy.deepcopy(model.module).to("mps"), categories=tuple("abcd"))
    found = cnnviz.top_activations(there, data, "after", k=3, top=1)
    wanted = in_double(model, data)["after"]
    tops = -np.sort(-wanted.max((2, 3)), axis=0)[:3].T
    assert np.abs(found.values - tops).max() <= 1e-4 * np.abs(wanted).max()
