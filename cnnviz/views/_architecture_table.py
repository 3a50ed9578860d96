"""The table of a network's layers, as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence

from cnnviz.introspection.receptive_fields import ReceptiveField
from cnnviz.introspection.tracing.costs import Windows
from cnnviz.introspection.tracing.trace import (
    LayerCall,
    Shape,
    Trace,
    cost_text,
    costs_text,
    known_cost,
    of_one_image,
)
from cnnviz.results.space import Space
from cnnviz.results.table import Cell, Table, TableColumn
from cnnviz.results.text import dimensions, once_or_each

COLUMNS = (
    "layer",
    "kind",
    "output",
    "parameters",
    "MACs",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "receptive field",
    "cumulative stride",
)
_NUMBERS = frozenset({"parameters", "MACs"})


def cells(call: LayerCall) -> tuple[str, ...]:
    """Return the row of a layer, one text for each of `COLUMNS`."""
    windows = call.windows
    own = [""] * 5
    if windows is not None:
        own = [
            dimensions(windows.kernel),
            once_or_each(windows.stride),
            _padding(windows),
            once_or_each(windows.dilation),
            "" if windows.groups is None else str(windows.groups),
        ]
    parameters = f"{call.parameters:,}" if call.parameters else ""
    if call.shared_parameters:
        parameters = f"{parameters} (shared)".strip()
    return (
        call.label,
        call.kind,
        shape_text(call.output_shape),
        parameters,
        cost_text(call.macs, call.uncounted) if call.macs or call.uncounted else "",
        *own,
        field_text(call.receptive_field),
        stride_text(call.receptive_field),
    )


def layer_table(trace: Trace) -> Table:
    """Return the table as values: counts as whole numbers, sizes as in `cells`."""
    unit = trace.space.unit
    columns: tuple[str | TableColumn, ...] = (
        "layer",
        "kind",
        "output",
        "parameters",
        "shared parameters",
        "MACs",
        TableColumn("output memory", "bytes"),
        "kernel",
        "stride",
        "padding",
        "dilation",
        "groups",
        *(TableColumn(f"receptive field {side}", unit) for side in trace.space.sides),
        TableColumn("cumulative stride", unit),
    )
    return Table.of(columns, [_values(call, trace.space) for call in trace.calls])


def _values(call: LayerCall, space: Space) -> tuple[Cell, ...]:
    _, kind, output, _, _, kernel, stride, padding, dilation, _, _, cumulative = cells(call)
    windows, field = call.windows, call.receptive_field
    return (
        call.label,
        kind,
        output,
        call.parameters,
        call.shared_parameters,
        known_cost(call.macs, call.uncounted),
        call.output_bytes,
        *(text or None for text in (kernel, stride, padding, dilation)),
        None if windows is None else windows.groups,
        *((None,) * space.axes if field is None else field.size),
        cumulative or None,
    )


def totals(trace: Trace) -> tuple[str, ...]:
    """Return the last row: the sums."""
    counted = sum(call.parameters for call in trace.calls)
    return ("sum", "", "", f"{counted:,}", costs_text(trace), *[""] * 7)


def text_table(trace: Trace) -> str:
    """Return the whole table in fixed-width text."""
    body = [cells(call) for call in trace.calls]
    rows = [COLUMNS, *body, totals(trace)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def html_table(trace: Trace) -> str:
    """Return the whole table as one HTML ``<table>``, every text escaped."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in COLUMNS)
    body = "".join(_html_row(cells(call)) for call in trace.calls)
    foot = _html_row(totals(trace))
    return (
        f'<table class="architecture"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
    )


def shape_text(shape: Shape) -> str:
    """Return a shape without its axis of images: "64 x 55 x 55"."""
    return dimensions(of_one_image(shape))


def field_text(field: ReceptiveField | None) -> str:
    """Return a receptive field in a few words; "unknown" where there is none."""
    return "unknown" if field is None else field.describe()


def stride_text(field: ReceptiveField | None) -> str:
    """Return the cumulative stride; that without gates where these hide it, else nothing."""
    stride = None if field is None else field.local.stride
    return "" if stride is None else once_or_each(stride)


def _padding(windows: Windows) -> str:
    """Return the padding along each dimension: "1", "1 x 2", "1+2" where its ends differ."""
    ends = zip(windows.padding, windows.padding_after, strict=True)
    return once_or_each(
        [f"{before}" if before == after else f"{before}+{after}" for before, after in ends]
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.rjust(width) if column in _NUMBERS else text.ljust(width)
        for column, text, width in zip(COLUMNS, row, widths, strict=True)
    ]


def _html_row(row: Sequence[str]) -> str:
    found = [f'<th scope="row">{html.escape(row[0])}</th>']
    for column, text in zip(COLUMNS[1:], row[1:], strict=True):
        align = ' style="text-align:right"' if column in _NUMBERS else ""
        found.append(f"<td{align}>{html.escape(text)}</td>")
    return f"<tr>{''.join(found)}</tr>"
