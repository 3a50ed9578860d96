"""Draw the loss around a network of 56 layers without skip connections, and around one with them.

    python docs/skip_surfaces.py [FOLDER] [--state KEPT] [--over-training]

Trains `plain-56` and `resnet-56` of width 8 in the same way on the shipped data (32 px, 600 steps
of 64 images, SGD with momentum 0.9 and weight decay 5e-4, one cycle up to a learning rate of 0.1),
then measures the loss of 128 training images on a plane around each and along 8 lines (Li et al.
2018): with the batch norm statistics that the network stores, as in the paper (31 x 31 points), and
with those of the images at every point (21 x 21). Writes `skip-surfaces.webp` and
`skip-surfaces.json`, every number that is drawn, to FOLDER (docs/images by default). What is in
KEPT, networks and points, is not computed again.

With --over-training only the lines are measured, of the networks before their training, after 600
steps and after one of 2,400: `skip-surfaces-over-training.json`.
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
OVER_TRAINING = (0, STEPS, 4 * STEPS)
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
    if steps == 0:
        return depth_network(full).eval()
    path = None if kept is None else kept / f"{name}-{steps}.pth"
    if path is not None and path.exists():
        module = depth_network(full)
        module.load_state_dict(torch.load(path, weights_only=True))
        return module.eval()
    module = train(full, images, labels, steps, BATCH)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(module.state_dict(), path)
    return module


def measured(
    model: Model,
    images: torch.Tensor,
    labels: torch.Tensor,
    norms: Norms,
    kept: Path | None,
    *,
    line: int | None = None,
) -> LossLandscape:
    """Return the loss on a plane around a network, or along one of the lines."""
    return cnnviz.loss_landscape(
        model,
        images,
        labels,
        dimensions=2 if line is None else 1,
        points=POINTS[norms] if line is None else LINE_POINTS,
        batch_norm=norms,
        seed=0 if line is None else FIRST_LINE + line,
        state=None if kept is None else kept / "state",
    )


def held_out(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> dict[str, object]:
    """Return how well a network answers for images that it was not trained on."""
    with torch.no_grad():
        output = module(images)
    share = float((output.argmax(1) == labels).float().mean())
    loss = float(F.cross_entropy(output, labels))
    return {"held-out loss": round(loss, 4), "held-out right": round(share, 4)}


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


def draw(surfaces: list[LossLandscape], path: Path) -> None:
    """Draw both surfaces, the batch norms as the networks store them."""
    page = io.BytesIO()
    heading = (
        f"The loss around 56 layers, without and with skip connections, drawn up to {CEILING:g}"
    )
    # Each on its own scale: on one of both, the hills of the first would be flat beside the
    # depth of the second.
    drawn = draw_together(surfaces, heading, one_scale=False, ceiling=CEILING)
    drawn.savefig(page, format="png", dpi=110)
    Image.open(page).convert("RGB").save(path, quality=82, method=6)


def surfaces(folder: Path, state: Path | None) -> None:
    """Train, measure planes and lines, draw, and write the numbers."""
    (images, labels), held = training_images(), samples("held-out", HELD_OUT)
    shown = images[:MEASURED], labels[:MEASURED]
    found: dict[str, list[LossLandscape]] = {norms: [] for norms in NORMS}
    kept: dict[str, dict[str, object]] = {}
    for words, name in NETWORKS.items():
        module = trained(name, STEPS, state, images, labels)
        kept[name] = held_out(module, *held)
        print(f"{words}: {kept[name]}")
        model = Model(module, name=name)
        for norms, called in NORMS.items():
            lines = [measured(model, *shown, norms, state, line=place) for place in range(LINES)]
            plane = measured(model, *shown, norms, state)
            found[norms].append(plane)
            kept[name][called] = numbers(plane, lines)
            minima = [line.minima for line in lines]
            print(f"  {called}: {plane.summary()}; minima of lines {minima}")
    draw(found["keep"], folder / "skip-surfaces.webp")
    training = {
        "width": WIDTH, "side": SIDE, "steps": STEPS, "batch": BATCH, "images": TRAINED_ON,
        "measured on": MEASURED, "points": [*POINTS.values()], "lines": LINES,
        "points of a line": LINE_POINTS,
    }  # fmt: skip
    text = json.dumps({"training": training, "networks": kept})
    (folder / "skip-surfaces.json").write_text(text + "\n", "utf-8")


def over_training(folder: Path, state: Path | None) -> None:
    """Measure along the lines alone, before, after and long after the training above."""
    (images, labels), held = training_images(), samples("held-out", HELD_OUT)
    shown = images[:MEASURED], labels[:MEASURED]
    found: dict[str, dict[int, dict[str, object]]] = {name: {} for name in NETWORKS.values()}
    for name, of_network in found.items():
        for steps in OVER_TRAINING:
            module = trained(name, steps, state, images, labels)
            of_network[steps] = held_out(module, *held)
            model = Model(module, name=name)
            for norms, called in NORMS.items():
                lines = [measured(model, *shown, norms, state, line=n) for n in range(LINES)]
                of_network[steps][called] = {
                    "local minima of each line": [line.minima for line in lines],
                    "curved downwards of each line": [round(line.concave, 4) for line in lines],
                }
            print(f"{name}, {steps} steps: {of_network[steps]}")
    text = json.dumps(found, indent=1)
    (folder / "skip-surfaces-over-training.json").write_text(text + "\n", "utf-8")


def training_images() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of the training with their labels."""
    images, labels = samples("train", TRAINED_ON)
    # Convolutions of 8 channels take a third less time when the images are laid out so.
    return images.contiguous(memory_format=torch.channels_last), labels


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description="The loss with and without skip connections.")
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "images")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--over-training", action="store_true")
    given = parser.parse_args()
    (over_training if given.over_training else surfaces)(given.folder, given.state)


if __name__ == "__main__":
    main()
