"""Draw the loss around a network of 56 layers without skip connections, and around one with them.

    python docs/skip_surfaces.py [FOLDER] [--state KEPT] [--steps 600]

Trains `plain-56` and `resnet-56` of width 8 in the same way on the shipped data (32 px, 600 steps
of 64 images, SGD with momentum 0.9 and weight decay 5e-4, one cycle up to a learning rate of 0.1),
then measures the loss of 128 training images on a plane of 21 x 21 points around each (Li et al.
2018). Writes `skip-surfaces.webp` and `skip-surfaces.json`, every number that is drawn, to FOLDER
(docs/images by default). What is in KEPT, of networks and of points, is not computed again; all
takes about 35 minutes on one core that others use as well.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

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
WIDTH, STEPS, BATCH = 8, 600, 64
TRAINED_ON, HELD_OUT, MEASURED, POINTS = 4096, 256, 128, 21


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


def numbers(found: LossLandscape, loss: float, right: float) -> dict[str, object]:
    """Return what is kept of a network: how good it is, and the loss around it."""
    return {
        "held-out loss": round(loss, 4),
        "held-out right": round(right, 4),
        "training loss": round(found.centre, 4),
        "highest loss": round(float(found.losses.max()), 4),
        "local minima": found.minima,
        "places": found.x.round(4).tolist(),
        "losses": found.losses.round(4).tolist(),
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
    found, kept = [], {}
    for words, name in NETWORKS.items():
        module = trained(name, given.steps, given.state, images, labels)
        with torch.no_grad():
            output = module(held)
        one = cnnviz.loss_landscape(
            Model(module, name=name),
            images[:MEASURED],
            labels[:MEASURED],
            points=POINTS,
            state=None if given.state is None else given.state / "state",
        )
        found.append(one)
        share = float((output.argmax(1) == right).float().mean())
        kept[name] = numbers(one, float(F.cross_entropy(output, right)), share)
        print(f"{words}: {one.summary()}; held-out right {share:.1%}")
    page = io.BytesIO()
    draw_together(found, "The loss around 56 layers, without and with skip connections").savefig(
        page, format="png", dpi=110
    )
    Image.open(page).convert("RGB").save(given.folder / "skip-surfaces.webp", quality=82, method=6)
    training = {
        "width": WIDTH, "side": SIDE, "steps": given.steps, "batch": BATCH, "images": TRAINED_ON,
        "measured on": MEASURED, "points": POINTS,
    }  # fmt: skip
    text = json.dumps({"training": training, "networks": kept})
    (given.folder / "skip-surfaces.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
