"""Views of what is said of an image as a whole, and detectors, which say nothing of that kind."""

from __future__ import annotations

import torch

from cnnviz.errors import UsageError
from cnnviz.introspection.hooks import isolated
from cnnviz.models.model import Model
from cnnviz.models.output_kinds import OutputKind
from cnnviz.models.outputs import returns_boxes


def check_scores_the_image(model: Model, view: str, inputs: torch.Tensor | None = None) -> None:
    """Refuse a detector in a view of scores of the whole image, before there is any work.

    Parameters
    ----------
    model : Model
        The network.
    view : str
        What it is refused in.
    inputs : torch.Tensor, optional
        Preprocessed images, of which the first goes through the network where nobody said what it
        returns.

    Raises
    ------
    UsageError
        If it returns boxes.
    """
    boxes = model.output == OutputKind.BOXES
    if model.output is None and inputs is not None:
        with isolated(model.module, grad=False):
            boxes = returns_boxes(model, model.forward(inputs[:1]))
    if boxes:
        raise UsageError(
            f"{model.name} returns boxes, and {view} is of scores of the whole image.",
            "Give a network that scores images; gradient_flow and the heatmaps take detectors.",
        )
