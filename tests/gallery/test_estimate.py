"""What a gallery is said to take: counted, no less than it takes, and timed on a false clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cnnviz.datasets import Dataset
from cnnviz.errors import ImageError, LayerError
from cnnviz.models import Model
from cnnviz_gallery import estimate as estimating
from cnnviz_gallery.estimate import Estimate, estimate
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.site.patches import STRONGEST
from tests.helpers.gallery.generated import Generated, network
from tests.helpers.state import state

BATCH = ScanSettings().batch_size
STARTING, FIRST, IMAGE = 7.0, 2.0, 0.5
"""Seconds that a scan begins with, that the first scan takes longer, and that an image takes."""
SHARED, BACK, READ = 0.25, 0.125, 0.375
"""Seconds to a layer for an image, back for a unit, and to read an image."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Let the estimate read a clock that only the work put on it moves."""
    moved = SimpleNamespace(now=0.0, scans=0, shapes=set[tuple[int, ...]]())
    scan, project, stream = estimating.scan, estimating.project_positions, estimating.stream

    def slow_scan(model: Model, data: Dataset, *given: Any, **how: Any) -> object:
        found = scan(model, data, *given, **how)
        moved.now += STARTING + IMAGE * len(data) + FIRST * (moved.scans == 0)
        moved.scans += 1
        return found

    def slow_project(passage: object, inputs: Any, picks: list[Any]) -> object:
        moved.shapes.add(tuple(inputs.shape[1:]))
        moved.now += SHARED * len({pick.image for pick in picks}) + BACK * len(picks)
        return project(passage, inputs, picks)

    @contextmanager
    def slow_stream(data: Dataset, *given: Any, **how: Any) -> Iterator[object]:
        moved.now += READ * len(data)
        with stream(data, *given, **how) as batches:
            yield batches

    monkeypatch.setattr(estimating, "time", SimpleNamespace(perf_counter=lambda: moved.now))
    monkeypatch.setattr(estimating, "scan", slow_scan)
    monkeypatch.setattr(estimating, "project_positions", slow_project)
    monkeypatch.setattr(estimating, "stream", slow_stream)
    monkeypatch.setattr(estimating, "default_workers", lambda: 3)
    return moved


def test_it_counts_what_there_is(tiny: Model, tiny_data: Dataset) -> None:
    found = estimate(tiny, tiny_data)
    assert (found.model, found.images, found.layers) == ("tiny", 30, 5)
    assert found.units == 6 + 4 + 5 + 9 + 10
    one = estimate(tiny, tiny_data, "first,head")
    assert (one.layers, one.units) == (2, 6 + 10)


def test_the_disk_it_names_is_no_less_than_the_site_and_the_scan_take(
    tiny: Model, tiny_data: Dataset, tiny_scan, tiny_site: Path, tmp_path: Path
) -> None:
    found = estimate(tiny, tiny_data)
    taken = sum(path.stat().st_size for path in tiny_site.rglob("*") if path.is_file())
    assert taken <= found.bytes <= 20 * taken
    arrays = [each for layer in tiny_scan.layers for each in layer.arrays().values()]
    held = sum(each.nbytes for each in arrays)
    assert held <= found.scan_bytes <= 4 * held


@pytest.mark.parametrize("images", [BATCH // 2, BATCH + 40, 5 * BATCH])
def test_the_time_is_that_of_the_work_it_has_timed(clock: SimpleNamespace, images: int) -> None:
    found = estimate(network(), Generated(images), "0,3")
    scanning = STARTING + IMAGE * images + FIRST
    # Six channels and eight, each projected at its strongest places, image by image.
    picks = [STRONGEST * channels for channels in (6, 8)]
    drawing = sum(BACK * count + SHARED * min(images, count) for count in picks)
    reading = READ * min(images, sum(picks))
    compressing = 14 * estimating._UNIT_SECONDS
    assert found.seconds == pytest.approx(scanning + drawing + (reading + compressing) / 3)


def test_units_go_back_in_chunks_that_share_their_images(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = estimate(network(), Generated(20), "3").seconds
    monkeypatch.setattr(estimating, "CHUNK", 4)
    # Eight units in two chunks of four: the way of the images to the layer is gone twice.
    chunked = estimate(network(), Generated(20), "3").seconds
    # The second estimate is no first scan.
    assert chunked + FIRST - whole == pytest.approx(SHARED * 20)
    # As large as the images of the data: it was 224 px, whatever came, of networks that state none.
    assert clock.shapes == {(3, 12, 12)}


def test_the_network_is_left_as_it_was() -> None:
    model = network()
    before = state(model.module)
    estimate(model, Generated(20))
    assert state(model.module) == before


def test_it_reads_as_a_sentence_and_as_numbers() -> None:
    found = Estimate("net", 1, 2, 30, 5_000_000, 70_000, 90.0)
    told = str(found)
    assert told.startswith("net: 1 image, 30 units in 2 layers, at most 5.00 MB for the site and ")
    assert told.endswith(".")
    assert json.loads(json.dumps(found.to_json())) == vars(found)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda: estimate(network(), Generated(9), "absent"), LayerError),
        (lambda: estimate(network(), Generated(9, broken=range(9))), ImageError),
    ],
)
def test_what_cannot_be_estimated_is_a_sentence(
    ask: Callable[[], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask()


def test_of_several_processes_one_estimates_without_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dry run under torchrun asked for a folder to share, which it writes nothing to."""
    monkeypatch.setattr("cnnviz.passes.processes.linked", lambda: pytest.fail("others are asked"))
    assert estimate(network(), Generated(4)).images == 4
