"""Measure what skip connections do, and draw the pictures of the page about them.

    python docs/skip_connections.py [FOLDER]

Trains `plain-20` and `resnet-20` a little on the shipped data (32 px, 300 steps of 32 images), then
measures the ways of the gradient, its whiteness and the loss around the weights. Writes WebP files
to FOLDER (docs/images by default) and prints the numbers of the page.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.models import Model
from cnnviz.models.networks.depth import depth_network
from cnnviz.results.result import png

DOCS = Path(__file__).resolve().parent
SIDE, STEPS, BATCH, HELD_OUT = 32, 300, 32, 64


def samples(split: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shapes as images [count, 3, 32, 32] of about unit variance, and their classes."""
    images, labels = next(cnnviz.Shapes(split=split, size=SIDE, difficulty="easy").batches(count))
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0
    return (values - 0.5) / 0.25, torch.from_numpy(labels)


def train(
    name: str, images: torch.Tensor, labels: torch.Tensor, steps: int = STEPS, batch: int = BATCH
) -> nn.Module:
    """Return a network of the family after a few hundred steps of SGD with momentum."""
    module = depth_network(name)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch,), generator=generator)
        loss = F.cross_entropy(module(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return module.eval()


def write(results: list[cnnviz.Result], path: Path) -> None:
    """Write the pictures of results, one below the other, as one WebP file."""
    pictures = [
        Image.open(io.BytesIO(png(result.figure(), 110))).convert("RGB") for result in results
    ]
    width = max(picture.width for picture in pictures)
    page = Image.new("RGB", (width, sum(picture.height for picture in pictures)), "white")
    top = 0
    for picture in pictures:
        page.paste(picture, (0, top))
        top += picture.height
    page.save(path, quality=82, method=6)
    print(f"{path.name}: {path.stat().st_size // 1024} KB")


def ways(trained: nn.Module, images: torch.Tensor, folder: Path) -> None:
    """Split the gradient of each residual block into skip and branch."""
    noise = torch.randn(16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    deep = cnnviz.skip_connections(cnnviz.load("resnet-56"), noise)
    write([deep], folder / "skip-ways.webp")
    learned = cnnviz.skip_connections(Model(trained, name="resnet-20, trained"), images[:16])
    for found in (deep, learned):
        share = 100.0 * found.skip_share
        print(
            f"{found.name}: through the skip {share.min():.0f} to {share.max():.0f}%, first block "
            f"{share[0]:.0f}%, last {share[-1]:.0f}%; mean cosine {found.cosines.mean():+.2f}"
        )


def whiteness(folder: Path) -> None:
    """Compare networks of three depths, with and without skips, as they begin."""
    names = [f"{kind}-{depth}" for depth in (20, 56, 110) for kind in ("plain", "resnet")]
    found = cnnviz.gradient_whiteness(cnnviz.load(names[0]), compare=names[1:])
    write([found], folder / "skip-whiteness.webp")
    for name, value in found.lag_one.items():
        print(f"{name}: lag-1 autocorrelation {value:+.2f}")


def landscapes(
    networks: dict[str, nn.Module], images: torch.Tensor, labels: torch.Tensor, folder: Path
) -> None:
    """Measure the loss around the weights of both trained networks."""
    found = [
        cnnviz.loss_landscape(Model(module, name=name), images, labels, points=15)
        for name, module in networks.items()
    ]
    write(found, folder / "skip-landscapes.webp")
    for result in found:
        middle = len(result.y) // 2
        half = abs(result.x - 0.5).argmin()
        print(
            f"{result.summary()}; right {result.own_share:.0%}; at 0.5 along the first direction "
            f"{result.losses[middle, half]:.2f}"
        )


def main() -> None:
    """Measure, draw and print."""
    parser = argparse.ArgumentParser(description="Measure what skip connections do.")
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "images")
    folder = parser.parse_args().folder
    images, labels = samples("train", 2000)
    held, answers = samples("held-out", HELD_OUT)
    networks = {}
    for name in ("plain-20", "resnet-20"):
        start = time.perf_counter()
        networks[f"{name}, trained"] = train(name, images, labels)
        print(f"{name}: {STEPS} steps in {time.perf_counter() - start:.0f} s")
    ways(networks["resnet-20, trained"], held, folder)
    landscapes(networks, held, answers, folder)
    whiteness(folder)
    write([cnnviz.activation_functions()], folder / "activation-functions.webp")


if __name__ == "__main__":
    main()
