"""A drawing of a network: its layers and blocks in a row, and the inside of each kind of block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from torch import nn

from cnnviz.bounds import Within, bounded
from cnnviz.course.network_graph import Diagram, network_graph
from cnnviz.introspection.tracing import trace
from cnnviz.introspection.tracing.trace import Shape, told_count
from cnnviz.models import Model, as_model
from cnnviz.models.input_size import checked_size
from cnnviz.results import drawing
from cnnviz.results.result import Result
from cnnviz.results.space import Space, space_of_shape
from cnnviz.results.text import first_few, joined, plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class NetworkDiagram(Result):
    """A network as a drawing: what follows what, what branches, and what leads around.

    Attributes
    ----------
    name : str
        The network's name.
    input_shape : tuple of int
        The shape of the image, without the axis of images.
    trunk : Diagram
        The network from the image to the answer.
    blocks : tuple of Diagram
        The inside of each kind of block; those that are alike, but for their channels, share one.
    layers, steps, parameters, macs : int
        How many layers there are, in how many steps, which are drawn, they are called, and the
        totals of the network.
    uncounted : int
        How many operators cost what is not known: with any, the MACs are the least.
    uncalled : tuple of str
        Modules with parameters that evaluation does not call, such as auxiliary heads; not drawn.
    uncalled_parameters : int
        How many of the parameters are not used.
    """

    derived: ClassVar[tuple[str, ...]] = ("letters",)

    name: str
    input_shape: Shape
    trunk: Diagram
    blocks: tuple[Diagram, ...]
    layers: int
    steps: int
    parameters: int
    macs: int
    uncounted: int
    uncalled: tuple[str, ...] = ()
    uncalled_parameters: int = 0

    @property
    def space(self) -> Space:
        """Which axes the input has."""
        return space_of_shape(self.input_shape)

    @property
    def order(self) -> tuple[int, ...]:
        """The blocks in the order in which they are met, from the outside in."""
        met: list[int] = []
        waiting = [self.trunk]
        while waiting:
            used = [node.block for node in waiting.pop(0).nodes if node.block is not None]
            fresh = [one for one in dict.fromkeys(used) if one not in met]
            met += fresh
            waiting += [self.blocks[one] for one in fresh]
        return tuple(met)

    @property
    def letters(self) -> tuple[str, ...]:
        """The letter of each kind of block, by which the drawing refers to it."""
        named = {block: _letter(place) for place, block in enumerate(self.order)}
        return tuple(named[block] for block in range(len(self.blocks)))

    def summary(self) -> str:
        """Say how many layers and blocks there are."""
        blocks = sum(len(block.stands_for) for block in self.blocks)
        kinds = plural(len(self.blocks), "kind")
        inside = f", {plural(blocks, 'block')} of {kinds}" if blocks else ""
        return (
            f"{self.name}: {told_count(self.layers, self.steps)}{inside}, "
            f"{short(self.parameters)} parameters"
        )

    def caption(self) -> str:
        """Say what the blocks, arcs and letters are, and what was drawn as one."""
        noun = self.space.noun
        height = "length" if self.space.axes == 1 else "height and depth"
        said = [
            f"The network from the {noun} to the answer. The {height} of a block stand"
            f"{'s' if self.space.axes == 1 else ''} for the size of its maps (square-root scale), "
            "its width for the number of channels (log scale); both are written at it. What only "
            "follows up on a layer, such as normalisation and activation, is drawn with it."
        ]
        if self.blocks:
            named = joined([f"{self.letters[one]}, {self.blocks[one].title}" for one in self.order])
            said.append(
                f"Letters stand for blocks whose inside is drawn below: {named}. Blocks that are "
                "alike but for their channels share one drawing, with the numbers of the first."
            )
        nodes = [node for level in (self.trunk, *self.blocks) for node in level.nodes]
        if any(node.skip for node in nodes) or self.trunk_skips:
            said.append(
                "An arc is a skip connection: solid where it hands its input on as it is, dashed "
                "where through a layer of its own."
            )
        if any(node.repeat > 1 and node.kind != "gap" for node in nodes):
            said.append("x 3 stands for three of a kind, one after the other.")
        if any(node.others for node in nodes):
            said.append("Layers of one size that had no room of their own are counted at others.")
        if any(node.kind == "gap" for node in nodes):
            said.append("Of long runs inside a block the first three and the last are drawn.")
        if self.uncalled:
            said.append(
                f"Not drawn, for evaluation does not use them: {first_few(self.uncalled, 4)}, with "
                f"{short(self.uncalled_parameters)} of the parameters."
            )
        return " ".join(said)

    @property
    def trunk_skips(self) -> bool:
        """Whether a link of the trunk leads past a layer."""
        return any(other - one > 1 for one, other in self.trunk.links)

    @property
    def facts(self) -> str:
        """The totals in one line."""
        macs = short(self.macs)
        if self.uncounted:
            macs = f"at least {macs}"
        return (
            f"{told_count(self.layers, self.steps)}  ·  {short(self.parameters)} parameters  ·  "
            f"{macs} MACs  ·  one {self.space.noun} of {self.space.size(self.input_shape[1:])}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the row of blocks, and below it the inside of each kind."""
        from cnnviz.views.pictures.network_diagram import draw

        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the row of blocks and what is inside them into an Axes, without the name."""
        from cnnviz.views.pictures.network_diagram import draw_panel

        draw_panel(self, axes)


def _letter(place: int) -> str:
    again, place = divmod(place, len(LETTERS))
    return LETTERS[place] + (str(again + 1) if again else "")


@bounded
def network_diagram(
    model: Model | nn.Module,
    image_size: Annotated[int | tuple[int, ...] | None, Within(1, 8_192)] = None,
) -> NetworkDiagram:
    """Draw a network in the way of papers: blocks in perspective, branches, skips as arcs.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    image_size : int or tuple of int, optional
        The side, or height and width, of the image in pixels; of a signal its length, of a volume
        depth, height and width. By default what the network's preprocessing yields.

    Returns
    -------
    NetworkDiagram
        The layers and blocks with what they read, and the drawing.

    Raises
    ------
    UsageError
        If the size is not positive.
    ModelError
        If the network cannot run at this size.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.network_diagram(cnnviz.load()).summary()
    'shapes-plain: 14 layers in 15 steps, 456 k parameters'
    """
    wrapped = as_model(model)
    found = trace(wrapped.module, (wrapped.channels, *checked_size(wrapped, image_size)))
    trunk, blocks = network_graph(found, wrapped.name)
    return NetworkDiagram(
        provenance=wrapped.provenance(),
        name=wrapped.name,
        input_shape=found.input_shape[1:],
        trunk=trunk,
        blocks=blocks,
        layers=found.layers,
        steps=len(found.calls),
        parameters=found.parameters,
        macs=found.macs,
        uncounted=len(found.uncounted),
        uncalled=found.uncalled,
        uncalled_parameters=found.parameters - sum(call.parameters for call in found.calls),
    )
