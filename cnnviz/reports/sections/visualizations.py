"""What drives the units furthest: at each stage the channels that are strongest on this photo."""

from __future__ import annotations

from cnnviz.introspection.unit_names import Unit
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context, ReportImage, spread
from cnnviz.results.text import number
from cnnviz.views.feature_visualization import FeatureVisualization, feature_visualization

CHANNELS = 4
MOST_LAYERS = 4
STEPS = 128


def build(context: Context) -> Section:
    """Show pictures optimised for the strongest channels of each captured layer."""
    subject = context.image
    names = spread(subject.maps, MOST_LAYERS)
    units = [unit for name in names for unit in _strongest(subject, name)]
    # Images of another size than the network's own, such as small tensors, set the size.
    own = context.input_shape == context.model.input_shape
    size = None if own else max(8, *context.input_shape[1:])
    found = feature_visualization(context.model, units, STEPS, size=size) if units else None
    return Section(
        key="visualizations",
        title=context.title,
        anchor=context.anchor("visualizations"),
        lead=(_lead(context.introduces),),
        pictures=(_picture(subject, found),) if found is not None else (),
        tables=(_table(subject, found),) if found is not None else (),
        notes=_notes(subject, names),
        subject=subject.slug,
    )


def _peaks(subject: ReportImage, name: str) -> list[float]:
    peaks: list[float] = subject.capture.activation_maps(name)[0].flatten(1).amax(1).tolist()
    return peaks


def _strongest(subject: ReportImage, name: str) -> list[Unit]:
    peaks = _peaks(subject, name)
    order = sorted(range(len(peaks)), key=lambda channel: -peaks[channel])
    return [Unit(name, channel) for channel in order[:CHANNELS]]


def _lead(introduces: bool) -> str:
    if not introduces:
        return "Pictures that drive the strongest channels of each stage furthest."
    return (
        f"The {CHANNELS} channels of each stage that are strongest on this photo, and for each a "
        "picture that was optimised, from noise, to raise its mean activation as far as it goes. "
        "The picture exaggerates: it is what the channel looks for, and not what it found here."
    )


def _notes(subject: ReportImage, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ("No captured layer has maps with a height and a width.",)
    if len(names) < len(subject.maps):
        return (f"{len(names)} of {len(subject.maps)} layers are shown, evenly spread.",)
    return ()


def _picture(subject: ReportImage, found: FeatureVisualization) -> Picture:
    return Picture.of(found, f"{subject.slug}-visualizations", "What drives the units furthest")


def _table(subject: ReportImage, found: FeatureVisualization) -> Table:
    rows = []
    for place, written in enumerate(found.units):
        name, _, channel = written.rpartition(":")
        maps = subject.capture.activation_maps(name)[0, int(channel)]
        rows.append(
            (
                written,
                number(float(maps.max())),
                number(float(maps.mean())),
                number(float(found.start[place, 0])),
                number(float(found.end[place, 0])),
            )
        )
    return Table(
        title="The photo beside the pictures",
        caption=(
            "What each channel answers to the photo, at its strongest position and on average, and "
            "the score of its picture: the mean, or where the layer is linear in the picture the "
            "mean of what is above zero."
        ),
        columns=(
            TableColumn("Unit"),
            TableColumn("Photo, largest", numeric=True),
            TableColumn("Photo, mean", numeric=True),
            TableColumn("Noise, score", numeric=True),
            TableColumn("Picture, score", numeric=True),
        ),
        rows=tuple(rows),
        folded=True,
    )
