"""Everything the page computes with, as one packed text and a head that says what lies where."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cnnviz.errors import TargetError
from cnnviz.explorer.convolution_step import ConvolutionStep
from cnnviz.explorer.layers import BY_PLACE, ExploredLayer
from cnnviz.explorer.sentences import SENTENCES
from cnnviz.explorer.what_if import MutedAnswers
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.introspection.receptive_fields import ReceptiveField
from cnnviz.pages.packing import (
    ALL_LEVELS,
    MANY,
    Packed,
    by_channel,
    by_channel_for_sums,
    by_row,
    map_levels,
    predicted,
)
from cnnviz.passes.captured import Capture
from cnnviz.passes.ranked_classes import probabilities
from cnnviz.results.text import layer_said, plural

_SHOWN = 640
"""Pixels of the longer side of the photo on the page, at most."""
_LIKELY, _UNLIKELY = 127, 0.2
"""Steps of the weights of a likely class on each side of zero, and how large a step is for any
other, of the root mean square of its weights."""
_LEVELS = ((8192, 15), (MANY, 31), (0, 127))
"""Steps of a class's map on each side of zero, by how many places it has more than: the maps of
early layers would else be most of a page."""
_WHOLE = 65535
"""What stands for a probability of one, of those that were computed beforehand."""
_SAME = 1e-2
"""Of a step: how far a pixel may lie from a whole number."""
SEQUENTIAL, DIVERGING = ("inferno", "viridis", "cividis"), "RdBu_r"


class Document:
    """The head and the data of one photo in one network.

    Attributes
    ----------
    head : dict
        Plain data: names, numbers, and where each array lies.
    packed : Packed
        The arrays.
    """

    def __init__(self, packed: Packed) -> None:
        self.packed = packed
        self.head: dict[str, Any] = {}

    def add_answer(self, seen: Capture, names: Sequence[str]) -> None:
        """Take in every class's name, score and probability, and how the last comes about."""
        shares, _ = probabilities(seen.model, seen.logits)
        self.head |= {
            "names": list(names),
            "model": seen.model.name,
            "sha": seen.model.sha256,
            "rule": probability_rule(seen) or "as given",
            "scores": self.packed.add(seen.logits[0].float().cpu().numpy()),
            "probabilities": self.packed.add(shares[0].float().cpu().numpy()),
        }

    def add_photo(self, seen: Capture) -> None:
        """Take in what the network saw of the photo, for the eye and as the numbers it got."""
        photo, box = seen.batch.photos[0], seen.batch.boxes[0]
        cut, _ = box.cut(photo.pixels)
        height, width = seen.batch.tensor.shape[2:]
        self.head |= {
            "photo": photo.name,
            "picture": embedded(cut),
            "input": [int(height), int(width)],
            "whole": cut.shape == photo.pixels.shape,
        }

    def add_convolutions(self, seen: Capture, steps: Sequence[ConvolutionStep]) -> None:
        """Take in the convolutions that can be worked out, and what they read."""
        self.head["convolutions"] = [self._convolution(seen, step) for step in steps]

    def _convolution(self, seen: Capture, step: ConvolutionStep) -> dict[str, Any]:
        whole, low, size, own = _read_of(seen, step)
        flat = step.kernels.reshape(len(step.kernels), -1)
        kernels, kernel_step = _fine(flat, 32767 if step.first else 2047)
        kernels = kernels.reshape(step.kernels.shape)
        kept = whole.astype(np.float64) * size[:, None, None] + low[:, None, None]
        used = kernels.astype(np.float64) * kernel_step[:, None, None, None]
        return {
            "name": step.name,
            "first": step.first,
            "ends": step.ends,
            "said": layer_said(step.ends),
            "count": step.count,
            "groups": step.groups,
            "stride": step.stride,
            "padding": step.padding,
            "dilation": step.dilation,
            "normalised": step.normalised,
            "activation": step.activation,
            "own": own,
            "error": largest_error(step, kept, used),
            "layers": list(step.layers),
            "begins": step.begins,
            "channels": self.packed.add(step.channels),
            "pixels": self.packed.add(predicted(whole) if step.first else whole),
            "low": self.packed.add(low),
            "step": self.packed.add(size),
            "kernels": self.packed.add(kernels),
            "kernelStep": self.packed.add(kernel_step),
            "bias": self.packed.add(step.bias),
            "scale": self.packed.add(step.scale),
            "shift": self.packed.add(step.shift),
        }

    def add_layer(
        self, layer: ExploredLayer, likeliest: Sequence[int], muted: MutedAnswers | None
    ) -> float:
        """Take in a layer, with the answers that were computed beforehand.

        Returns
        -------
        float
            How far whole steps put the map of the likeliest class off, of its largest value.
        """
        places = layer.activations[0].size
        maps, low, step = kept_maps(layer)
        kept = maps * step[:, None, None] + low[:, None, None]
        weights, row = _weights(layer, likeliest)
        entry: dict[str, Any] = {
            "name": layer.name,
            "said": layer_said(layer.name),
            "maps": self.packed.add(maps),
            "low": self.packed.add(low),
            "step": self.packed.add(step),
            "classes": list(layer.classes) if layer.head is None else None,
            "weights": self.packed.add(weights),
            "row": self.packed.add(row),
            "field": None if layer.field is None else self._field(layer.field),
            "error": float(step.max() / 2),
            "off": self.packed.add(_off_by_class(layer, kept, weights * row[:, None])),
        }
        if layer.head is not None:
            entry["head"] = {
                "means": self.packed.add(layer.head.means),
                "offsets": self.packed.add(layer.head.offsets),
                "passed": self.packed.add(layer.head.passed),
                "places": layer.head.places,
                "rectified": layer.head.rectified,
            }
        levels = next(levels for more, levels in _LEVELS if places > more)
        entry["methods"] = {
            method: self._maps(found, levels) for method, found in layer.maps.items()
        }
        if muted is not None:
            entry["muted"] = {
                "channels": self.packed.add(muted.channels),
                "probabilities": self.packed.add(
                    np.round(muted.probabilities.astype(np.float64) * _WHOLE).astype(np.uint16)
                ),
                "best": self.packed.add(muted.best),
                "bestProbabilities": self.packed.add(muted.best_probabilities),
            }
        self.head.setdefault("layers", []).append(entry)
        return _off(layer, likeliest[0], kept)

    def _field(self, field: ReceptiveField) -> dict[str, Any]:
        """Take in the first pixel and the last of each place; a side of 1 stands for all along it.

        Of a layer behind gates over the whole map it is the field without them.
        """
        local = field.local
        ends = {
            f"{side}{end.title()}": self.packed.add(getattr(axis, end).astype(np.int32))
            for side, axis in (("row", local.rows), ("column", local.columns))
            for end in ("first", "last")
        }
        return {**ends, "size": list(local.size), "gates": field.gateless is not None}

    def _maps(self, found: NDArray[np.float32], levels: int) -> dict[str, Any]:
        whole, steps = by_row(found, levels)
        return {"maps": self.packed.add(whole), "step": self.packed.add(steps), "levels": levels}


def kept_maps(
    layer: ExploredLayer,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return the activations of a layer in steps, the value of step 0 and the size of a step."""
    levels = map_levels(layer.activations)
    if levels == ALL_LEVELS:
        return by_channel(layer.activations)
    return by_channel_for_sums(layer.activations, layer.weights, levels)


def _off(layer: ExploredLayer, index: int, kept: NDArray[np.float32]) -> float:
    weights = layer.weights[layer.classes.index(index)]
    exact = np.tensordot(weights, layer.activations, 1)
    largest = float(np.abs(exact).max())
    return float(np.abs(np.tensordot(weights, kept, 1) - exact).max()) / (largest or 1.0)


def _off_by_class(
    layer: ExploredLayer, kept: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how far whole steps put the Grad-CAM of each class off, at the place where it is most.

    Where a map is above zero by no more than that, the page can't know that it is at all.

    Parameters
    ----------
    layer : ExploredLayer
        The layer.
    kept : ndarray of float32
        Its activations as the page has them, [C, h, w].
    weights : ndarray of float32
        The weights of the classes as the page has them, [K, C].
    """
    head, exact = layer.head, layer.weights
    if head is not None:
        # The page divides by the places, and knows which of them a gradient comes back to.
        exact, weights = head.weights, weights * head.passed / np.float32(head.places)
    flat, own = kept.reshape(len(kept), -1), layer.activations.reshape(len(kept), -1)
    off = [np.abs(w @ flat - e @ own).max() for w, e in zip(weights, exact, strict=True)]
    return np.array(off, np.float32)


def _fine(
    values: NDArray[np.float32], levels: int
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    steps = np.abs(values).max(1) / levels
    whole = np.round(values / np.where(steps == 0.0, 1.0, steps)[:, None])
    return whole.astype(np.int16), steps.astype(np.float32)


def looks(packed: Packed) -> dict[str, Any]:
    """Return the colour maps, the sentences, and what the methods are called."""
    return {
        "colours": {name: packed.add(colours(name)) for name in SEQUENTIAL},
        "diverging": packed.add(colours(DIVERGING)),
        "sentences": SENTENCES,
        "methodNames": {name: CAM_METHODS[name].title for name in ("gradcam", *BY_PLACE)},
    }


def _weights(
    layer: ExploredLayer, likeliest: Sequence[int]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the weights of each class in steps: fewer for the many that are not likely."""
    if layer.head is None:
        return by_row(layer.weights)
    # By their spread and not by the largest: weights that are spread evenly, as random ones are,
    # would else take half as much again as those of a trained network, and be no more exact.
    matrix = layer.head.matrix
    spread = np.sqrt((matrix.astype(np.float64) ** 2).mean(1))
    most = np.abs(matrix).max(1) / np.where(spread == 0.0, 1.0, spread)
    levels = np.clip(np.ceil(most / _UNLIKELY), 1, _LIKELY).astype(np.int64)
    levels[list(likeliest)] = _LIKELY
    return by_row(matrix, levels)


def _read_of(
    seen: Capture, step: ConvolutionStep
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], bool]:
    """Return what a convolution reads in 256 steps, and whether these are the photo's own."""
    return _pixels(seen) if step.first else (*by_channel(step.inputs), False)


def largest_error(
    step: ConvolutionStep, read: NDArray[np.floating[Any]], kernels: NDArray[np.floating[Any]]
) -> float:
    """Return how far any sum of what is kept is from that of the network, in this photo."""
    out = step.count // step.groups
    found = np.zeros(step.sums.shape)
    for group in range(step.groups):
        held = np.flatnonzero(step.channels // out == group)
        if not len(held):
            continue
        each = len(read) // step.groups
        part = torch.from_numpy(read[None, group * each : (group + 1) * each])
        found[held] = torch.nn.functional.conv2d(
            part,
            torch.from_numpy(kernels[held]),
            torch.from_numpy(step.bias[held].astype(np.float64)),
            step.stride,
            step.padding,
            step.dilation,
        )[0].numpy()
    return float(np.abs(found - step.sums).max())


def _pixels(
    seen: Capture,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], bool]:
    """Return what the network read in 256 steps, and whether these are the photo's own."""
    values = seen.batch.tensor[0].double().cpu().numpy()
    prepared = seen.model.preprocessing
    mean, std = (np.asarray(one, np.float64) for one in (prepared.mean, prepared.std))
    if len(mean) == len(values):
        pixels = (values * std[:, None, None] + mean[:, None, None]) * 255.0
        whole = np.round(pixels)
        if np.abs(whole - pixels).max() < _SAME and whole.min() >= 0 and whole.max() <= 255:
            low, step = -mean / std, 1.0 / (255.0 * std)
            return whole.astype(np.uint8), low.astype(np.float32), step.astype(np.float32), True
    return *by_channel(values.astype(np.float32)), False


def probability_rule(seen: Capture) -> str:
    """Return what makes the probabilities of the scores, "softmax" or "sigmoid"; "" for neither.

    Where a network ends in one of them itself, the scores are what went into it.

    Raises
    ------
    TargetError
        If there is not a probability for each score, as of one logit, whose classes are two.
    """
    shares, _ = probabilities(seen.model, seen.logits)
    scores = seen.logits.double().cpu()
    if shares.shape != scores.shape:
        raise TargetError(
            f"The network gives {plural(scores.shape[1], 'score')} and {shares.shape[1]} classes.",
            "The explorer needs a score for each class; report and cam explain this network.",
        )
    for name, found in (("softmax", scores.softmax(1)), ("sigmoid", scores.sigmoid())):
        if float((found - shares).abs().max()) < 1e-5:
            return name
    return ""


def embedded(pixels: NDArray[np.uint8]) -> str:
    """Return pixels [h, w, 3] as an address that holds them, no larger than the page shows."""
    height, width = pixels.shape[:2]
    share = _SHOWN / max(height, width)
    if share < 1.0:
        size = max(1, round(width * share)), max(1, round(height * share))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=88, method=6)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def colours(name: str) -> NDArray[np.uint8]:
    """Return the 256 colours of a colour map, [256, 3]."""
    table = mpl.colormaps[name](np.linspace(0.0, 1.0, 256))[:, :3]
    return np.round(table * 255).astype(np.uint8)
