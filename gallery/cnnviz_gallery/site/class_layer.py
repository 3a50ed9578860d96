"""Whether the outputs of a layer are the classes that a network answers with."""

from __future__ import annotations

from collections.abc import Callable
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
    a temperature or a softmax, and not of a layer within that happens to have as many outputs. One
    output has no other place to go: there the score has to double with it. Outputs are random for
    this, since the network's own may be alike; where it answers alike to these, too, nothing is
    known, and the answer is no.

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

    def scores(change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        calls = 0

        def put(_name: str, _module: nn.Module, _inputs: Any, output: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls != wanted + 1:
                return None
            chance = torch.Generator().manual_seed(1)
            # Not where the caller makes tensors, as the network does in this pass.
            draw = torch.rand(output.shape, generator=chance, device="cpu") + 0.5
            return change(draw.to(output))

        with module_hooks({name: module}, after=put):
            return scores_of(model, model.forward(image.clone()), 1)

    with isolated(model.module, grad=False):
        plain = scores(lambda drawn: drawn)
        if plain.shape[1] == 1:
            return bool((plain > 0).all()) and not differ(
                scores(lambda drawn: 2 * drawn), 2 * plain
            )
        turned = scores(lambda drawn: drawn.roll(1, places))
    return bool(differ(plain, plain.roll(1, 1))) and not differ(turned, plain.roll(1, 1))
