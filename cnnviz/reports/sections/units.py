"""What the units see: at each stage the strongest channels, and what of the photo made them so."""

from __future__ import annotations

from cnnviz.passes.shared_captures import shared_captures
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context, ReportImage, spread
from cnnviz.results.file_names import slug
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import joined, layer_said, number
from cnnviz.views.deconvnet import Projections, deconvnet

CHANNELS = 6
MOST_LAYERS = 6


def build(context: Context) -> Section:
    """Show the strongest channels of each captured layer, each with its patch and projection."""
    subject = context.image
    names = _spread(subject.maps)
    space = context.model.space
    batch = subject.capture.batch
    with shared_captures(context.model, batch.tensor, [subject.capture]):
        found = [deconvnet(context.model, batch, name, top=CHANNELS) for name in names]
    notes: tuple[str, ...] = ()
    if len(names) < len(subject.maps):
        notes = (f"{len(names)} of {len(subject.maps)} layers are shown, evenly spread.",)
    if not names:
        notes = (f"No captured layer has maps with {_sides(space)}.",)
    return Section(
        key="units",
        title=context.title,
        anchor=context.anchor("units"),
        lead=(_lead(context.introduces, space),),
        pictures=tuple(_picture(subject, result) for result in found),
        tables=(_table(found, space),) if found else (),
        notes=notes,
        subject=subject.slug,
    )


def _spread(names: tuple[str, ...]) -> tuple[str, ...]:
    return spread(names, MOST_LAYERS)


def _sides(space: Space) -> str:
    return joined([f"a {side}" for side in space.sides])


def _noun(space: Space) -> str:
    return "photo" if space == IMAGE else space.noun


def _lead(introduces: bool, space: Space) -> str:
    noun = _noun(space)
    if not introduces:
        return f"The strongest channels of each stage on this {noun}, and what made them so."
    beside, early = "Beside", " Early units see edges and colours, later ones textures and parts."
    if space != IMAGE:
        beside, early = "Below", ""
    large = f" Where a patch is most of the {noun}, it is drawn on the {noun}." * (space == IMAGE)
    return (
        f"The {CHANNELS} strongest channels of each stage on this {noun}. {beside} the patch in "
        f"which a channel is strongest stands what it sends back to the {space.places}: which of "
        f"them made it respond.{large}{early}"
    )


def _picture(subject: ReportImage, result: Projections) -> Picture:
    size = result.space.size(result.windows[0][0].sizes)
    return Picture.of(
        result,
        f"{subject.slug}-units-{slug(result.layer)}",
        f"{layer_said(result.layer)}: patches of {size}",
    )


def _table(found: list[Projections], space: Space) -> Table:
    places = [TableColumn(name.capitalize(), numeric=True) for name in space.names]
    # Columns come first, as x does before y.
    seen = [TableColumn(f"Sees {name}s") for name in reversed(space.names)]
    return Table(
        title="The units in numbers",
        caption=(
            f"Each channel's largest value on this {_noun(space)}, where in the layer's output it "
            "is, and the part of the network's input that the unit sees there."
        ),
        columns=(
            TableColumn("Layer"),
            TableColumn("Channel", numeric=True),
            TableColumn("Value", numeric=True),
            *places,
            *seen,
        ),
        rows=tuple(
            _row(result, place) for result in found for place in range(len(result.channels))
        ),
        folded=True,
    )


def _row(result: Projections, place: int) -> tuple[str, ...]:
    window = result.windows[place][0]
    size = result.inputs[0].shape[1:] if result.inputs else result.photos.shape[1:3]
    seen = [
        f"{max(start, 0)} to {min(end, length) - 1}"
        for start, end, length in zip(window.starts, window.ends, size, strict=True)
    ]
    return (
        result.layer,
        str(result.channels[place]),
        number(float(result.activations[place, 0])),
        *map(str, result.positions[place, 0]),
        *reversed(seen),
    )
