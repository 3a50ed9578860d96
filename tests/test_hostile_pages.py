"""What strangers may name (files, layers, classes, networks) is text on every page, and no path."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cnnviz.datasets import open_dataset
from cnnviz.errors import OutputError
from cnnviz.explorer import explore
from cnnviz.gradients.monitor.records import COLUMNS, Event, StepRecord
from cnnviz.gradients.monitor.run import training_run
from cnnviz.images import Preprocessing
from cnnviz.lectures import lecture
from cnnviz.models import Model
from cnnviz.reports import report
from cnnviz.reports.training import training_report
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.site.build import build
from cnnviz_gallery.site.site_folder import SiteFolder
from tests.helpers.browser import Visit
from tests.helpers.report_model import write_photo
from tests.helpers.undrawn import undrawn

RUNS = "document.documentElement.dataset.ran='yes'"
HOSTILE = f"</script><img src=x onerror={RUNS}><svg onload={RUNS}>\"'`&{{{{7*7}}}}{{%x%}}/\\"
LAYER = HOSTILE.replace(".", "")


class Hostile(nn.Module):
    """A network whose layers are called by what would run; a name of a layer has no full stop."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module(LAYER, nn.Conv2d(3, 4, 3, padding=1))
        self.add_module("/etc/layer", nn.Conv2d(4, 4, 3, padding=1))
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.get_submodule(LAYER), self.get_submodule("/etc/layer")
        found: torch.Tensor = self.head(second(first(x).relu()).relu().mean((2, 3)))
        return found


def network(name: str = HOSTILE) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Hostile().eval()
    prepared = Preprocessing(16, (16, 16), (0.5,) * 3, (0.25,) * 3)
    return Model(
        module,
        name=name,
        categories=tuple(f"{HOSTILE}{at}" for at in range(3)),
        preprocessing=prepared,
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return write_photo(tmp_path / "photos" / f"{HOSTILE.replace('/', '')}.png", 1)


def of_report(photo: Path, place: Path) -> list[Path]:
    made = report(network(), photo, "photo,predictions,cam").save(place, single_file=True)
    return [made.page, made.single_file]


def of_lecture(photo: Path, place: Path) -> list[Path]:
    return [lecture(network(), photo, "classification").save(place).page]


def of_explorer(photo: Path, place: Path) -> list[Path]:
    place.mkdir()
    return [explore(network(), photo).save(place / "page.html")]


def of_gallery(photo: Path, place: Path) -> list[Path]:
    data, model = open_dataset(photo.parent), network()
    found = scan(model, data, settings=ScanSettings(kept=2, sample=2))
    home = build(found, model, data, place).home
    units = sorted(home.parent.rglob("0.html"))
    return [home, *sorted(home.parent.rglob("index.html"))[:4], units[0]]


def of_training(photo: Path, place: Path) -> list[Path]:
    figures: dict[str, Any] = dict.fromkeys(COLUMNS, (0.1, 0.2, 0.3))
    layers = (LAYER, "/etc/layer", HOSTILE)
    kinds = {LAYER: HOSTILE}
    records = [
        StepRecord(step, 0.1, 4, layers, figures, ((step, 1.0),), kinds=kinds) for step in (0, 1)
    ]
    events = (Event(1, HOSTILE, HOSTILE, HOSTILE),)
    head = {
        "name": HOSTILE,
        "optimizer": HOSTILE,
        "started": HOSTILE,
        "versions": {"torch": HOSTILE},
    }
    end = {"error": HOSTILE, "unmeasured": {HOSTILE: HOSTILE}}
    run = training_run(head, records, events, (), end)
    return [training_report(run).save(place).page]


PAGES: dict[str, Callable[[Path, Path], list[Path]]] = {
    "report": of_report,
    "lecture": of_lecture,
    "explorer": of_explorer,
    "gallery": of_gallery,
    "training report": of_training,
}


@pytest.mark.parametrize("kind", PAGES)
def test_names_that_are_markup_do_nothing_and_lead_nowhere(kind, browser, photo, tmp_path) -> None:
    before = set(tmp_path.iterdir())
    with undrawn():  # A name in a picture is pixels.
        pages = PAGES[kind](photo, tmp_path / "made")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "made"}
    shown = ""
    visit = Visit(browser, 1000, "light")
    try:
        visit.hear("dialog", lambda dialog: pytest.fail("a script of a stranger ran"))
        for path in pages:
            visit.page.goto(path.as_uri())
            assert visit.page.locator("meta[http-equiv='Content-Security-Policy']").count() == 1
            assert visit.page.locator("img[src=x]").count() == 0
            assert visit.page.evaluate("document.documentElement.dataset.ran") is None
            shown += visit.page.evaluate("document.body.textContent")
        assert visit.complaints == []
        assert visit.strangers(tmp_path / "made") == []
    finally:
        visit.leave()
    assert "onerror=" in shown
    assert "&49" not in shown


@pytest.mark.parametrize("name", ["../../up", ".."])
def test_no_name_of_a_network_leads_out_of_a_gallery(name: str, photo: Path, tmp_path) -> None:
    before = set(tmp_path.iterdir())
    data, model = open_dataset(photo.parent), network(name)
    found = scan(model, data, ["head"], settings=ScanSettings(kept=1, sample=1))
    build(found, model, data, tmp_path / "site")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "site"}


def test_a_link_in_a_site_leads_nowhere(tmp_path: Path) -> None:
    site = SiteFolder(tmp_path / "site")
    away = tmp_path / "away"
    away.mkdir()
    (away / "mine.txt").write_text("mine")
    (site.root / "models").symlink_to(away)
    for change in (
        lambda: site.write("models/a.html", "a"),
        lambda: site.remove("models/mine.txt"),
        lambda: site.write("../a.html", "a"),
        lambda: site.write("models/../../a.html", "a"),
    ):
        with pytest.raises(OutputError, match="leads out of the folder of the gallery"):
            change()
    site.write("page.html", "new")
    (site.root / "page.html").unlink()
    (site.root / "page.html").symlink_to(away / "mine.txt")
    with pytest.raises(OutputError, match="nothing in it says that cnnviz made it"):
        site.write("page.html", "new")
    site.remove("models")
    assert [path.name for path in away.iterdir()] == ["mine.txt"]
    assert (away / "mine.txt").read_text() == "mine"
    assert (site.root / "models").is_symlink(), "cnnviz makes no links, so this is somebody's own"
    shutil.rmtree(site.root)
