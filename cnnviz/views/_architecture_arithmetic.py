"""The arithmetic of a network's layers in words: the text of a terminal, and how to read it."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.course.layer_arithmetic import LayerArithmetic
from cnnviz.introspection.tracing.trace import Trace
from cnnviz.results.text import dimensions


def arithmetic_text(layers: Sequence[LayerArithmetic]) -> str:
    """Return a few lines for each layer; those that change nothing have one."""
    return "\n".join(line for layer in layers for line in _lines(layer))


def _lines(layer: LayerArithmetic) -> list[str]:
    sizes = f"{dimensions(layer.input_shape)} -> {dimensions(layer.output_shape)}"
    if layer.plain:
        return [f"{layer.layer}  ({layer.kind}, {layer.size})"]
    said = {
        "size": layer.size,
        "left over": layer.left_over,
        "parameters": layer.parameters,
        "MACs": layer.macs,
        "field": layer.field,
    }
    found = [f"{layer.layer}  ({layer.kind}, {sizes})"]
    return [*found, *(f"    {name:<11} {text}" for name, text in said.items() if text)]


def explained_caption(trace: Trace) -> str:
    """Say how to read the formulas of a network's layers."""
    return (
        "Where the numbers of each layer come from. Size: (W − F + 2P)/S + 1 of an input size W, "
        "kernel F, padding P at each end and stride S, rounded down unless said otherwise; where "
        "it is rounded, what the windows leave over is said. With a dilation D the kernel reaches "
        "over D·(F − 1) + 1, which then stands for F in sizes and fields. Parameters: (F·F·D1)·K "
        "+ K for K filters that each read D1 channels and have a bias. MACs, multiply-accumulate "
        "operations: each position of the output times each filter times the kernel. Receptive "
        "field, in "
        f"{trace.space.unit}: r + (F − 1)·j of the input's field r and its jump j, how far two "
        "positions that are neighbours lie apart. Each formula was checked against the measured "
        "layer; where none gives it, the measured number stands there and why."
    )
