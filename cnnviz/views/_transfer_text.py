"""What is said of learning a new task: who was better, what fine-tuning changed, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.course.small_trainings import FEWEST, LEVEL, cannot_show
from cnnviz.course.transfer import BATCH, HEAD_RATE, PENALTY, WEIGHT_DECAY
from cnnviz.course.transfer_tasks import TASKS
from cnnviz.results.aligned_numbers import mean_and_spread
from cnnviz.results.text import itemised, joined, layer_said, plural, whole_percent
from cnnviz.views._transfer_run import COMPARED, FROZEN, RATES, SCRATCH, TUNED

if TYPE_CHECKING:
    from cnnviz.views.transfer_learning import TransferLearning


def summary(found: TransferLearning) -> str:
    """Say how accurate each method is at both ends, and which differences can be shown."""
    of = dict(zip(found.methods, found.accuracy, strict=True))
    ends = [0] if len(found.samples) == 1 else [0, len(found.samples) - 1]
    parts = []
    for at in ends:
        each = [f"{method} {mean_and_spread(100.0 * of[method][at])}%" for method in found.methods]
        parts.append(f"with {plural(found.samples[at], 'sample')} a class: {joined(each)}")
    against = [compared(found, place) for place in range(len(found.pairs))]
    name = found.task.capitalize() if found.task in TASKS else found.task
    return ". ".join([f"{name}, {'; '.join(parts)}", *against])


def compared(found: TransferLearning, pair: int) -> str:
    """Say of a pair of methods where a difference was shown, and where none can be."""
    first, other = found.pairs[pair]
    better, worse, unclear = [], [], []
    for at, chance in enumerate(found.differences_chance[pair]):
        difference = found.differences[pair, at]
        if chance > LEVEL:
            unclear.append(str(found.samples[at]))
        elif difference.mean() > 0.0:
            better.append(f"{mean_and_spread(100.0 * difference)} points with {found.samples[at]}")
        else:
            worse.append(f"{mean_and_spread(-100.0 * difference)} points with {found.samples[at]}")
    said = [f"better by {joined(better)}"] if better else []
    said += [f"worse by {joined(worse)}"] if worse else []
    if unclear:
        said.append(f"{cannot_show(len(found.seeds))} with {joined(unclear)}")
    return f"{first.capitalize()} against {other}: {itemised(said, len(said))}"


def changed(found: TransferLearning) -> str:
    """Say whether fine-tuning changed the last layer more than the first; nothing without."""
    if len(found.layers) < 2:
        return ""
    first, last = found.cka[0], found.cka[-1]
    if np.isnan(found.change_chance):
        return "How much fine-tuning changed the first and the last layer was not measured"
    measured = (
        f"the CKA of {layer_said(found.layers[0])} before and after is {mean_and_spread(first)}, "
        "that of "
        f"{layer_said(found.layers[-1])} {mean_and_spread(last)}"
    )
    if found.change_chance > LEVEL:
        return f"Fine-tuning: {measured}, {cannot_show(len(found.seeds))}"
    deep = float(first.mean()) > float(last.mean())
    return (
        f"Fine-tuning changed the {'last' if deep else 'first'} layer more than the "
        f"{'first' if deep else 'last'}: {measured}"
    )


def caption(found: TransferLearning) -> str:
    """Say what was trained on what, how it was judged, and what bands and bars are."""
    return " ".join(filter(None, [_task_told(found), _methods_told(found), _lines_told(found)]))


def _task_told(found: TransferLearning) -> str:
    return (
        f"{found.source} learns a new task: {found.told}. Each accuracy is of "
        f"{plural(found.test_samples, 'sample')} that no training saw; guessing has "
        f"{whole_percent(found.by_chance)}."
    )


def _methods_told(found: TransferLearning) -> str:
    told = {
        FROZEN: "frozen: its features stay as they are, computed once, and a logistic "
        f"regression (L2 penalty {PENALTY:g}) is fitted to them, standardised",
        TUNED: "fine-tuned: all of it goes on learning at a rate of "
        f"{RATES[TUNED]:g}, before a new linear layer that begins at zeros, at {HEAD_RATE:g}",
        SCRATCH: "from scratch: all its weights are drawn anew (He et al. 2015) and learn at "
        f"{RATES[SCRATCH]:g}",
    }
    said = itemised([told[method] for method in found.methods], len(found.methods))
    opening = f"{said[0].upper()}{said[1:]}."
    if not {TUNED, SCRATCH} & {*found.methods}:
        return opening
    sizes = joined([str(count) for count in found.samples])
    epochs = joined(
        [
            f"{joined([str(count) for count in row])} epochs {method}"
            for method, row in zip(found.methods, found.epochs, strict=True)
            if method != FROZEN
        ]
    )
    return (
        f"{opening} AdamW (weight decay {WEIGHT_DECAY:g}) takes batches of about {BATCH}, over "
        f"{sizes} samples a class for {epochs}; how far each fits its own samples is in the "
        "table."
    )


def _lines_told(found: TransferLearning) -> str:
    change = f" {changed(found)}." if changed(found) else ""
    changes = (
        " What fine-tuning on the most samples changed, layer by layer: the centred kernel "
        "alignment of a layer's output before and after (CKA, linear; Kornblith et al. 2019) on "
        f"{plural(min(found.test_samples, COMPARED), 'test sample')}, where 1 is no change, and "
        "the change of its weights as a share of their norm. Steps of Adam are "
        "about as long for every weight, so that of layers with small weights a larger share "
        f"moves. Yosinski et al. (2014) found early layers general and late ones specific."
        f"{change}"
        if found.layers
        else ""
    )
    return f"{_spread_told(found)}{changes}"


def _spread_told(found: TransferLearning) -> str:
    if len(found.seeds) < 2:
        each = ": a difference is one dot" if found.pairs else ""
        return f"There is one seed, so that nothing is known of the spread{each}."
    own = "samples and batches" if {TUNED, SCRATCH} & {*found.methods} else "samples"
    alike = ", the same for all methods" if len(found.methods) > 1 else ""
    drawn = ", and from scratch weights of its own" if SCRATCH in found.methods else ""
    spread = (
        f"Lines are means over {plural(len(found.seeds), 'seed')}, each with {own} of its own"
        f"{alike}{drawn}; bands and ± are one standard deviation over the seeds."
    )
    if not found.pairs:
        return spread
    each = f"{spread} Differences are taken seed by seed: a dot for each, a bar at the mean"
    if len(found.seeds) < FEWEST:
        return f"{each}. With fewer than {FEWEST} seeds no difference can be shown."
    return (
        f"{each}, filled where at most one in twenty choices of their signs has a mean as far from "
        "0 (Fisher 1935), each number of samples by itself."
    )
