"""The architecture: the network as a picture, its sums, and every layer as a table."""

from __future__ import annotations

from cnnviz.introspection.tracing.trace import costs_text
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.text import count, dimensions, file_size
from cnnviz.views._architecture_table import COLUMNS, cells, totals
from cnnviz.views.architecture import Architecture, architecture

NUMERIC = frozenset({"parameters", "MACs"})


def build(context: Context) -> Section:
    """Show the parts from the image to the answer, and list all layers."""
    result = architecture(context.model, context.input_shape[1:])
    return Section(
        key="architecture",
        title=context.title,
        anchor=context.anchor("architecture"),
        lead=(_sums(result), *result.asides()),
        pictures=(Picture.of(result, "network-architecture", result.name),),
        tables=(_table(result),),
        notes=result.notes(),
    )


def _sums(result: Architecture) -> str:
    sums = result.sums()
    space = result.trace.space
    return (
        f"{result.name} has {result.trace.counted} and {count(sums['parameters'])} "
        f"parameters ({file_size(sums['parameter_bytes'])}). One {space.noun} of "
        f"{dimensions(result.input_size)} {space.place}s takes {costs_text(result.trace)} "
        "multiply-accumulate operations, and the outputs of all "
        f"layers {file_size(sums['activation_bytes'])} of memory."
    )


def _table(result: Architecture) -> Table:
    return Table(
        title="Every step",
        caption=(
            "Each call of a layer, and each function between them, in the order of execution. "
            f"The output is {result.trace.space.axes_in_words}; the "
            f"receptive field is the part of the {result.trace.space.noun} that one position "
            "depends on, and the cumulative stride how far apart two neighbouring positions look."
        ),
        columns=tuple(
            TableColumn(name[:1].upper() + name[1:], numeric=name in NUMERIC) for name in COLUMNS
        ),
        rows=tuple(cells(call) for call in result.layers),
        total=totals(result.trace),
        folded=True,
    )
