"""Send units back to the pixels: many picks, as few passes as they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from cnnviz.errors import UsageError
from cnnviz.introspection.backward_rules import Rule
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.run_to_layer import PartialForward
from cnnviz.results.progress import Progress, silent
from cnnviz.units.projection.backprojection import MisfitError, crops_only, whole_images
from cnnviz.units.projection.crops import Crops
from cnnviz.units.projection.projection_state import ProjectionState
from cnnviz.units.projection.unit_projections import UnitPosition, UnitProjections

_DOING = "sending units back to the pixels"
RULES: tuple[Rule, ...] = ("deconvnet", "guided", "gradient")


def project(
    model: Model,
    inputs: torch.Tensor,
    layer: str,
    picks: Sequence[UnitPosition],
    rule: Rule = "deconvnet",
    *,
    progress: Progress = silent,
) -> UnitProjections:
    """Send what units respond to back to the pixels, one unit at a time.

    The unit's value at its position starts the way back and everything else in its layer is zero
    (Zeiler and Fergus 2013, section 2.1). Convolutions are transposed and max pooling goes back
    through its switches, as the gradient does both; rectifiers follow `rule`.

    Parameters
    ----------
    model : Model
        The network; it is left as it was, and only what lies below the layer runs.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W].
    layer : str
        The layer's name; ``name#1`` is the second call of a layer that is called twice.
    picks : sequence of UnitPosition
        The P units. One that is not active (its value is not above zero) sends nothing back.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers send the signal back: it is rectified itself; rectified and masked
        (Springenberg et al. 2014); or masked only, which is the gradient. The first two start from
        the unit's value, the gradient from one.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in picks.

    Returns
    -------
    Projected
        One entry for each pick, in the order of the picks.

    Raises
    ------
    LayerError
        If the layer or a channel does not exist, or the layer has no channels with positions.
    UsageError
        If there is no pick, a pick lies outside the images or the layer, or the rule is unknown.
    """
    # A tensor made under inference mode could not be part of a graph.
    inputs = inputs.detach().to(model.device, model.dtype)
    _check(picks, len(inputs), rule)
    return project_positions(PartialForward.to(model, inputs, layer), inputs, picks, rule, progress)


def project_positions(
    passage: PartialForward,
    inputs: torch.Tensor,
    picks: Sequence[UnitPosition],
    rule: Rule = "deconvnet",
    progress: Progress = silent,
) -> UnitProjections:
    """Do what `project` does, where the way to the layer is known already."""
    _check(picks, len(inputs), rule)
    at_once = rows_at_once(passage.model, inputs, passage.bytes_each)
    work = ProjectionState(passage, inputs, picks, rule)
    crops = Crops.of(passage.field)
    if crops is not None:
        try:
            _follow(crops_only(work, crops, at_once), len(picks), progress)
            return work.projected()
        except MisfitError:
            work = ProjectionState(passage, inputs, picks, rule)
    _follow(whole_images(work, at_once), len(picks), progress)
    return work.projected()


def _follow(passes: Iterator[int], total: int, progress: Progress) -> None:
    done = 0
    progress(done, total, _DOING)
    for served in passes:
        done += served
        progress(min(done, total - 1), total, _DOING)
    progress(total, total, "done")


def check_rule(rule: str) -> None:
    """Raise UsageError unless rectifiers can send projections back by this rule."""
    if rule not in RULES:
        raise UsageError(f"There is no rule {rule!r}.", f"Choose {', '.join(RULES)}.")


def _check(picks: Sequence[UnitPosition], images: int, rule: str) -> None:
    check_rule(rule)
    if not picks:
        raise UsageError("No unit was picked.", "Pick at least one.")
    for pick in picks:
        if not 0 <= pick.image < images:
            raise UsageError(
                f"There is no image {pick.image}: there are {images}.", "Images count from 0."
            )
        if (pick.row is None) != (pick.column is None):
            raise UsageError(
                "A pick has a row without a column, or a column without a row.",
                "Give both, or neither for the strongest position.",
            )
