"""A tiny seeded network with photos of its own, and the reports that several tests read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from cnnviz.gradients.monitor.records import COLUMNS, Event, StepRecord
from cnnviz.gradients.monitor.run import TrainingRun, training_run
from cnnviz.models import Model
from cnnviz.reports import Manifest, Report, report
from cnnviz.reports.sections import visualizations
from cnnviz.reports.training import training_report
from tests.helpers.architectures import tiny_network
from tests.helpers.report_model import HOSTILE, fewer_pixels, small_model, write_photo
from tests.helpers.undrawn import undrawn


@pytest.fixture
def model() -> Model:
    return small_model()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    broken = folder / "broken.jpg"
    broken.write_bytes(b"this is no picture")
    return [
        write_photo(folder / "garden.png", 1),
        broken,
        write_photo(folder / "tower.png", 2, 70, 40),
    ]


@pytest.fixture(scope="session")
def single(photos: list[Path]) -> Report:
    """Return a report on one photo."""
    return report(small_model(), photos[0])


@pytest.fixture(scope="session")
def brief(photos: list[Path]) -> Report:
    """Return a report with little to draw."""
    return report(small_model(), photos[0], "photo,predictions")


@pytest.fixture(scope="session")
def several(photos: list[Path]) -> Report:
    """Return a report on two photos and one file that is no photo."""
    return report(small_model(), photos)


@pytest.fixture(scope="session")
def saved(single: Report, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return what was written for the report on one photo, in every form."""
    with fewer_pixels():
        return single.save(tmp_path_factory.mktemp("one") / "report", pdf=True, single_file=True)


@pytest.fixture(scope="session")
def saved_several(several: Report, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return what was written for two photos, without what a page on one photo shows as well.

    Its pictures are as large as they would be, and empty: that on one photo has them drawn.
    """
    kept = tuple(
        part for part in several.sections if part.key not in ("predictions", "feature_maps")
    )
    with fewer_pixels(), undrawn():
        return replace(several, sections=kept).save(
            tmp_path_factory.mktemp("many") / "report", pdf=True, single_file=True
        )


@pytest.fixture(scope="session")
def saved_hostile(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a report in which every name that a stranger may choose is hostile.

    Its pictures are empty: those of a training and of wrong answers have such names drawn.
    """
    folder = tmp_path_factory.mktemp("hostile")
    # A file name cannot hold a slash; everything else of the hostile text it can.
    photo = write_photo(folder / f"{HOSTILE.replace('/', '')}.png", 3)
    model = small_model(
        name=f"model {HOSTILE}", categories=tuple(f"{HOSTILE} {index}" for index in range(3))
    )
    made = report(model, photo)
    with fewer_pixels(), undrawn():
        return made.save(folder / "report", pdf=True, single_file=True)


@dataclass(frozen=True)
class Thorough:
    """A thorough report, and what was told while it was made."""

    report: Report
    told: tuple[str, ...]


@pytest.fixture(scope="session")
def thorough() -> Thorough:
    """Return a thorough report on a tiny network, whose visualizations are hardly begun."""
    told: list[str] = []
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(visualizations, "STEPS", 3)
        found = report(
            tiny_network(),
            image,
            "cam,visualizations",
            thorough=True,
            progress=lambda done, total, what: told.append(what),
        )
    return Thorough(found, tuple(told))


@pytest.fixture
def left_empty() -> Iterator[None]:
    """Leave the pictures of reports empty, for tests that look at none."""
    with undrawn():
        yield


RunOf = Callable[..., TrainingRun]
TRAINED = ("stem.<conv> & $x_{$", "body", "head")


def _run_of(*, end: dict[str, object] | None = None, broken: bool = False) -> TrainingRun:
    records = []
    for step in range(10):
        lost = broken and step >= 6
        figures = dict.fromkeys(COLUMNS, (0.1, 0.2, math.inf if lost else 0.3))
        figures["saturated"] = (None, None, None)
        figures["dead"] = (0.0, 0.25, None)
        losses = ((step, math.nan if lost else 2.0 - 0.1 * step),)
        records.append(
            StepRecord(step, step / 2, 16, TRAINED, figures, losses, (0.1,), skipped=step == 3)
        )
    events = (Event(6, "not-finite", "head", "head is not finite"),) if broken else ()
    head = {"name": f"net {HOSTILE}", "every": 1, "optimizer": "SGD"}
    return training_run(head, records, events, (), end)


@pytest.fixture(scope="session")
def run_of() -> RunOf:
    """Return what makes up a run of ten records; a broken one is not finite from step 6 on."""
    return _run_of


@pytest.fixture(scope="session")
def saved_training(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return what was written for a run that broke and goes on."""
    folder = tmp_path_factory.mktemp("training") / "report"
    with fewer_pixels():
        return training_report(_run_of(broken=True)).save(folder, single_file=True)
