"""Whether the outputs of a layer are the classes that a network answers with."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.tolerance import differ
from cnnviz.models import Model
from cnnviz.models.outputs import scores_of


def gives_classes(model: Model, layer: str) -> bool:
    """Tell by a trial: where the outputs change places, so do the scores of the classes.

    It holds whatever follows that treats all classes alike, such as a ReLU, a mean over positions,
    a temperature or a softmax, and not of a layer within that happens to have as many outputs.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    layer : str
        The layer, ``name#1`` for its second call.
    """
    name, _, number = layer.partition("#")
    module, wanted = model.module.get_submodule(name), int(number or 0)
    chance = torch.Generator().manual_seed(0)
    image = torch.randn(1, *model.input_shape, generator=chance).to(model.device, model.dtype)
    places = -1 if isinstance(module, nn.Linear) else 1
    calls = 0

    def moved(_name: str, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        return output.roll(1, places) if calls == wanted + 1 else None

    with isolated(model.module, grad=False):
        plain = scores_of(model, model.forward(image.clone()), 1)
        with module_hooks({name: module}, after=moved):
            turned = scores_of(model, model.forward(image.clone()), 1)
    return not differ(turned, plain.roll(1, 1))
