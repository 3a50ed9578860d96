"""Which member of an output is the answer, where only the graph between the members tells."""

from __future__ import annotations

from typing import Any

import torch

from cnnviz.introspection.hooks import isolated
from cnnviz.models.model import Model
from cnnviz.models.outputs import needs_graph, read_output


def choose_member(model: Model, output: Any, inputs: torch.Tensor) -> None:
    """Find out which member of an output is explained, where that takes a graph and there is none.

    Of several members the last, which all others are steps towards, is the answer. An output that
    was made without a graph does not tell, so that one image goes through the network once more;
    the model keeps what was found.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    output : Any
        What it returned.
    inputs : torch.Tensor
        Preprocessed images, of which the first is used.

    Raises
    ------
    TargetError
        If the members cannot be told apart.
    """
    if not needs_graph(model, output):
        return
    with isolated(model.module, grad=True), torch.enable_grad():
        first = inputs[:1].detach().clone().requires_grad_()
        read_output(model, model.forward(first.clone()), first)
