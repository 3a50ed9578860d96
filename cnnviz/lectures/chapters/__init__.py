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
    networks,
    normalization,
    pixels,
    pooling,
    training,
    transfer,
    trust,
    units,
)

CHAPTERS: tuple[Chapter, ...] = (
    pixels.CHAPTER,
    convolution.CHAPTER,
    kernels.CHAPTER,
    activation.CHAPTER,
    pooling.CHAPTER,
    normalization.CHAPTER,
    arithmetic.CHAPTER,
    hierarchy.CHAPTER,
    filters.CHAPTER,
    classification.CHAPTER,
    losses.CHAPTER,
    training.CHAPTER,
    gradients.CHAPTER,
    networks.CHAPTER,
    transfer.CHAPTER,
    challenges.CHAPTER,
    units.CHAPTER,
    heatmaps.CHAPTER,
    trust.CHAPTER,
)
