"""What a scan counts: exactly, of every image that can be read, in memory that does not grow."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnviz import IMAGE, Preprocessing
from cnnviz.datasets import Dataset, DatasetImage, Part, open_dataset
from cnnviz.errors import ImageError, LayerError, UsageError
from cnnviz.models import Model, as_model
from cnnviz.models.loading import choose_device
from cnnviz.passes.processes import Processes
from cnnviz.passes.scan_plan import shard_size
from cnnviz.passes.shared_scan import SharedScan
from cnnviz.results.shard_files import ShardFiles
from cnnviz.units.peaks import peaks
from cnnviz_gallery.scan.accumulator import Accumulator
from cnnviz_gallery.scan.one_size import check_one_size
from cnnviz_gallery.scan.partial_scan import PartialScan, PartialScans, joined
from cnnviz_gallery.scan.plan import plan_scan
from cnnviz_gallery.scan.sample import ImageSample as Sampling
from cnnviz_gallery.scan.scan import beside_the_image, scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from tests.helpers.architectures import tiny_network
from tests.helpers.drive import drive
from tests.helpers.each_case import each_case
from tests.helpers.gallery.generated import Generated, content, network, new_network
from tests.helpers.gallery.reference_scan import scan as reference_scan
from tests.helpers.processes import needs_fork
from tests.helpers.state import state

UNIT = Preprocessing(12, (12, 12), (0.0,) * 3, (1.0,) * 3)
FEW = ScanSettings(kept=3, sample=6, batch_size=4)


@needs_fork
def test_memory_does_not_grow_with_the_number_of_images() -> None:
    # A second scan takes a little more than the first, of however few images.
    _, small, large = drive("memory", 300, 500, 2_500)["peaks"]
    # The answers take 16 bytes for each image; a copy of each as it is read would take 768. In
    # larger batches, what threads have at hand at once differs by as much as that.
    assert large - small < 2_000 * 400


@pytest.mark.parametrize("labelled", [True, False], ids=["labels", "predictions"])
def test_everything_agrees_with_a_scan_without_short_cuts(labelled: bool) -> None:
    """Image by image, with ties, full batches, and shards that end within the data."""
    model, data = network(), Generated(40, labelled=labelled)
    ours = scan(model, data, "conv,linear", settings=FEW, shard=12)
    wanted = reference_scan(model, data, "conv,linear", FEW)
    assert ours.grouping == wanted.grouping
    assert content(ours).keys() == content(wanted).keys()
    different = {key for key, held in content(wanted).items() if content(ours)[key] != held}
    # The notes, and the size of the images, which this network does not state.
    assert different <= {"told"}
    assert ours.network.input_shape == (3, 12, 12)


def test_a_scan_does_not_depend_on_what_else_the_network_was_used_for(tmp_path: Path) -> None:
    """But for the sentence on what computed it: a copy that serves several takes more room."""
    used = new_network()

    def stop(done: int, total: int, what: str) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    for layers in ("conv", None):
        with pytest.raises(KeyboardInterrupt):
            scan(used, Generated(40), layers, settings=FEW, folder=tmp_path, shard=8, progress=stop)
    fresh = scan(new_network(), Generated(40), settings=FEW, shard=8)
    assert content(scan(used, Generated(40), settings=FEW, shard=8)) == content(fresh)
    continued = scan(used, Generated(40), settings=FEW, folder=tmp_path, shard=8)
    assert content(continued) == content(fresh)


class PartlyLabelled(Generated):
    def label(self, index: int) -> int | None:
        return None if index in (0, 1, 5) else super().label(index)


def test_classes_are_labels_where_the_first_images_have_none_and_those_are_told() -> None:
    """Where the first had none, classes were what the network predicts, without a word."""
    found = scan(network(), PartlyLabelled(12), settings=FEW)
    assert found.grouping == "labels"
    assert found.group_counts.tolist() == [3, 3, 3]
    assert any("3 of 12 images have no label" in note for note in found.notes)
    assert not any("label" in note for note in scan(network(), Generated(12), settings=FEW).notes)


@pytest.mark.parametrize("shard", [4, 8, 20, 512])
def test_unreadable_images_are_listed_and_count_nowhere(shard: int) -> None:
    broken = [0, 5, 8, 9, 10, 11, 39]
    found = scan(network(), Generated(40, broken=broken), settings=FEW, shard=shard)
    assert [each.place for each in found.skipped] == broken
    assert found.skipped[1].name == "5.png"
    assert "broken" in found.skipped[1].reason
    assert found.images == 33
    assert found.group_counts.sum() == 33
    kept = Part(Generated(40), [place for place in range(40) if place not in broken])
    without = scan(network(), kept, settings=FEW, shard=shard)
    for ours, theirs in zip(found.layers, without.layers, strict=True):
        assert ours.images == 33
        assert not np.isin(ours.strongest.images, broken).any()
        assert not np.isin(ours.sample.images, broken).any()
        for name in ("histogram", "sums", "active_positions", "group_sums"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
        assert np.array_equal(ours.strongest.values, theirs.strongest.values)
    assert found.answers is not None
    assert (found.answers.top[broken] == -1).all()
    assert np.isnan(found.answers.probability[broken]).all()


def test_without_a_readable_image_the_reasons_are_told(tmp_path) -> None:
    with pytest.raises(ImageError, match=r"No image .* can be used .*1\.png"):
        scan(network(), Generated(9, broken=range(9)), settings=FEW, folder=tmp_path)


def test_images_of_two_sizes_are_a_sentence() -> None:
    class Two(Generated):
        def read(self, index: int) -> DatasetImage:
            side = 12 if index < 6 else 10
            return DatasetImage(torch.zeros(3, side, side))

    with pytest.raises(UsageError, match="the first as 12 x 12 px, and image 6 as 10 x 10 px"):
        scan(network(), Two(8), settings=FEW)


def test_images_of_two_sizes_are_refused_before_the_first_is_run(tmp_path: Path) -> None:
    """Of each the header tells it; one that is turned by EXIF comes out as it will be read."""
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    for name, size in (("a", (12, 16)), ("b", (16, 12)), ("c", (16, 12))):
        exif = turned if name == "b" else PIL.Image.Exif()
        PIL.Image.new("RGB", size).save(tmp_path / f"{name}.png", exif=exif)
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for name in "abc":
            shard.add(tmp_path / f"{name}.png", f"{name}.png")
    alike = (0.5, 0.5, 0.5)
    free = Preprocessing(resize=None, crop=None, mean=alike, std=alike)
    model = Model(tiny_network(), preprocessing=free)
    for where in (tmp_path, tmp_path / "a.tar"):
        data = open_dataset(str(where))
        with pytest.raises(UsageError, match=r"a\.png as 16 x 12 px, and .*c\.png as 12 x 16 px"):
            check_one_size(model, data)
        check_one_size(model, data.spread(1))
    model = Model(tiny_network(), preprocessing=replace(free, resize=8, crop=(8, 8)))
    check_one_size(model, data)


def test_sizes_are_asked_for_once_behind_each_preprocessing(tmp_path: Path) -> None:
    """An estimate and the scan behind it read the header of each of a million photos twice."""
    for name in "ab":
        PIL.Image.new("RGB", (12, 16)).save(tmp_path / f"{name}.png")
    free = Preprocessing(resize=None, crop=None, mean=(0.5,) * 3, std=(0.5,) * 3)
    data, asked = open_dataset(str(tmp_path)), []
    size = data.size
    data.size = lambda index: asked.append(index) or size(index)  # type: ignore[method-assign]
    for preprocessing in (free, replace(free), replace(free, resize=9), free):
        check_one_size(Model(tiny_network(), preprocessing=preprocessing), data)
    assert asked == [0, 1] * 3


def test_layers_that_are_not_called_are_a_sentence() -> None:
    with pytest.raises(LayerError):
        scan(network(), Generated(4), "nothing", settings=FEW)


class Fused(nn.Module):
    """A network of two inputs, of which one is no image that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.colour, self.depth = nn.Conv2d(3, 4, 1), nn.Conv2d(1, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        return self.head((self.colour(x) + self.depth(depth)).relu().mean((2, 3)))


def test_layers_of_another_input_are_passed_over_unless_they_are_named() -> None:
    model = Model(Fused().eval(), inputs=(IMAGE, torch.rand(1, 1, 12, 12)), preprocessing=UNIT)
    found = scan(model, Generated(4), settings=FEW)
    assert [layer.layer for layer in found.layers] == ["colour", "head"]
    assert beside_the_image(model) == ("depth",)
    with pytest.raises(LayerError, match="does not depend on the image"):
        scan(model, Generated(4), "depth", settings=FEW)


def test_a_layer_that_sends_nothing_back_is_refused_before_the_scan() -> None:
    class Detached(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[2](self[1](self[0](x).detach()).mean((2, 3)))

    model = as_model(Detached(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), nn.Linear(2, 3)))
    data = open_dataset("shapes", 2)
    assert [layer.layer for layer in scan(model, data, ["0"]).layers] == ["0"]
    before = state(model.module)
    with pytest.raises(LayerError, match="'1' does not depend on the image in a differentiable"):
        scan(model, data, progress=lambda *_: pytest.fail("nothing is scanned"))
    assert state(model.module) == before


class Odd(nn.Module):
    """One channel is never a number, one not in images that are bright, and one is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.spoil = Spoil()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.spoil(self.conv(x))


class Spoil(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[:, 0] = torch.nan
        x[:, 1, 0, 0] = torch.nan
        x[:, 2] = torch.inf
        return x


def test_values_that_are_no_numbers_count_nowhere_and_are_told() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = as_model(Odd().eval())
    found = scan(model, Generated(10), "conv,spoil", settings=FEW)
    plain, spoilt = found.layers
    assert found.answers is None
    assert spoilt.histogram.sum(1).tolist() == [0, 10, 10, 10]
    assert spoilt.sums[0] == 0
    assert np.isneginf(spoilt.highest[0])
    assert np.isfinite(spoilt.highest[1])
    assert np.isposinf(spoilt.highest[2])
    assert spoilt.highest[3] == plain.highest[3]
    assert any("spoil" in note and "finite" in note for note in found.notes)
    assert spoilt.lost_positions.tolist() == [plain.positions, 10, 0, 0]
    assert spoilt.unknown.tolist() == [True, False, False, False]
    assert not spoilt.silent[0]
    # Not that of what can be summed of the infinite ones.
    assert np.isnan(spoilt.activity).tolist() == [True, False, True, False]


class SpoilSome(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, :1, :1, :1] > 0.0, torch.nan, x)


def test_images_in_which_a_unit_is_no_number_do_not_count_in_its_means() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = as_model(nn.Sequential(nn.Conv2d(3, 4, 1), SpoilSome()).eval())
    data = Generated(10)
    found = scan(model, data, "0,1", settings=FEW).layers[1]
    with torch.no_grad():
        maps = model.module(model.prepare([data.read(at).image for at in range(10)]).tensor)
    held = maps[maps.isfinite().all((1, 2, 3))]
    assert 0 < len(held) < 10
    np.testing.assert_allclose(found.activity, held.amax((2, 3)).mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.sparsity, 1.0 - (held > 0).float().mean((0, 2, 3)), atol=1e-6)
    assert np.isnan(found.group_means(np.array([4, 3, 3]))).all()


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(x)


def test_positions_at_which_a_unit_is_no_number_count_nowhere_and_are_told() -> None:
    """They once counted as not above zero, and nothing was told where every image had a number."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = as_model(nn.Sequential(nn.Conv2d(3, 4, 1), Root()).eval())
    data = Generated(10)
    scanned = scan(model, data, "1", settings=FEW)
    found = scanned.layers[0]
    with torch.no_grad():
        maps = model.module(model.prepare([data.read(at).image for at in range(10)]).tensor)
    lost = maps.isnan().sum((0, 2, 3)).numpy()
    assert (found.counted == 10).any()
    assert (lost > 0).any()
    assert found.lost_positions.tolist() == lost.tolist()
    above = (maps > 0).sum((0, 2, 3)).numpy()
    known = found.counted > 0
    wanted = 1.0 - above[known] / (found.positions - lost[known])
    np.testing.assert_allclose(found.sparsity[known], wanted, atol=1e-9)
    assert np.isnan(found.group_means(np.array([4, 3, 3]))[lost > 0]).all()
    assert any("finite" in note for note in scanned.notes)


@pytest.mark.parametrize(("weaker", "known"), [(1e-5, True), (1e-7, True), (1e-12, False)])
def test_the_mean_peak_of_a_channel_far_weaker_than_its_layer_is_right_or_not_known(
    weaker: float, known: bool
) -> None:
    """It was rounded to steps of the layer's largest value: a fifth off, or zero."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 4, 1).eval()
    with torch.no_grad():
        conv.weight[1] *= weaker
        conv.bias[1] *= weaker
    model, data = as_model(nn.Sequential(conv)), Generated(10)
    found = scan(model, data, "0", settings=FEW).layers[0]
    with torch.no_grad():
        maps = conv.double()(
            model.prepare([data.read(at).image for at in range(10)]).tensor.double()
        )
    peaks = maps.amax((2, 3)).numpy()
    mean = peaks.mean(0)
    np.testing.assert_allclose(found.activity[[0, 2, 3]], mean[[0, 2, 3]], rtol=1e-5)
    assert found.activity[1] == pytest.approx(mean[1] if known else np.nan, rel=1e-3, nan_ok=True)
    means = found.group_means(np.array([4, 3, 3]))[1]
    labels = np.array([data.label(at) for at in range(10)])
    wanted = np.array([peaks[labels == group, 1].clip(0).mean() for group in range(3)])
    expected = wanted if known else wanted * np.nan
    np.testing.assert_allclose(means, expected, rtol=1e-3)


def test_the_network_is_left_as_it_was_and_surroundings_do_not_matter() -> None:
    model = new_network()
    model.module.train()
    before, random = state(model.module), torch.random.get_rng_state()
    wanted = content(scan(model, Generated(10), settings=FEW))
    for surrounding in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with surrounding():
            assert content(scan(model, Generated(10), settings=FEW)) == wanted
    assert state(model.module) == before
    assert torch.equal(torch.random.get_rng_state(), random)


def test_progress_tells_the_rate_and_the_time_left(tmp_path) -> None:
    told: list[tuple[int, int, str]] = []

    def progress(*given) -> None:
        told.append(given)

    how = {"settings": FEW, "shard": 8, "folder": tmp_path, "every": 0.0}
    scan(network(), Generated(40, broken=[3]), progress=progress, **how)
    done, totals, what = zip(*told, strict=True)
    assert sorted(done) == list(done)
    assert set(totals) == {40}
    assert done[-1] == 40
    assert "images/s" in what[-2]
    assert what[-2].endswith("left")


def test_each_process_of_a_machine_takes_a_gpu_of_its_own(monkeypatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert choose_device() == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "5")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for device in ("auto", "cuda"):
        assert choose_device(device) == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda:2") == torch.device("cuda:2")


@given(st.permutations(range(12)), st.integers(1, 11), st.integers(0, 2**20))
def test_the_sample_does_not_depend_on_the_order_or_the_batches(order, cut, seed) -> None:
    maps = torch.rand(12, 5, 3, 4, generator=torch.Generator().manual_seed(0))

    def seen(*batches: list[int]):
        sample = Sampling(5, 4, seed)
        for batch in batches:
            places = np.array(batch)
            some = maps[places]
            sample.see(slice(0, 2), some[:, :2], places, peaks(some[:, :2]))
            sample.see(slice(2, 5), some[:, 2:], places, peaks(some[:, 2:]))
        return sample.picks(slice(1, 5)).arrays()

    wanted, found = seen(list(range(12))), seen(order[:cut], order[cut:])
    for name, values in wanted.items():
        assert np.array_equal(values, found[name]), name
    image, row, column = (int(wanted[name][2, 1]) for name in ("images", "rows", "columns"))
    assert wanted["values"][2, 1] == maps[image, 3].max() == maps[image, 3, row, column]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=5))
def test_parts_join_in_any_grouping_to_the_whole(tmp_path_factory, owners: list[int]) -> None:
    """Scans of some shards each, sent through arrays, are joined in two steps."""
    parts = _parts()
    groups = [[parts[at] for at in range(5) if owners[at] == owner] for owner in range(5)]
    whole = joined([joined(group, 0) for group in groups if group], 0)
    wanted = joined(parts, 0)
    assert whole.shards == wanted.shards == (0, 1, 2, 3, 4)
    assert whole.skipped == wanted.skipped
    for name, values in wanted.arrays().items():
        assert values.tobytes() == whole.arrays()[name].tobytes(), name


_held: list[PartialScan] = []


def _parts() -> list[PartialScan]:
    from cnnviz.passes import scan as scanning

    if not _held:
        model, data, names = network(), Generated(40, broken=[3, 30]), ["0", "3", "8"]
        start = plan_scan(model, data, names)
        for shard in range(5):
            tally = Accumulator(start, FEW, len(data), model)
            found = scanning.scan(
                model,
                data,
                names,
                tally.see,
                batch_size=4,
                even=True,
                indices=range(8 * shard, 8 * shard + 8),
                answered=tally.answered,
            )
            portion = tally.portion((shard,), found.refused)
            _held.append(PartialScan.of_arrays(portion.arrays(), start))
    return _held


def test_labels_and_classes_of_the_data_are_those_of_the_groups() -> None:
    data: Dataset = open_dataset("shapes", 12)
    found = scan(network(), data, "linear", settings=FEW)
    assert found.grouping == "labels"
    assert found.groups == data.classes
    labels = [data.label(place) for place in range(12)]
    assert found.group_counts.tolist() == np.bincount(labels, minlength=10).tolist()


@pytest.mark.parametrize(
    ("names", "known", "meant"),
    [
        (("c", "a", "zebra"), ("a", "b", "c", "d"), (2, 0, -1)),
        (("one", "two", "three", "four"), (), (0, 1, 2, 3)),
        (("one", "two", "three"), (), (-1, -1, -1)),
        ((), ("a", "b", "c", "d"), (0, 1, 2)),
    ],
)
def test_a_label_is_the_class_that_its_name_means(names, known, meant) -> None:
    data = Generated(12)
    data.classes = names
    data.label = lambda index: index % 3  # type: ignore[method-assign]
    model = Model(tiny_network(), categories=known)
    found = scan(model, data, settings=FEW)
    assert found.answers is not None
    inputs = torch.stack([data.read(place).image for place in range(12)])
    with torch.no_grad():
        shares = torch.softmax(model.module(inputs).double(), 1)
    wanted = [meant[place % 3] for place in range(12)]
    for place, at in enumerate(wanted):
        expected = float(shares[place, at]) if at >= 0 else np.nan
        assert found.answers.label_probability[place] == pytest.approx(
            expected, rel=1e-5, nan_ok=True
        )


@pytest.mark.parametrize("names", [(), ("one", "two")])
def test_labels_that_are_no_class_end_no_scan(names) -> None:
    """As other people's data have: more classes than the network, and -1 or -100 for none."""
    data = Generated(12)
    data.classes = names
    labels = (0, 1, 5, 99, 10**9, -1, -5, -100, 2**31 - 1, 0, 1, 0)
    data.label = lambda index: labels[index]  # type: ignore[method-assign]
    found = scan(network(), data, settings=FEW)
    assert found.images == 12
    assert found.answers is not None
    known = np.isfinite(found.answers.label_probability)
    assert known.tolist() == [label in (0, 1) and not names for label in labels]
    assert found.group_counts[:2].tolist() == [3, 2]


@each_case("images", [1, 20, 33, 300, 500, 2048, 5000, 40_000, 1_281_167])
@each_case("batch", [4, 32])
def test_shards_are_sized_to_the_data(images: int, batch: int) -> None:
    size = shard_size(images, batch)
    shards = -(-images // size)
    assert size % batch == 0
    assert size <= 512
    # Two processes share even a few batches, and a stop loses a small part at most.
    assert shards >= min(32, -(-images // batch))
    assert shard_size(images, batch, 100) == -(-100 // batch) * batch


def test_two_processes_share_three_hundred_images(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Processes, "wait", lambda self: None)
    data, found = Generated(300), []
    for rank in (0, 1):
        # Each in a folder of its own, as if neither had written before the other began.
        parts: ShardFiles[PartialScan] = ShardFiles(tmp_path / str(rank), {"key": 1})
        parts.begin((start := plan_scan(network(), data, ("0",))).to_json())
        kind, how = PartialScans(start, 0), ScanSettings(kept=3, sample=6)
        sizes = Processes(rank, 2), shard_size(300, 32), how.batch_size
        run = SharedScan(network(), data, ("0",), parts, kind, *sizes, even=True)
        run.count(Accumulator(start, how, 300, network()), 0.0, lambda *told: None)
        found.append(parts.read(kind).layers[0].images)
    assert sum(found) == 300
    assert min(found) > 120
