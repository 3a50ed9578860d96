"""Refusing layers whose units cannot be sent back to the pixels, before hours of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cnnviz.errors import LayerError
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model


def check_sent_back(model: Model, image: torch.Tensor, names: Sequence[str]) -> None:
    """Run an image [1, C, H, W], and look whether a gradient comes back from every layer.

    Raises
    ------
    LayerError
        If a layer lies behind what has no derivative: detach, a comparison, no_grad.
    """
    known = named_layers(model.module)
    wanted = {without_call(name, known) for name in names}
    sent: dict[str, bool] = {}

    def look(key: Key, _inputs: Any, output: Any) -> None:
        for text in (key[0], f"{key[0]}#{key[1]}"):
            sent[text] = sent.get(text, False) or _has_graph(output)

    with isolated(model.module, grad=True):
        leaf = image.detach().clone().requires_grad_()
        # An in-place first layer may not write to a leaf.
        run_to(model.forward, leaf.clone(), {name: known[name] for name in wanted}, after=look)
    lost = next((name for name in names if not sent.get(name, True)), None)
    if lost is not None:
        raise LayerError(
            f"Layer {lost!r} does not depend on the image in a differentiable way, so none of its "
            "units can be sent back to the pixels.",
            "Choose layers that no detach(), comparison or torch.no_grad() lies ahead of.",
        )


def _has_graph(output: Any) -> bool:
    if isinstance(output, torch.Tensor):
        return output.requires_grad
    entries = output.values() if isinstance(output, dict) else output
    return isinstance(output, (dict, list, tuple)) and any(map(_has_graph, entries))
