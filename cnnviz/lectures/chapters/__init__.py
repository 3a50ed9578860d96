"""The chapters of the lecture, in the order in which they are read: the only list of them."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter
from cnnviz.lectures.chapters import (
    activation,
    arithmetic,
    challenges,
    classification,
    convolution,
    filters,
    gradients,
    heatmaps,
    hierarchy,
    kernels,
    losses,
    pixels,
    pooling,
    trust,
    units,
)

CHAPTERS: tuple[Chapter, ...] = (
    pixels.CHAPTER,
    convolution.CHAPTER,
    kernels.CHAPTER,
    activation.CHAPTER,
    pooling.CHAPTER,
    arithmetic.CHAPTER,
    hierarchy.CHAPTER,
    filters.CHAPTER,
    classification.CHAPTER,
    losses.CHAPTER,
    gradients.CHAPTER,
    challenges.CHAPTER,
    units.CHAPTER,
    heatmaps.CHAPTER,
    trust.CHAPTER,
)
