"""Train a small detector on the shapes, and draw the evidence for each of two boxes.

    python docs/boxes.py [FOLDER]

The detector is a grid of cells, as networks of the kind of YOLO are; two pictures of the shipped
data stand side by side in each image. Writes boxes.webp to FOLDER (docs/images by default) and
prints how much of each map lies in the half of the image that the box is in.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.datasets.shapes import CLASSES
from cnnviz.models import Model

DOCS = Path(__file__).resolve().parent
MEASURED = 24
SIDE, STRIDE, STEPS, BATCH = 48, 8, 350, 16


class Detector(nn.Module):
    """Return [N, 5 + classes, rows, columns]: a box, an object or none, and its class."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width, stride in (
            (3, 24, 2),
            (24, 48, 2),
            (48, 64, 2),
            (64, 96, 1),
            (96, 96, 1),
        ):
            layers += [
                nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(96, 5 + len(CLASSES), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the answer of every cell."""
        answer: torch.Tensor = self.head(self.body(x))
        return answer


def decode(output: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """Return the boxes of the cells that are surer of an object than not."""
    rows, columns = output.shape[2:]
    corner = torch.stack(
        torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy")
    ).to(output)
    middles = (corner + output[:, :2].sigmoid()) * STRIDE
    halves = SIDE / 2 * output[:, 2:4].sigmoid()
    boxes = torch.cat([middles - halves, middles + halves], 1).flatten(2).mT
    sure = output[:, 4].sigmoid().flatten(1)
    scores = (output[:, 5:].softmax(1).flatten(2) * sure[:, None]).mT
    return [
        {"boxes": b[s > 0.5], "scores": c[s > 0.5]}
        for b, c, s in zip(boxes, scores, sure, strict=True)
    ]


def scene(data: cnnviz.Shapes, k: int) -> tuple[NDArray[np.uint8], list[tuple[int, list[float]]]]:
    """Return two pictures side by side, and the class and the box of the object in each."""
    images, found = [], []
    for place in range(2):
        sample = data[2 * k + place]
        images.append(sample.image)
        rows, columns = np.nonzero(sample.mask)
        left = float(columns.min()) + SIDE * place
        right = float(columns.max()) + 1 + SIDE * place
        found.append((sample.label, [left, float(rows.min()), right, float(rows.max()) + 1]))
    return np.concatenate(images, 1), found


def loss_of(output: torch.Tensor, truths: list[list[tuple[int, list[float]]]]) -> torch.Tensor:
    """Return the loss of a batch: an object or none everywhere, box and class where one is."""
    objects = torch.zeros_like(output[:, 4])
    parts = []
    for n, truth in enumerate(truths):
        for label, (left, top, right, bottom) in truth:
            x, y = (left + right) / 2 / STRIDE, (top + bottom) / 2 / STRIDE
            row, column = int(y), int(x)
            objects[n, row, column] = 1.0
            cell = output[n, :, row, column]
            wanted = [x - column, y - row, (right - left) / SIDE, (bottom - top) / SIDE]
            parts.append(F.l1_loss(cell[:4].sigmoid(), torch.tensor(wanted)) * 5.0)
            parts.append(F.cross_entropy(cell[None, 5:], torch.tensor([label])))
    weight = torch.tensor(8.0)
    sure = F.binary_cross_entropy_with_logits(output[:, 4], objects, pos_weight=weight)
    return torch.stack(parts).mean() + 2.0 * sure


def trained() -> Detector:
    """Return a detector that was trained for half a minute."""
    torch.manual_seed(0)
    network, data = Detector(), cnnviz.Shapes(seed=1, size=SIDE, difficulty="easy")
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=STEPS)
    for step in range(STEPS):
        made = [scene(data, step * BATCH + k) for k in range(BATCH)]
        pixels = torch.from_numpy(np.stack([image for image, _ in made])).permute(0, 3, 1, 2)
        loss = loss_of(network(pixels.float() / 255.0), [truth for _, truth in made])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def maps_of(
    model: Model, image: NDArray[np.uint8], target: cnnviz.Box
) -> dict[str, cnnviz.Heatmap]:
    """Return the maps of one box, by their titles."""
    held = cnnviz.capture(model, [image], layers="stages", target=target)
    return {
        "Grad-CAM": cnnviz.cam(held),
        "LayerCAM": cnnviz.cam(held, method="layercam"),
        "Occlusion": cnnviz.occlusion(model, [image], 12, 4, target=target),
    }


def right_boxes(
    model: Model, image: NDArray[np.uint8], truth: list[tuple[int, list[float]]]
) -> list[cnnviz.Box] | None:
    """Return the boxes of the two objects as the detector finds them; None where it does not."""
    held = cnnviz.capture(model, [image], layers=(), gradients=False)
    if {label for label, _ in truth} - set(held.detections[0].labels.tolist()):
        return None
    found = cnnviz.capture(model, [image, image], layers=(), target=[label for label, _ in truth])
    return [resolved.asked for resolved in found.resolved_targets]


def measure(model: Model, data: cnnviz.Shapes) -> None:
    """Print how much of the evidence lies in the half of its box."""
    shares: dict[str, list[float]] = {}
    count = 0
    for k in range(10_000):
        image, truth = scene(data, k)
        boxes = right_boxes(model, image, truth) if truth[0][0] != truth[1][0] else None
        if boxes is None:
            continue
        for half, box in enumerate(boxes):
            for title, heatmap in maps_of(model, image, box).items():
                heat = np.maximum(heatmap.on_photo(), 0.0)
                own = heat[:, SIDE * half : SIDE * (half + 1)].sum()
                shares.setdefault(title, []).append(float(own / max(heat.sum(), 1e-12)))
        count += 1
        if count == MEASURED:
            break
    for title, each in shares.items():
        print(f"{title}: {np.mean(each):.1%} in the half of the box, {len(each)} boxes")


def draw(model: Model, data: cnnviz.Shapes) -> Image.Image:
    """Return the picture: the answer, and below it for each box its maps."""
    from matplotlib.figure import Figure

    image, truth = scene(data, 3)
    boxes = right_boxes(model, image, truth)
    assert boxes is not None
    figure = Figure(figsize=(11.0, 3.3), layout="constrained", facecolor="white")
    panels = figure.subplots(2, 4)
    answer = cnnviz.predictions(cnnviz.capture(model, [image], layers=(), gradients=False), 2)
    answer.figure(ax=panels[0, 0])
    panels[1, 0].set_axis_off()
    for row, box in zip(panels, boxes, strict=True):
        for axes, (title, heatmap) in zip(row[1:], maps_of(model, image, box).items(), strict=True):
            heatmap.figure(ax=axes)
            axes.set_title(f"{title}, {CLASSES[int(box.label or 0)]}", fontsize=9.0, loc="left")
    written = io.BytesIO()
    figure.savefig(written, dpi=110)
    return Image.open(written).convert("RGB")


def main() -> None:
    """Train, measure, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "images")
    folder = parser.parse_args().folder
    unit = cnnviz.Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    model = Model(
        trained(), name="a grid of cells", decode=decode, categories=CLASSES, preprocessing=unit
    )
    data = cnnviz.Shapes(split="held-out", size=SIDE, difficulty="easy")
    draw(model, data).save(folder / "boxes.webp", quality=82, method=6)
    measure(model, data)


if __name__ == "__main__":
    main()
