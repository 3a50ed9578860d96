"""Small seeded detectors of the kinds that there are, with random weights."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import nms, roi_align

from cnnviz import Preprocessing

UNIT = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
"""What detectors take that normalise themselves."""
NAMES = ["cat", "dog", "bird"]
Answer = list[dict[str, torch.Tensor]]


def photos(count: int = 1, height: int = 48, width: int = 64, seed: int = 7) -> torch.Tensor:
    """Return random images."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator)


def _body(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for width in widths:
        layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.ReLU()]
        before = width
    return nn.Sequential(*layers)


class Grid(nn.Module):
    """A grid of cells, each with a box, how sure it is of an object, and a score a class.

    It returns [N, 5 + classes, rows, columns], as networks of the kind of YOLO do; `boxes_of_grid`
    decodes it.
    """

    stride = 8

    def __init__(self, classes: int = 3, scale: float = 6.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.body = _body(6, 8, 12)
            self.head = nn.Conv2d(12, 5 + classes, 1)
        with torch.no_grad():
            self.head.weight.mul_(scale)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.body(x))
        return answer


def boxes_of_grid(output: torch.Tensor) -> Answer:
    """Return every cell of a `Grid` as a box with a score for each class."""
    found = []
    rows, columns = output.shape[2:]
    for cells in output:
        x, y, w, h, sure, *classes = cells
        across = (torch.arange(columns) + x.sigmoid()) * Grid.stride
        down = (torch.arange(rows)[:, None] + y.sigmoid()) * Grid.stride
        half_width, half_height = 8.0 * w.exp(), 8.0 * h.exp()
        corners = (across - half_width, down - half_height, across + half_width, down + half_height)
        scores = torch.stack([(sure.sigmoid() * one.sigmoid()).flatten() for one in classes], 1)
        found.append({"boxes": torch.stack([c.flatten() for c in corners], 1), "scores": scores})
    return found


class Pyramid(nn.Module):
    """One stage over two levels that one head reads in turn, on a canvas of its own.

    As torchvision's detectors it takes images from 0 to 1, normalises, doubles and pads them to a
    multiple of 32 on the right and below, and returns what is left of threshold and suppression, in
    pixels of the images.
    """

    def __init__(self, score_thresh: float = 0.3, classes: int = 3) -> None:
        super().__init__()
        self.score_thresh, self.classes = score_thresh, classes
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.stem = _body(6, 8)
            self.fine = _body_of(8, 10)
            self.coarse = _body_of(10, 12)
            self.lateral = nn.ModuleList([nn.Conv2d(10, 8, 1), nn.Conv2d(12, 8, 1)])
            self.smooth = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)])
            self.tower = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
            self.head = nn.Conv2d(8, 4 + classes, 1)
        with torch.no_grad():
            self.head.weight.mul_(8.0)
        self.eval()

    def levels(self, canvas: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        fine = self.fine(self.stem(canvas))
        coarse = self.coarse(fine)
        top = self.lateral[1](coarse)
        below = self.lateral[0](fine) + F.interpolate(top, size=fine.shape[-2:])
        return OrderedDict(fine=self.smooth[0](below), coarse=self.smooth[1](top))

    def forward(self, x: torch.Tensor) -> Answer:
        doubled = F.interpolate((x - 0.5) / 0.25, scale_factor=2.0, mode="bilinear")
        height, width = doubled.shape[2:]
        canvas = doubled.new_zeros(len(x), 3, -(-height // 32) * 32, -(-width // 32) * 32)
        for n in range(len(x)):
            canvas[n, :, :height, :width].copy_(doubled[n])
        answers = [self.head(self.tower(level)) for level in self.levels(canvas).values()]
        return [self.decoded([answer[n] for answer in answers]) for n in range(len(x))]

    def decoded(self, answers: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        boxes, scores = [], []
        for stride, answer in zip((8.0, 16.0), answers, strict=True):
            rows, columns = answer.shape[1:]
            across = (torch.arange(columns) + 0.5) * stride
            down = ((torch.arange(rows) + 0.5) * stride)[:, None]
            sizes = 1.5 * stride * answer[:4].tanh().exp()
            corners = (across - sizes[0], down - sizes[1], across + sizes[2], down + sizes[3])
            # Half the canvas is what the image measures.
            boxes.append(torch.stack([corner.flatten() for corner in corners], 1) / 2.0)
            scores.append(answer[4:].sigmoid().flatten(1).T)
        return self.suppressed(torch.cat(boxes), torch.cat(scores))

    def suppressed(self, boxes: torch.Tensor, scores: torch.Tensor) -> dict[str, torch.Tensor]:
        best, labels = scores.max(1)
        sure = (best > self.score_thresh).nonzero()[:, 0]
        boxes, best, labels = boxes[sure], best[sure], labels[sure]
        kept = nms(boxes, best, 0.5)
        return {"boxes": boxes[kept], "labels": labels[kept], "scores": best[kept]}


def _body_of(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, 3, stride=2, padding=1), nn.ReLU())


class TwoStage(nn.Module):
    """Proposes a box for each cell, cuts it out of the map, and looks at it again."""

    def __init__(self, most: int = 6, masks: bool = False) -> None:
        super().__init__()
        self.most, self.masks = most, masks
        with torch.random.fork_rng():
            torch.manual_seed(9)
            self.body = _body(6, 8, 10)
            self.proposals = nn.Conv2d(10, 5, 1)
            self.region_head = nn.Sequential(nn.Conv2d(10, 12, 3), nn.ReLU())
            self.classifier = nn.Linear(12, 3)
            self.regressor = nn.Linear(12, 4)
        with torch.no_grad():
            self.classifier.weight.mul_(20.0)
        self.eval()

    def forward(self, x: torch.Tensor) -> Answer:
        maps = self.body(x)
        raw = self.proposals(maps)
        return [self.look(maps[n : n + 1], raw[n], x.shape[-2:]) for n in range(len(x))]

    def look(self, maps: torch.Tensor, raw: torch.Tensor, size: Any) -> dict[str, torch.Tensor]:
        rows, columns = raw.shape[1:]
        centres = torch.stack(
            [
                ((torch.arange(columns) + 0.5) * 8.0).expand(rows, columns),
                ((torch.arange(rows) + 0.5) * 8.0)[:, None].expand(rows, columns),
            ]
        ).flatten(1)
        order = raw[4].flatten().argsort(descending=True)[: self.most]
        middle = centres[:, order].T
        proposed = torch.cat([middle - 9.0, middle + 9.0], 1)
        crops = roi_align(maps, [proposed], 5, 1 / 8)
        seen = self.region_head(crops).mean((2, 3))
        scores, labels = self.classifier(seen).softmax(1).max(1)
        found = {
            "boxes": proposed + self.regressor(seen).tanh() * 4.0,
            "labels": labels,
            "scores": scores,
        }
        if self.masks:
            place = [torch.arange(float(side)) for side in size]
            inside = [
                torch.sigmoid((place[1] - box[0]).clamp(max=4) * 2)
                * torch.sigmoid((box[2] - place[1]) * 2)
                * (torch.sigmoid((place[0] - box[1]) * 2) * torch.sigmoid((box[3] - place[0]) * 2))[
                    :, None
                ]
                for box in found["boxes"]
            ]
            found["masks"] = torch.stack(inside)[:, None]
        return found


class OneByOne(nn.Module):
    """Runs another network for one image after the other."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, x: torch.Tensor) -> Answer:
        return [found for image in x for found in self.network(image[None])]


class Answering(nn.Module):
    """What another network finds, in another form."""

    def __init__(self, network: nn.Module, form: Any) -> None:
        super().__init__()
        self.network, self.form = network, form
        self.eval()

    def forward(self, x: torch.Tensor) -> Any:
        return self.form(self.network(x))
