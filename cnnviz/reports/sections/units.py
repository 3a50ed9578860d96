"""What the units see: at each stage the strongest channels, and what of the photo made them so."""

from __future__ import annotations

from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context, ReportImage, spread
from cnnviz.results.file_names import slug
from cnnviz.results.text import number
from cnnviz.views.deconvnet import Projections, deconvnet

CHANNELS = 6
MOST_LAYERS = 6


def build(context: Context) -> Section:
    """Show the strongest channels of each captured layer, each with its patch and projection."""
    subject = context.image
    names = _spread(subject.maps)
    found = [deconvnet(context.model, subject.capture.batch, name, top=CHANNELS) for name in names]
    notes: tuple[str, ...] = ()
    if len(names) < len(subject.maps):
        notes = (f"{len(names)} of {len(subject.maps)} layers are shown, evenly spread.",)
    if not names:
        notes = ("No captured layer has maps with a height and a width.",)
    return Section(
        key="units",
        title=context.title,
        anchor=context.anchor("units"),
        lead=(_lead(context.introduces),),
        pictures=tuple(_picture(subject, result) for result in found),
        tables=(_table(found),) if found else (),
        notes=notes,
        subject=subject.slug,
    )


def _spread(names: tuple[str, ...]) -> tuple[str, ...]:
    return spread(names, MOST_LAYERS)


def _lead(introduces: bool) -> str:
    if not introduces:
        return "The strongest channels of each stage on this photo, and what made them so."
    return (
        f"The {CHANNELS} strongest channels of each stage on this photo. Beside the patch in which "
        "a channel is strongest stands what it sends back to the pixels: which of them made it "
        "respond. Early units see edges and colours, later ones textures and parts."
    )


def _picture(subject: ReportImage, result: Projections) -> Picture:
    height, width = result.patches.shape[2:4]
    return Picture.of(
        result,
        f"{subject.slug}-units-{slug(result.layer)}",
        f"{result.layer}: patches of {height} x {width} px",
    )


def _table(found: list[Projections]) -> Table:
    return Table(
        title="The units in numbers",
        caption=(
            "Each channel's largest value on this photo, where in the layer's output it is, and "
            "the part of the network's input that the unit sees there."
        ),
        columns=(
            TableColumn("Layer"),
            TableColumn("Channel", numeric=True),
            TableColumn("Value", numeric=True),
            TableColumn("Row", numeric=True),
            TableColumn("Column", numeric=True),
            TableColumn("Sees columns"),
            TableColumn("Sees rows"),
        ),
        rows=tuple(
            _row(result, place) for result in found for place in range(len(result.channels))
        ),
        folded=True,
    )


def _row(result: Projections, place: int) -> tuple[str, ...]:
    window = result.windows[place][0]
    height, width = result.photos.shape[1:3]
    return (
        result.layer,
        str(result.channels[place]),
        number(float(result.activations[place, 0])),
        str(result.rows[place, 0]),
        str(result.columns[place, 0]),
        f"{max(window.left, 0)} to {min(window.right, width) - 1}",
        f"{max(window.top, 0)} to {min(window.bottom, height) - 1}",
    )
