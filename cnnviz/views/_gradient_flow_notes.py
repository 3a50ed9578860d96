"""What is said of the gradient's way through a network besides its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.gradients.causes import Cause
from cnnviz.gradients.probe_result import GradientProbe
from cnnviz.gradients.verdict_text import told_branch
from cnnviz.gradients.verdicts import GradientVerdict
from cnnviz.images import Batch
from cnnviz.results.space import space_of_shape
from cnnviz.results.text import joined, listed, plural

if TYPE_CHECKING:
    from cnnviz.views.gradient_flow import GradientFlow


def told_verdict(verdict: GradientVerdict, cause: Cause, points: Sequence[str]) -> list[str]:
    """Say of a verdict what scale it leaves out, and what else is wrong that it does not say."""
    notes = []
    if verdict.rescaled:
        notes.append(
            f"The next layer undoes the scale of {' and '.join(verdict.rescaled)}; D was taken "
            "without it."
        )
    if "steep" in verdict.findings:
        notes.append(
            f"Each step takes {-verdict.per_layer:.1f} decades, so this chain cannot be made "
            "deeper, and shallow chains of such activations may not learn either."
        )
    if verdict.branch and cause.key != "branch":
        notes.append(told_branch(verdict, points))
    return notes


def told_of_others(flow: GradientFlow) -> str:
    """Say whose bands are shaded, and how networks of several depths lie over one another."""
    if not flow.others:
        return ""
    own = flow.verdict.edges
    apart = [str(one.provenance.model) for one in flow.others if one.verdict.edges != own]
    ends = sorted({one.verdict.edges[3] for one in flow.others if one.verdict.edges != own})
    whose = (
        f" The bands are those of {flow.provenance.model}; the healthy band of {listed(apart, 3)} "
        f"ends at {joined([f'{end:+g}' for end in ends])}, which normalisation and skips move (a "
        "dashed line, where it is in the picture)."
        if apart
        else " All of them have the same bands."
    )
    return (
        f"{whose} Each network reaches from its first layer (0%) to its last (100%), and the zero "
        "of each is its last point before the logits."
    )


def told_data(inputs: torch.Tensor, batch: Batch | None, calibrated: int) -> str:
    """Say what went into the network, and in which mode."""
    count, space = len(inputs), space_of_shape(inputs.shape[1:])
    what = "" if batch is not None else " of standard normal noise"
    few = f" With one {space.noun}, a unit that is off for it counts as dead." if count == 1 else ""
    norms = plural(calibrated, "batch norm")
    own = f", of {norms} with those of these {space.noun}s" if calibrated else ""
    return (
        f"{plural(count, space.noun)}{what} of {space.size(inputs.shape[2:])} went in, in eval "
        f"mode: normalisation with the statistics that were gathered{own}, no dropout.{few}"
    )


def shares_after(found: GradientProbe) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the greatest shares of dead and saturated units between each point and the next."""
    dead = np.full(len(found.points), np.nan)
    saturated = np.full(len(found.points), np.nan)
    for unit in found.units:
        if unit.after < 0:
            continue
        if unit.dead is not None:
            dead[unit.after] = np.nanmax([dead[unit.after], unit.dead_fraction, 0.0])
        if not math.isnan(unit.saturated):
            saturated[unit.after] = np.nanmax([saturated[unit.after], unit.saturated])
    return dead, saturated
