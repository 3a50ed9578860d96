"""What is said of two networks beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.course.cka import LEAST
from cnnviz.results.text import joined, layer_said, plural, whole_percent
from cnnviz.views._compare_pass import FEW, LACKING, share_told

if TYPE_CHECKING:
    from cnnviz.views._compare_features import KernelPair
    from cnnviz.views.compare import Comparison


def summary(found: Comparison) -> str:
    """Say how alike the layers are, and how often the answers are the same."""
    first, other = found.names
    known = found.cka[np.isfinite(found.cka)]
    alike = (
        f"CKA of layers {known.min():.2f} to {known.max():.2f}"
        if known.size
        else f"no CKA was measured: {_why_no_cka(found)}"
    )
    agreed = f"; {_agreed(found)}" if np.isfinite(found.agreement) else ""
    return f"{first} and {other}: {alike}{agreed}"


def headline(found: Comparison) -> str:
    """Say what stands above the picture: which networks, and how often they agree."""
    agreed = f": {_agreed(found)}" if np.isfinite(found.agreement) else ""
    return f"{' and '.join(found.names)}{agreed}"


def _agreed(found: Comparison) -> str:
    """Say to how many images both answer the same; of few images as a number."""
    if found.seen == 1:
        return "the same answer" if found.agreement else "different answers"
    if found.seen >= FEW:
        return f"the same answer to {whole_percent(found.agreement)} of {found.seen} images"
    return f"the same answer to {share_told(found.agreement, found.seen)} images"


def caption(found: Comparison) -> str:
    """Say what was compared with what, over which images, and how to read the picture."""
    first, other = found.names
    if found.picture == "features":
        return _features_caption(found)
    return (
        f"{first} and {other} over {plural(found.seen, 'image')} ({found.data}), each prepared "
        f"as either network takes it. {_cka_told(found)} The photos: the first "
        f"{plural(len(found.examples), 'image')} as either network takes them, its likeliest "
        f"class, and where it looked for that: {_looked(found)}, each on its own scale. "
        f"{_answers_told(found)}"
    )


def _cka_told(found: Comparison) -> str:
    if not np.isfinite(found.cka).any():
        return no_cka(found)
    least, most = found.batch_sizes.min(), found.batch_sizes.max()
    sizes = f"{least}" if least == most else f"{least} to {most}"
    lacking = f" Grey without a number: {LACKING}." if not np.isfinite(found.cka).all() else ""
    return (
        "On the left the centred kernel alignment (CKA, linear; Kornblith et al. 2019) of "
        "every pair of layers, from "
        f"{plural(len(found.batch_sizes), 'minibatch', 'minibatches')} of {sizes} images "
        "with the unbiased HSIC_1 (Nguyen et al. 2021). The features of a layer are its whole "
        "map of an image, flattened. 1: both tell the images apart in the same way, up to a "
        "rotation and a factor; about 0: they share nothing. Colours end at 0, below which an "
        f"estimate may lie.{lacking}"
    )


def no_cka(found: Comparison) -> str:
    """Say why no CKA was measured, where none was."""
    return f"No CKA was measured: {_why_no_cka(found)}."


def _why_no_cka(found: Comparison) -> str:
    return LACKING if len(found.batch_sizes) else f"it takes {LEAST} images or more"


def _looked(found: Comparison) -> str:
    told = [
        f"{name} has no layer for a heatmap"
        if not at
        else f"Grad-CAM at {', '.join(map(layer_said, at))}"
        for name, at in zip(found.names, found.heatmap_layers, strict=True)
    ]
    return joined(list(dict.fromkeys(told)))


def _answers_told(found: Comparison) -> str:
    told = "They have no classes in common, so that their answers are not compared."
    if np.isfinite(found.agreement):
        told = f"Both give {_agreed(found)}."
    right = [
        f"{share_told(share, count)} by {name}"
        for name, share, count in zip(found.names, found.accuracies, found.labelled, strict=True)
        if count
    ]
    return f"{told} Right by the labels of the data: {joined(right)}." if right else told


def _features_caption(found: Comparison) -> str:
    """Say what stands beside what in the picture of kernels and maps, and what is left out."""
    told = _kernels_told(found.names, found.kernels, found.no_kernels)
    maps, pairing = found.maps, found.pairing
    if not maps:
        return f"{told} No feature maps are shown: {pairing}."
    photo = maps[0].maps.image
    which = (
        "the same channels of both, those with the largest mean of their peaks, each as a share of "
        "the layer's largest"
        if all(pair.matched for pair in maps)
        else "of each its own strongest channels"
    )
    return (
        f"{told} Below, feature maps of {photo}, {pairing}: "
        f"{which}. Each map has its own scale; below it stand the channel and its largest value."
    )


def _kernels_told(names: tuple[str, str], kernels: KernelPair | None, why: str) -> str:
    if kernels is None:
        return f"No kernels are shown. {why}"
    first, other = names
    counts = len(kernels.kernels), len(kernels.other_kernels)
    shown = len(kernels.shown), len(kernels.other_shown)
    if kernels.unmatched:
        sizes = [f"{some} of {all_} of {name}" for some, all_, name in
                 zip(shown, counts, names, strict=True)]  # fmt: skip
        return (
            f"Kernels of the first convolution: {joined(sizes)}, {kernels.order}, each on its own "
            f"scale. They are not matched filter by filter: {kernels.unmatched}."
        )
    extent = f"all {counts[0]}" if shown[0] == counts[0] else f"{shown[0]} of {counts[0]}"
    return (
        f"Kernels of {layer_said(kernels.layers[0])}, filter by filter ({extent}, "
        f"{kernels.order}): above that "
        f"of {first}, below that of {other}, each on its own scale with its middle at zero. "
        "Below each stands the filter and its change, the L2 norm of the difference over the norm "
        f"of the filter of {first}. That a filter keeps its place is so where one network went on "
        "from the other; of two that began apart the order means nothing."
    )
