"""The layers of a network: shapes, costs, and how far each of them sees."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Within, bounded
from cnnviz.course.layer_arithmetic import LayerArithmetic, layer_arithmetic
from cnnviz.course.network_measures import depth as longest_way
from cnnviz.introspection.tracing import LayerCall, Trace, trace
from cnnviz.introspection.tracing.grouping import Stage, stages
from cnnviz.introspection.tracing.map_layout import MapLayout
from cnnviz.introspection.tracing.trace import costs_text, of_one_image
from cnnviz.models import Model, as_model
from cnnviz.models.input_size import checked_size
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import file_size, short
from cnnviz.views._architecture_arithmetic import arithmetic_text, explained_caption
from cnnviz.views._architecture_notes import asides, remarks
from cnnviz.views._architecture_table import (
    field_text,
    html_table,
    layer_table,
    text_table,
)

_HEIGHTS = {"image": "height", "signal": "length", "volume": "height"}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Architecture(TableResult):
    """The layers of a network, from one forward pass of one image.

    Attributes
    ----------
    name : str
        The network's name.
    trace : Trace
        Every call of every layer, with shapes for a batch of one.
    parts : tuple of Stage
        The same calls in as few groups as one picture can show.
    explained : bool
        Whether picture and text are of the arithmetic of each layer.
    part : (int, int), optional
        Of the rows of explained layers, the first on this page and the one after the last.
    """

    left_out: ClassVar[tuple[str, ...]] = ("trace", "explained", "part")
    derived: ClassVar[tuple[str, ...]] = (
        "input_shape",
        "output_shape",
        "layers",
        "depth",
        "arithmetic",
        "sums",
        "shares",
        "notes",
    )

    name: str
    trace: Trace
    parts: tuple[Stage, ...]
    explained: bool = False
    part: tuple[int, int] | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an image, without the axis of images."""
        return self.trace.input_shape[1:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the answer to one image; empty where it is no tensor."""
        return of_one_image(self.trace.output_shape)

    @property
    def layers(self) -> tuple[LayerCall, ...]:
        """Every layer in the order of execution: the rows of the table."""
        return self.trace.calls

    @cached_property
    def depth(self) -> int:
        """The most layers with weights on a way from the image to the answer, as papers count."""
        return longest_way(self.trace)

    @cached_property
    def arithmetic(self) -> tuple[LayerArithmetic, ...]:
        """What each layer does to sizes and what it costs, as formulas with its own numbers."""
        return layer_arithmetic(self.trace)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Height and width of the image, in pixels; of another input the size along each axis."""
        return self.trace.input_shape[2:]

    def notes(self) -> tuple[str, ...]:
        """Return what deserves a sentence: windows that miss pixels, layers that never run."""
        return remarks(self.trace)

    def asides(self) -> tuple[str, ...]:
        """Return what is good to know and changes nothing, as strides that leave padding over."""
        return asides(self.trace)

    def sums(self) -> dict[str, int]:
        """Return the totals: layers, steps, parameters, MACs, bytes of weights, buffers, outputs.

        `uncounted` is how many operators cost what is not known: with any, the MACs are the least.
        """
        return {
            "layers": self.trace.layers,
            "steps": len(self.layers),
            "parameters": self.trace.parameters,
            "macs": self.trace.macs,
            "uncounted": len(self.trace.uncounted),
            "parameter_bytes": self.trace.parameter_bytes,
            "buffer_bytes": self.trace.buffer_bytes,
            "activation_bytes": self.trace.activation_bytes,
        }

    def shares(self) -> dict[str, tuple[float | None, ...]]:
        """Return what part of the parameters, and of the MACs, each stage has.

        None where there are none, and for MACs where not all could be counted.
        """
        counted = not any(stage.uncounted for stage in self.parts)
        found = {
            "parameters": [stage.parameters for stage in self.parts],
            "macs": [stage.macs if counted else 0 for stage in self.parts],
        }
        return {
            name: tuple(one / sum(several) if sum(several) else None for one in several)
            for name, several in found.items()
        }

    def summary(self) -> str:
        """Say how large, how costly and how far-sighted the network is."""
        space = self.trace.space
        maps = [
            call.map_field
            for call in self.layers
            if isinstance(call.map, MapLayout) and call.map.size != space.one_place
        ]
        last = maps[-1] if maps else None
        seen = f"; the last feature map sees {field_text(last)}" if last is not None else ""
        return (
            f"{self.name}: {self.trace.counted}, {short(self.trace.parameters)} parameters, "
            f"{costs_text(self.trace, short)} MACs at {space.extent(self.input_size)}{seen}"
        )

    def caption(self) -> str:
        """Say what the picture shows, how layers were grouped, and how to read it."""
        if self.explained:
            return explained_caption(self.trace)
        grouped = f"All {len(self.layers)} steps are shown: a call of a layer, or a function."
        if len(self.parts) < len(self.layers):
            grouped = (
                f"The {len(self.layers)} steps, each a call of a layer or a function, are drawn as "
                f"{len(self.parts)} parts; the table lists each."
            )
        noun, gates = self.trace.space.noun, ""
        if any(call.receptive_field and call.receptive_field.gateless for call in self.layers):
            gates = (
                f" Grey bars reach over the whole {noun} because of global gates such as "
                "squeeze-and-excitation; the coloured ones leave these out."
            )
        return (
            f"The network from the {noun} to the answer. Above, what each part hands on: the "
            f"height of a block stands for the {_HEIGHTS[noun]} of its maps (square-root scale), "
            f"its width for the number of channels (log scale). {grouped}{self._depth_told()} "
            "The bars give, for each "
            "part, its parameters, its multiply-accumulate operations (MACs; twice as many "
            f"FLOPs), and the receptive field of its last layer: how much of the {noun} one "
            "position depends on, padding included except where there is but one; the dashed line "
            f"is the {_HEIGHTS[noun]} of the {noun}.{gates}"
        )

    def _depth_told(self) -> str:
        """Say how deep a network is in the count of papers, which is not that of its modules."""
        if not self.depth:
            return ""
        return (
            " Its depth is what papers count, the layers with weights on the longest path to the "
            f"answer: {self.depth}."
        )

    def table(self) -> Table:
        """Return a row for each layer, in the order of execution."""
        return layer_table(self.trace)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the stages as blocks along the depth, with their costs and fields below.

        Where layers are `explained`, a row for each with its formulas instead.
        """
        if self.explained:
            from cnnviz.views.pictures.layer_arithmetic import draw as draw_arithmetic

            return draw_arithmetic(self, into)
        from cnnviz.views.pictures.architecture import draw

        return draw(self.name, self.trace, self.parts, self.depth, into)

    def sheets(self, tallest: float = PAGE) -> Sequence[Architecture]:
        """Return the explained layers page by page; the stages are one page."""
        if not self.explained:
            return (self,)
        from cnnviz.views.pictures.layer_arithmetic import pages

        return tuple(replace(self, part=part) for part in pages(self.arithmetic, tallest))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the table; a field that is not known has the size -1.

        Where a layer is `uncounted`, its MACs are at least those.
        """
        fields = [call.receptive_field for call in self.layers]
        axes = self.trace.space.axes
        sizes = [(-1,) * axes if field is None else field.size for field in fields]
        return {
            "layer": np.array([call.label for call in self.layers]),
            "kind": np.array([call.kind for call in self.layers]),
            "parameters": np.array([call.parameters for call in self.layers], np.int64),
            "macs": np.array([call.macs for call in self.layers], np.int64),
            "uncounted": np.array([call.uncounted for call in self.layers]),
            "output_bytes": np.array([call.output_bytes for call in self.layers], np.int64),
            "receptive_field": np.array(sizes, np.int64).reshape(-1, axes),
        }

    def html_table(self) -> str:
        """Return the whole table as HTML, every text escaped."""
        return html_table(self.trace)

    def __str__(self) -> str:
        """Return the whole table, or what explains each layer, the sums and the notes as text."""
        if self.explained:
            return "\n".join([arithmetic_text(self.arithmetic), "", *self._totals()])
        return "\n".join(
            [text_table(self.trace), "", *self._totals(), *self.asides(), *self.notes()]
        )

    def _repr_html_(self) -> str:
        notes = [*self._totals(), *self.asides(), *self.notes()]
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in notes)
        heading = f"<summary>All {len(self.layers)} steps</summary>"
        table = f"<details>{heading}{self.html_table()}</details>"
        return f"{super()._repr_html_()}<ul>{lines}</ul>{table}"

    def _totals(self) -> list[str]:
        found = self.sums()
        return [
            f"{found['parameters']:,} parameters in {file_size(found['parameter_bytes'])} "
            f"(and {file_size(found['buffer_bytes'])} of buffers), {costs_text(self.trace)} "
            f"multiply-accumulate operations for one {self.trace.space.noun}.",
            f"The outputs of all layers for one {self.trace.space.noun} take "
            f"{file_size(found['activation_bytes'])}, those written in place or passed on "
            "unchanged not counted.",
        ]


@bounded
def architecture(
    model: Model | nn.Module,
    image_size: Annotated[int | tuple[int, ...] | None, Within(1, 8_192)] = None,
    *,
    arithmetic: bool = False,
) -> Architecture:
    """Return the layers of a network with shapes, costs and exact receptive fields.

    One image of zeros goes through the network, whose convolutions and matrix products are passed
    over, so that this is fast however large the network.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    image_size : int or tuple of int, optional
        The side, or height and width, of the image in pixels; of a signal its length, of a volume
        depth, height and width. By default what the network's preprocessing yields.
    arithmetic : bool
        Explain each layer, in text and picture: where its output size, its parameters, its
        multiply-accumulate operations and its receptive field come from. The result has these
        numbers in `Architecture.arithmetic` in any case.

    Returns
    -------
    Architecture
        The table, the sums and the picture.

    Raises
    ------
    UsageError
        If the size is not positive.
    ModelError
        If the network cannot run at this size.

    Examples
    --------
    >>> import cnnviz
    >>> text = cnnviz.architecture(cnnviz.load()).summary()
    >>> print(text.partition(";")[0])
    shapes-plain: 14 layers in 15 steps, 456 k parameters, 98.5 M MACs at 96 x 96
    """
    wrapped = as_model(model)
    found = trace(wrapped.module, (wrapped.channels, *checked_size(wrapped, image_size)))
    return Architecture(
        provenance=wrapped.provenance(),
        name=wrapped.name,
        trace=found,
        parts=stages(found),
        explained=arithmetic,
    )
