"""Samples to train and to judge with, drawn once and kept in memory."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import torch

from cnnviz.datasets.shapes.chunks import Images, Labels, Masks, draw_chunk
from cnnviz.datasets.shapes.streams import Split
from cnnviz.models.networks import MEAN, STD

Cells = npt.NDArray[np.float32]

CHUNK = 250
"""Samples that are drawn or judged together."""

CELL = 8
"""Side of the area of the picture that belongs to one position of the networks' last maps."""


def draw_samples(
    count: int, *, seed: int, split: Split = "train", workers: int | None = None
) -> tuple[Images, Labels, Masks]:
    """Draw the first samples of a `Shapes` set in several processes.

    Parameters
    ----------
    count : int
        Number of samples.
    seed, split : int, str
        Which set.
    workers : int, optional
        Processes; as many as there are processors unless given, and 1 uses none of its own.

    Returns
    -------
    images : array, [count, 96, 96, 3]
    labels : array, [count]
    masks : array, [count, 96, 96]
        Visible pixels of the object.
    """
    starts = range(0, count, CHUNK)
    jobs = [(seed, split, start, min(CHUNK, count - start)) for start in starts]
    if len(jobs) == 1 or workers == 1:
        parts = [draw_chunk(job) for job in jobs]
    else:
        # A forked child would inherit torch's threads in an unknown state.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(draw_chunk, jobs))
    images, labels, masks = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels), np.concatenate(masks)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 images [N, H, W, 3] as the networks' input, float32 [N, 3, H, W]."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1) * 255.0
    std = torch.tensor(STD).view(1, 3, 1, 1) * 255.0
    return (images.permute(0, 3, 1, 2).float() - mean) / std


_COLOUR_ORDERS = tuple(itertools.permutations(range(3)))


def augment(
    images: torch.Tensor, cells: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images [N, H, W, 3] and cells [N, h, w], turned and mirrored, colours exchanged.

    All of it keeps the class, and exchanging colours makes the filters colour-opponent without a
    preferred hue.
    """
    quarters, mirrored, order = (
        int(torch.randint(high, (1,), generator=generator)) for high in (4, 2, 6)
    )
    images, cells = torch.rot90(images, quarters, (1, 2)), torch.rot90(cells, quarters, (1, 2))
    if mirrored:
        images, cells = images.flip(2), cells.flip(2)
    return images[..., list(_COLOUR_ORDERS[order])], cells


def close_up(images: Images, cells: Cells) -> tuple[Images, Cells]:
    """Return the part of each picture around its object, three quarters of the side.

    Parameters
    ----------
    images : array, [N, H, W, 3]
    cells : array, [N, H / 8, W / 8]
        How much of each cell is object; the window is aligned with the cells.
    """
    side = cells.shape[1]
    window = 3 * side // 4
    weight = cells + np.float32(1e-6)
    total = weight.sum((1, 2))
    place = np.arange(side, dtype=np.float32) + 0.5
    corners = [
        np.clip(np.rint(weight.sum(axis) @ place / total - window / 2), 0, side - window).astype(
            int
        )
        for axis in (2, 1)
    ]
    spans = [
        (slice(top, top + window), slice(left, left + window))
        for top, left in zip(*corners, strict=True)
    ]
    pixels = [
        (slice(CELL * r.start, CELL * r.stop), slice(CELL * c.start, CELL * c.stop))
        for r, c in spans
    ]
    return (
        np.stack([image[span] for image, span in zip(images, pixels, strict=True)]),
        np.stack([cell[span] for cell, span in zip(cells, spans, strict=True)]),
    )


def cells_of(masks: Masks) -> Cells:
    """Return how much of the middle of each 8x8 cell of masks [N, H, W] is object.

    A cell is the area of one position of the networks' last maps, and its middle is where the
    upsampled map has that position's own value.
    """
    count, height, width = masks.shape
    cells = masks.reshape(count, height // CELL, CELL, width // CELL, CELL)
    return np.asarray(cells[:, :, 2:6, :, 2:6].mean((2, 4), dtype=np.float32))
