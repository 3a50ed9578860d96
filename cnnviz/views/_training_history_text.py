"""What is said of a training: when its layers settled, and how that was measured."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.course.cka import LEAST
from cnnviz.results.text import layer_said, listed, minus, plural
from cnnviz.views._deconvnet_text import RULES

if TYPE_CHECKING:
    from cnnviz.views.training_history import TrainingHistory

_LEAST_LAYERS = 3
_LEVEL = 0.05
"""An order that chance makes this often or more rarely is told as one."""


def summary(found: TrainingHistory) -> str:
    """Say from when on the first and the last layer are what they are at the end."""
    count = len(found.checkpoints)
    span = f"{_called(found, 0)} to {found.labels[-1]}"
    head = f"{found.provenance.model}, {count} checkpoints, {span}"
    if np.isfinite(found.settled).any():
        told = _told(found, found.layers, found.settled, (found.order, found.order_chance))
        return f"{head}: CKA with the last is {found.alike:g} or more {told}"
    if not np.isfinite(found.weights_settled).any():
        return f"{head}: no change was measured"
    ends = found.weights_order, found.weights_order_chance
    told = _told(found, found.weighted, found.weights_settled, ends)
    return f"{head}: weights are within {found.near:.0%} of the last {told}; no CKA was measured"


def headline(found: TrainingHistory) -> str:
    """Return what stands above the picture: what is shown, and the order where there is one."""
    ends = [_called(found, place) for place in (0, -1)]
    orders = ((found.order, found.order_chance), (found.weights_order, found.weights_order_chance))
    order, chance = orders[0] if np.isfinite(found.settled).any() else orders[1]
    shown = np.isfinite(chance) and chance <= _LEVEL
    later = f": the deeper the layer, the {'later' if order > 0 else 'earlier'} it settles"
    head = f"{found.provenance.model}, {len(found.checkpoints)} checkpoints, {' → '.join(ends)}"
    return f"{head}{later if shown else ''}"


def _told(
    found: TrainingHistory,
    layers: tuple[str, ...],
    numbers: NDArray[np.float64],
    order: tuple[float, float],
) -> str:
    known = [(name, one) for name, one in zip(layers, numbers, strict=True) if np.isfinite(one)]
    ends = [known[0], known[-1]] if len(known) > 1 else known
    parts = []
    for name, one in ends:
        last = one == found.epochs[-1]
        place = int(np.flatnonzero(found.epochs == one)[0])
        when = "at the last alone" if last else f"from {_called(found, place)} on"
        parts.append(f"{when} at {layer_said(name)}")
    return f"{', '.join(parts)}{_order_told(*order, len(known))}"


def _called(found: TrainingHistory, place: int) -> str:
    return f"{found.unit} {found.labels[place]}" if found.numbered else found.labels[place]


def _order_told(order: float, chance: float, layers: int) -> str:
    """Say whether deeper layers settle later, with the measurement."""
    if layers < _LEAST_LAYERS or not np.isfinite(chance):
        return ""
    measured = minus(f"Kendall's tau of depth and time {order:+.2f}, chance {chance:.2g}")
    if chance > _LEVEL:
        return f"; no order of depth that {layers} layers could show ({measured})"
    return f"; the deeper, the {'later' if order > 0 else 'earlier'} ({measured})"


def caption(found: TrainingHistory) -> str:
    """Say what was compared, which checkpoints are shown, and how to read the picture."""
    return " ".join(
        [
            _checkpoints_told(found),
            _cka_told(found),
            "On the right the distance of the weights of each convolution and linear layer from "
            "those of the last checkpoint: the L2 norm of the difference over the norm at the end; "
            f"dotted, {found.near:.0%}. Where a normalisation follows, weights may grow "
            "without a change of what the layer gives.",
            "Chance is how often layers in a random order settle as much in the order of depth, or "
            "against it.",
            "The last checkpoint is where this training was left, which need not be where it would "
            "have ended.",
            _kernels_told(found),
            _units_told(found),
        ]
    )


def _checkpoints_told(found: TrainingHistory) -> str:
    count = len(found.checkpoints)
    if count == found.found:
        which = f"all {count} checkpoints"
    else:
        which = f"{count} of {found.found} checkpoints"
    return (
        f"{found.provenance.model} at {which}, from {found.checkpoints[0]} to "
        f"{found.checkpoints[-1]}, in equal steps along the axis."
    )


def _cka_told(found: TrainingHistory) -> str:
    right = (
        f" Dashed, the share of right answers to {plural(found.labelled, 'labelled image')}."
        if found.labelled
        else ""
    )
    if not len(found.batch_sizes):
        return f"No CKA was measured: it takes {LEAST} images or more.{right}"
    least, most = found.batch_sizes.min(), found.batch_sizes.max()
    sizes = f"{least}" if least == most else f"{least} to {most}"
    return (
        "On the left the centred kernel alignment (CKA, linear; Kornblith et al. 2019) of the "
        f"output of each layer with its output at the last checkpoint, over {found.data} in "
        f"{plural(len(found.batch_sizes), 'minibatch', 'minibatches')} of {sizes} images with the "
        f"unbiased HSIC_1 (Nguyen et al. 2021); dotted, {found.alike:g}."
        f"{_constant(found)}{_at_first(found)}{right}"
    )


def _constant(found: TrainingHistory) -> str:
    """Name the layers of which a CKA is not known, since they tell no images apart."""
    lost = [
        name
        for name, row in zip(found.layers, found.cka, strict=True)
        if not np.isfinite(row).all()
    ]
    if not lost:
        return ""
    gives = "gives" if len(lost) == 1 else "give"
    return (
        f" At some checkpoint {listed(lost, 3)} {gives} the same for all images, where there is no "
        "CKA."
    )


def _at_first(found: TrainingHistory) -> str:
    """Say that what is alike from the first checkpoint on need not have been learned by then."""
    early = [
        name
        for name, one in zip(found.layers, found.settled, strict=True)
        if one == found.epochs[0]
    ]
    if not early:
        return ""
    return (
        f" That {listed(early, 3)} is alike from the first checkpoint on need not mean that it had "
        "learned by then: random filters pass edges and brightness on as well."
    )


def _kernels_told(found: TrainingHistory) -> str:
    if not found.kernel_layer:
        return f"No kernels are shown. {found.no_kernels}"
    count = found.kernels.shape[1]
    return (
        "Below, a row for each kernel or unit and a column for each checkpoint (Zeiler and Fergus "
        f"2013, figure 4): kernels of {layer_said(found.kernel_layer)}, "
        f"{len(found.shown_kernels)} of {count}, "
        "those with the largest norms at the end, each cell on its own scale with its middle at "
        "zero."
    )


def _units_told(found: TrainingHistory) -> str:
    if not found.units:
        return "No units are shown: no layer that is compared holds a map of more than one place."
    layers = plural(len(found.units), "layer")
    if not found.rule:
        return (
            f"Units of {layers}: feature maps of {found.units[0].images[0][0]}, of the channels "
            "with the largest activation at the end. Each cell has its own scale; below it stands "
            "its largest value."
        )
    rule = RULES[found.rule]  # type: ignore[index]
    return (
        f"Units of {layers}: the strongest activation over all images at that checkpoint, sent "
        f"back to the pixels by {rule}, of the channels that stand out most at the end. Grey is "
        "zero, each cell has its own scale, and below it stands the activation; a sudden change is "
        f"often another image. {_jumps_told(found)}A cell without a number is of a unit that is "
        "not active."
    )


def _jumps_told(found: TrainingHistory) -> str:
    """Say how often the image of the strongest activation is another than one checkpoint before."""
    steps = [
        before != after
        for one in found.units
        for row in one.images
        for before, after in pairwise(row)
    ]
    return f"It is another in {sum(steps)} of {len(steps)} steps. "
