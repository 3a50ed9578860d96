"""Draw the loss around a network of 56 layers without skip connections, and around one with them.

    python docs/skip_surfaces.py [FOLDER] [--state KEPT] [--steps 600]

Trains `plain-56` and `resnet-56` of width 8 in the same way on the shipped data (32 px, 600 steps
of 64 images, SGD with momentum 0.9 and weight decay 5e-4, one cycle up to a learning rate of 0.1),
then measures the loss of 128 training images on a plane around each and along 8 lines (Li et al.
2018): with the batch norm statistics that the network stores, as in the paper (31 x 31 points), and
with those of the images at every point (21 x 21). Writes `skip-surfaces.webp` and
`skip-surfaces.json`, every number that is drawn, to FOLDER (docs/images by default). What is in
KEPT, networks and points, is not computed again.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from skip_connections import DOCS, SIDE, samples, train
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.models import Model
from cnnviz.models.networks.depth import depth_network
from cnnviz.views.loss_landscape import LossLandscape
from cnnviz.views.pictures.loss_landscape import draw_together

NETWORKS = {"without skip connections": "plain-56", "with skip connections": "resnet-56"}
Norms = Literal["keep", "calibrate"]
NORMS: dict[Norms, str] = {"keep": "stored statistics", "calibrate": "statistics of the images"}
WIDTH, STEPS, BATCH = 8, 600, 64
TRAINED_ON, HELD_OUT, MEASURED = 4096, 256, 128
POINTS: dict[Norms, int] = {"keep": 31, "calibrate": 21}
CEILING = 5.0
"""The loss up to which surfaces are drawn: twice that of guessing, and corners go to thousands."""
LINES, LINE_POINTS, FIRST_LINE = 8, 41, 10


def trained(
    name: str, steps: int, kept: Path | None, images: torch.Tensor, labels: torch.Tensor
) -> nn.Module:
    """Return the network after its training, or as it is kept."""
    full = f"{name}:width={WIDTH}"
    path = None if kept is None else kept / f"{name}.pth"
    if path is not None and path.exists():
        module = depth_network(full)
        module.load_state_dict(torch.load(path, weights_only=True))
        return module.eval()
    module = train(full, images, labels, steps, BATCH)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(module.state_dict(), path)
    return module


def around(
    model: Model, images: torch.Tensor, labels: torch.Tensor, norms: Norms, kept: Path | None
) -> tuple[LossLandscape, list[LossLandscape]]:
    """Return the loss on a plane around a network, and along lines in other directions."""

    def measured(dimensions: Literal[1, 2], points: int, seed: int) -> LossLandscape:
        return cnnviz.loss_landscape(
            model,
            images,
            labels,
            dimensions=dimensions,
            points=points,
            batch_norm=norms,
            seed=seed,
            state=None if kept is None else kept / "state",
        )

    lines = [measured(1, LINE_POINTS, FIRST_LINE + place) for place in range(LINES)]
    return measured(2, POINTS[norms], 0), lines


def numbers(plane: LossLandscape, lines: list[LossLandscape]) -> dict[str, object]:
    """Return what is kept of the loss around a network."""
    return {
        "training loss": round(plane.centre, 4),
        "highest loss": round(float(plane.losses.max()), 4),
        "local minima": plane.minima,
        "curved downwards": round(plane.concave, 4),
        "local minima of each line": [line.minima for line in lines],
        "curved downwards of each line": [round(line.concave, 4) for line in lines],
        "places": plane.x.round(4).tolist(),
        "losses": plane.losses.round(4).tolist(),
    }


def main() -> None:
    """Train, measure, draw, and write the numbers."""
    parser = argparse.ArgumentParser(description="The loss with and without skip connections.")
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "images")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    images, labels = samples("train", TRAINED_ON)
    # Convolutions of 8 channels take a third less time when the images are laid out so.
    images = images.contiguous(memory_format=torch.channels_last)
    held, right = samples("held-out", HELD_OUT)
    found: dict[str, list[LossLandscape]] = {norms: [] for norms in NORMS}
    kept: dict[str, dict[str, object]] = {}
    for words, name in NETWORKS.items():
        module = trained(name, given.steps, given.state, images, labels)
        with torch.no_grad():
            output = module(held)
        share = float((output.argmax(1) == right).float().mean())
        loss = float(F.cross_entropy(output, right))
        kept[name] = {"held-out loss": round(loss, 4), "held-out right": round(share, 4)}
        print(f"{words}: held-out right {share:.1%}, loss {loss:.3g}")
        model, shown = Model(module, name=name), (images[:MEASURED], labels[:MEASURED])
        for norms, called in NORMS.items():
            plane, lines = around(model, *shown, norms, given.state)
            found[norms].append(plane)
            kept[name][called] = numbers(plane, lines)
            minima = [line.minima for line in lines]
            print(f"  {called}: {plane.summary()}; minima of lines {minima}")
    page = io.BytesIO()
    heading = (
        f"The loss around 56 layers, without and with skip connections, drawn up to {CEILING:g}"
    )
    # Each on its own scale: on one of both, the hills of the first would be flat beside the
    # depth of the second.
    drawn = draw_together(found["keep"], heading, one_scale=False, ceiling=CEILING)
    drawn.savefig(page, format="png", dpi=110)
    Image.open(page).convert("RGB").save(given.folder / "skip-surfaces.webp", quality=82, method=6)
    training = {
        "width": WIDTH, "side": SIDE, "steps": given.steps, "batch": BATCH, "images": TRAINED_ON,
        "measured on": MEASURED, "points": [*POINTS.values()], "lines": LINES,
        "points of a line": LINE_POINTS,
    }  # fmt: skip
    text = json.dumps({"training": training, "networks": kept})
    (given.folder / "skip-surfaces.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
