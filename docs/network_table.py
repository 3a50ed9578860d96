"""Try a report, a class activation map and a gradient verdict on many networks: docs/networks.md.

    python docs/network_table.py [FILE] [--only WORD ...]

Every network has random weights and gets one input, and everything its defaults. What came out is
appended to FILE (docs/networks.jsonl by default) network by network, so that a run that was ended
goes on; the page is written from it. Hours on two cores.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision import models as torchvision_models

import cnnviz
from cnnviz.errors import CnnvizError
from cnnviz.images import Preprocessing
from cnnviz.models.paper_models import PAPERS

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))
import small_networks  # noqa: E402

TIMM = (
    "swin_tiny_patch4_window7_224",
    "vit_tiny_patch16_224",
    "convnext_atto",
    "maxvit_rmlp_pico_rw_256",
    "mobilevit_xxs",
    "xcit_nano_12_p16_224",
    "regnety_002",
    "nfnet_l0",
    "resnetv2_50x1_bit",
    "efficientnet_b0",
    "inception_v4",
    "inception_resnet_v2",
    "repvgg_a0",
    "coatnet_pico_rw_224",
    "hrnet_w18_small",
    "dla34",
    "dpn68",
    "vovnet39a",
    "ghostnet_100",
    "edgenext_xx_small",
    "efficientnet_lite0",
)
ASKED = ("map", "gradients", "report")


@dataclass(frozen=True)
class Trial:
    """A network, and what it is given."""

    group: str
    name: str
    load: Callable[[], Any]
    images: Any


def photo() -> np.ndarray[Any, Any]:
    """Return a picture of waves and a disc, uint8 [H, W, 3]."""
    down, across = np.mgrid[:240, :320] / 240.0
    waves = 0.5 + 0.25 * np.sin(np.stack([9 * across, 7 * down, 5 * (across + down)], 2))
    waves[(across - 0.7) ** 2 + (down - 0.5) ** 2 < 0.06] = (0.9, 0.3, 0.2)
    return (255 * waves).astype(np.uint8)


def noise(*shape: int) -> torch.Tensor:
    """Return a seeded standard normal input."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def trials() -> Iterator[Trial]:
    """Go through all networks, those of a group together."""
    image = photo()
    for name in torchvision_models.list_models(module=torchvision_models):
        yield Trial("torchvision, classification", name, _named(name), image)
    for kind in ("segmentation", "detection", "video"):
        clip = noise(1, 3, 16, 112, 112) if kind == "video" else image
        if kind == "video":
            for name in torchvision_models.list_models(module=torchvision_models.video):
                large = (
                    noise(1, 3, 16, 224, 224) if name.startswith(("mvit", "swin", "s3d")) else clip
                )
                yield Trial(f"torchvision, {kind}", name, _named(name), large)
        else:
            listed = torchvision_models.list_models(module=getattr(torchvision_models, kind))
            for name in listed:
                yield Trial(f"torchvision, {kind}", name, _named(name), image)
    for name in PAPERS:
        yield Trial("from their papers", name, _named(name), image)
    for name in TIMM:
        yield Trial("timm", name, _named(f"timm:{name}"), image)
    small = Preprocessing(64, (64, 64), (0.5,) * 3, (0.25,) * 3)
    for name in ("UNet", "Autoencoder", "CRNN"):
        yield Trial("of other kinds", name, _own(name, preprocessing=small), image)
    other = noise(1, 3, 64, 64)
    yield Trial(
        "of other kinds",
        "Siamese",
        _own("Siamese", preprocessing=small, output="logit", inputs=(cnnviz.IMAGE, other)),
        image,
    )
    yield Trial("of other kinds", "WaveNet", _own("WaveNet"), noise(1, 1, 256))
    yield Trial("of other kinds", "Volumes", _own("Volumes"), noise(1, 1, 12, 24, 24))


def _named(name: str) -> Callable[[], Any]:
    return lambda: cnnviz.load(name, "random", device="cpu")


def _own(name: str, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = getattr(small_networks, name)().eval()
        return cnnviz.Model(network, **options)

    return make


def ask(what: str, model: Any, images: Any) -> str:
    """Return in a few words what came out; what is drawn is written, and thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        if what == "map":
            found = cnnviz.cam(cnnviz.capture(model, images, layers="stages"))
            found.save(Path(folder) / "map.png")
            layer, values = found.layers[-1], found.maps[-1][0]
            empty = "" if np.any(values) else ", empty"
            return f"`{layer}`, {' x '.join(map(str, values.shape))}{empty}"
        if what == "gradients":
            flow = cnnviz.gradient_flow(model, images)
            flow.save(Path(folder) / "gradients.png")
            return str(flow.verdict.label)
        report = cnnviz.report(model, images)
        report.save(Path(folder) / "report")
        return f"{len(report.sections)} sections"


def try_out(trial: Trial) -> dict[str, Any]:
    """Return what a network gave in each view: what came out, or what was said instead."""
    begin = time.monotonic()
    cells: dict[str, str] = {}
    try:
        model = trial.load()
    except CnnvizError as error:
        cells = dict.fromkeys(ASKED, f"refused: {error.what}")
    for what in ASKED if not cells else ():
        try:
            cells[what] = ask(what, model, trial.images)
        except CnnvizError as error:
            cells[what] = f"refused: {error.what}"
        except Exception as error:  # a table of what fails must not fail itself
            cells[what] = f"FAILED: {type(error).__name__}: {error}"[:200]
    seconds = round(time.monotonic() - begin, 1)
    return {"group": trial.group, "name": trial.name, "seconds": seconds, **cells}


def page(rows: list[dict[str, Any]]) -> str:
    """Return the page, a table for each group."""
    failed = sum(row[what].startswith("FAILED") for row in rows for what in ASKED)
    refused = sum(row[what].startswith("refused") for row in rows for what in ASKED)
    cells = len(ASKED) * len(rows)
    lines = [
        "# Networks that were tried",
        "",
        "Each network below was loaded with random weights. Three things were asked of it with",
        "the default settings: a class activation map of one input (the table gives the layer and",
        "the size of the map before it is resized), the verdict on its gradients, and a report.",
        "Random weights say nothing about a trained network; the table shows whether the views",
        "work with the architecture. A map is empty if it is zero everywhere, as with a head whose",
        f"weights start at zero. Of the {cells} cells, {cells - refused - failed} have a result, "
        f"{refused} are refused with",
        f"a reason, and {failed} failed. `python docs/network_table.py` writes this page.",
    ]
    for group in dict.fromkeys(row["group"] for row in rows):
        lines += ["", f"## {group[0].upper()}{group[1:]}", ""]
        lines += ["| network | map | gradients | report |", "|---|---|---|---|"]
        lines += [
            f"| {row['name']} | " + " | ".join(row[what].replace("|", "/") for what in ASKED) + " |"
            for row in rows
            if row["group"] == group
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Try the networks that were not tried yet, and write the page."""
    parser = argparse.ArgumentParser(description="Try views on many networks.")
    parser.add_argument("file", nargs="?", type=Path, default=DOCS / "networks.jsonl")
    parser.add_argument("--only", nargs="+", default=[""], help="names or groups with these words")
    chosen = parser.parse_args()
    rows = []
    if chosen.file.exists():
        rows = [json.loads(line) for line in chosen.file.read_text("utf-8").splitlines()]
    done = {(row["group"], row["name"]) for row in rows}
    for trial in trials():
        wanted = any(word in f"{trial.group} {trial.name}" for word in chosen.only)
        if wanted and (trial.group, trial.name) not in done:
            rows.append(try_out(trial))
            print(json.dumps(rows[-1]), flush=True)
            with chosen.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            gc.collect()
    order = {(trial.group, trial.name): place for place, trial in enumerate(trials())}
    rows.sort(key=lambda row: order[row["group"], row["name"]])
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    chosen.file.write_text(lines, "utf-8")
    (DOCS / "networks.md").write_text(page(rows), "utf-8")


if __name__ == "__main__":
    main()
