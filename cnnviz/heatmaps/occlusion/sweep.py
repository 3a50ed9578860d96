"""The outputs of a network for every square of a grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from cnnviz.default_device import made_as_the_caller_has_set
from cnnviz.foreign_code import RAISED, first_line
from cnnviz.heatmaps.occlusion.geometry import whole
from cnnviz.heatmaps.occlusion.grid import Grid, Position
from cnnviz.heatmaps.occlusion.partial import finished
from cnnviz.heatmaps.occlusion.patch_runner import NotFollowedError, PatchRunner
from cnnviz.heatmaps.occlusion.patches import set_into
from cnnviz.introspection.final_activation import FinalActivation
from cnnviz.introspection.passes_anew import anew
from cnnviz.models import Model, as_model
from cnnviz.passes.fast_model import computing, packs_weights

Score = Callable[[Any], torch.Tensor]


class Sweep:
    """Scores one image with each square of a grid hidden.

    The network has to be in eval mode, with gradients off.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network.
    image : torch.Tensor
        The preprocessed image, [1, C, H, W].
    baseline : torch.Tensor
        What hides it, in the same shape.
    grid : Grid
        The squares.
    score : callable
        ``score(output)`` returns one score for each row of an output, [B].
    cap : float, optional
        The largest share of a map's side that a patch may cover; by default patches are exact.
    alone : bool, optional
        Whether each image has to run by itself, see `cnnviz.passes.independence`.

    Attributes
    ----------
    dense_from : str or None
        The first operation that had to be given whole maps, once squares were scored.
    whole_images : str or None
        Why the network was run on whole images; None where it was run on patches.
    """

    def __init__(
        self,
        model: Model | nn.Module,
        image: torch.Tensor,
        baseline: torch.Tensor,
        grid: Grid,
        score: Score,
        cap: float | None = None,
        *,
        alone: bool = False,
    ) -> None:
        last = torch.channels_last
        self._model, self._grid, self._score = as_model(model), grid, score
        self._image = image.contiguous(memory_format=last)
        self._baseline = baseline.contiguous(memory_format=last)
        self._passage = PatchRunner(cap, packs=packs_weights(self._model, image))
        self._forward = anew(self._model.module, self._model.forward)
        self._on_patches = anew(self._model.module, self._model.module)
        self.whole_images: str | None = None
        self._alone = alone
        if self._alone:
            self.whole_images = "each has to run by itself"

    @property
    def dense_from(self) -> str | None:
        """The first operation that had to be given whole maps."""
        return self._passage.dense_from

    def scores(self, positions: tuple[Position, ...]) -> torch.Tensor:
        """Return the score with each of some squares hidden, [positions]."""
        # A batch of one could not be told from the clean run.
        single = len(positions) == 1 and not self._alone
        given = positions * 2 if single else positions
        parts = [(one,) for one in given] if self._alone else [given]
        found = torch.cat([self._score(self._outputs(part)) for part in parts])
        return found[:1] if single else found

    def _outputs(self, positions: tuple[Position, ...]) -> Any:
        if self.whole_images is None:
            patches = self._grid.hide(self._image, self._baseline, positions)
            try:
                with (
                    FinalActivation(),
                    computing(self._model, self._image),
                    made_as_the_caller_has_set(),
                ):
                    output = self._on_patches(self._passage.begin(patches, self._image))
                return finished(self._passage.whole, output)
            except NotFollowedError as error:
                self.whole_images = f"{error} writes to memory that other tensors share"
            except RAISED as error:
                # Where it is the network itself that fails, whole images make it fail again.
                self.whole_images = first_line(error)
        return self._forward(self._hidden(positions))

    def _hidden(self, positions: tuple[Position, ...]) -> torch.Tensor:
        patches = self._grid.hide(self._image, self._baseline, positions)
        count = len(positions)
        rows, columns = whole(count, self._grid.height), whole(count, self._grid.width)
        return set_into(patches, self._image, rows, columns).contiguous()
