"""Which layers of a network are chosen, and what stands in place of a function that was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from torch import nn

from cnnviz.errors import CnnvizError, LayerError
from cnnviz.introspection.layers import Layers, select
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model

_NO_WORDS: Mapping[str, Sequence[str]] = MappingProxyType({})


def choose(
    model: Model, layers: Layers, words: Mapping[str, Sequence[str]] = _NO_WORDS
) -> dict[str, nn.Module]:
    """Choose layers as `cnnviz.introspection.layers.select` does, of a network that can be run.

    Lists name the functions that forward calls beside its layers. Where nothing is found the
    network is followed, so that the error can say which layer to name in place of a function.

    Raises
    ------
    LayerError
        If an item chooses no layer.
    """
    try:
        return select(model.module, layers, words)
    except LayerError:
        with suppress(CnnvizError):  # It need not run on the size that it is said to take.
            trace(model.module, model.input_shape)
        return select(model.module, layers, words)
