"""What is told of each call once a forward pass was watched: its parameters, map and fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cnnviz.introspection.receptive_fields import ReceptiveField
from cnnviz.introspection.tracing.field_state import map_field, receptive_field
from cnnviz.introspection.tracing.fields import Field
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap, map_layout, one_place
from cnnviz.introspection.tracing.marks import Depends, Independent, Mark, Unknown
from cnnviz.introspection.tracing.rules_position import Place
from cnnviz.introspection.tracing.seen_part import seen_part
from cnnviz.introspection.tracing.trace import LayerCall
from cnnviz.introspection.tracing.visits import Row
from cnnviz.results.space import space_of


class LayerCalls:
    """Makes calls of rows.

    Parameters
    ----------
    extent : tuple of int
        The size of the image along each axis.
    sizes : mapping
        How many values each parameter has, by its identity.

    Attributes
    ----------
    counted : set of int
        The identities of the parameters that calls have read, once they are made.
    """

    def __init__(self, extent: tuple[int, ...], sizes: Mapping[int, int]) -> None:
        self._extent = extent
        self._space = space_of(len(extent))
        self._sizes = sizes
        self.counted: set[int] = set()
        self._layouts: dict[int, MapLayout | None] = {}
        self._parts: dict[tuple[int, int, bool], MapLayout] = {}
        self._map_fields: dict[tuple[int, int, int], ReceptiveField | None] = {}
        self._summaries: dict[tuple[int, int], ReceptiveField | None] = {}

    def of(self, rows: Iterable[Row]) -> tuple[tuple[LayerCall, ...], tuple[LayerCall, ...]]:
        """Return the calls and the blocks, as in `Trace`."""
        rows, counted = list(rows), self.counted
        times = Counter((row.call.name, row.call.operation) for row in rows)
        indices: dict[tuple[str, str | None], int] = {}
        found: tuple[list[LayerCall], list[LayerCall]] = ([], [])
        for order, row in enumerate(rows):
            key = (row.call.name, row.call.operation)
            indices[key] = indices.get(key, -1) + 1
            fresh = row.uses if row.block else row.uses - counted
            if not row.block:
                counted |= row.uses
            layout, last = self._map(row), len(found[False])
            call = replace(
                row.call,
                index=indices[key],
                order=order,
                parameters=sum(self._sizes[used] for used in fresh),
                shared_parameters=sum(self._sizes[used] for used in row.uses - fresh),
                receptive_field=self._receptive_field(row.mark, layout),
                map=layout,
                output_field=self._output_field(row.mark),
                input_field=self._output_field(row.source),
                span=(last - row.inside, last) if row.block else (0, 0),
                times=times[key],
            )
            found[row.block].append(call)
        return tuple(found[False]), tuple(found[True])

    def _map(self, row: Row) -> MapLayout | NoMap:
        mark, shape = row.mark, row.call.output_shape
        if not shape:
            return NoMap.NO_TENSOR
        if isinstance(mark, Independent):
            return NoMap.NO_IMAGE
        if isinstance(mark, Unknown):
            return NoMap.REGIONS if row.regions else NoMap.UNKNOWN
        if row.kernel:
            return NoMap.KERNEL
        if mark.place is not None and mark.place.paired:
            return NoMap.PAIRS
        layout = self._layout(mark.place)
        if layout is None:
            return one_place(shape, self._space) or NoMap.NO_PLACES
        if row.canvas is not None:
            return layout.on_canvas(row.canvas)
        return self._over_part(layout, mark.gateless, row.cut)

    def _receptive_field(self, mark: Mark, layout: MapLayout | NoMap) -> ReceptiveField | None:
        """Return the field of each position of a map, or of the output where it holds none."""
        if not isinstance(mark, Depends):
            return None
        if isinstance(layout, NoMap) or layout.plain or not layout.dims:
            return self._output_field(mark)
        key = (id(mark.exact), id(mark.gateless), id(layout))
        if key not in self._map_fields:
            self._map_fields[key] = map_field(mark, self._extent, layout)
        return self._map_fields[key]

    def _layout(self, place: Place | None) -> MapLayout | None:
        if place is None:
            return None
        key = id(place.field)
        if key not in self._layouts:
            self._layouts[key] = map_layout(place.field, self._extent)
        return self._layouts[key]

    def _over_part(self, layout: MapLayout, field: Field, cut: bool) -> MapLayout:
        """Return a layout that tells which part of the input its map covers."""
        key = (id(layout), id(field), cut)
        if key not in self._parts:
            self._parts[key] = replace(layout, told=seen_part(field, layout, self._extent, cut=cut))
        return self._parts[key]

    def _output_field(self, mark: Mark) -> ReceptiveField | None:
        # Layers that keep the field of their input, such as activations, share one object.
        if not isinstance(mark, Depends):
            return None
        key = (id(mark.exact), id(mark.gateless))
        if key not in self._summaries:
            self._summaries[key] = receptive_field(mark, self._extent)
        return self._summaries[key]
