"""What drives the units furthest: at each stage the channels that are strongest on this photo."""

from __future__ import annotations

from dataclasses import replace

from cnnviz.images import ArrayPreprocessing
from cnnviz.introspection.unit_names import Unit
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context, ReportImage, spread
from cnnviz.results.space import Space
from cnnviz.results.text import joined, number
from cnnviz.views.feature_visualization import FeatureVisualization, feature_visualization

CHANNELS = 4
MOST_LAYERS = 4
STEPS = 128


def build(context: Context) -> Section:
    """Show pictures optimised for the strongest channels of each captured layer."""
    subject = context.image
    names = spread(subject.maps, MOST_LAYERS)
    units = [unit for name in names for unit in _strongest(subject, name)]
    found = _made(context, units) if units else None
    return Section(
        key="visualizations",
        title=context.title,
        anchor=context.anchor("visualizations"),
        lead=(_lead(context.introduces, context.noun),),
        pictures=(_picture(subject, found),) if found is not None else (),
        tables=(_table(subject, found, context.noun),) if found is not None else (),
        notes=_notes(subject, names, context.model.space),
        subject=subject.slug,
    )


def _made(context: Context, units: list[Unit]) -> FeatureVisualization:
    """Make the pictures; images of another size than the network's own set the size of these."""
    model, shape = context.model, context.input_shape
    if shape == model.input_shape:
        return feature_visualization(model, units, STEPS)
    if isinstance(model.preprocessing, ArrayPreprocessing):
        sized = model.around(
            model.module, weights=model.weights, notes=model.notes, untrained=model.untrained
        )
        sized.preprocessing = replace(model.preprocessing, shape=shape[1:])
        return feature_visualization(sized, units, STEPS)
    return feature_visualization(model, units, STEPS, size=max(8, *shape[1:]))


def _peaks(subject: ReportImage, name: str) -> list[float]:
    peaks: list[float] = subject.capture.activation_maps(name)[0].flatten(1).amax(1).tolist()
    return peaks


def _strongest(subject: ReportImage, name: str) -> list[Unit]:
    peaks = _peaks(subject, name)
    order = sorted(range(len(peaks)), key=lambda channel: -peaks[channel])
    return [Unit(name, channel) for channel in order[:CHANNELS]]


def _made_of(noun: str) -> str:
    return "picture" if noun == "photo" else noun


def _lead(introduces: bool, noun: str) -> str:
    made = _made_of(noun)
    if not introduces:
        return f"{made.capitalize()}s that drive the strongest channels of each stage furthest."
    return (
        f"The {CHANNELS} channels of each stage that are strongest on this {noun}, and for each a "
        f"{made} that was optimised, from noise, to raise its mean activation as far as it goes. "
        f"The {made} exaggerates: it is what the channel looks for, and not what it found here."
    )


def _notes(subject: ReportImage, names: tuple[str, ...], space: Space) -> tuple[str, ...]:
    if not names:
        sides = joined([f"a {side}" for side in space.sides])
        return (f"No captured layer has maps with {sides}.",)
    if len(names) < len(subject.maps):
        return (f"{len(names)} of {len(subject.maps)} layers are shown, evenly spread.",)
    return ()


def _picture(subject: ReportImage, found: FeatureVisualization) -> Picture:
    return Picture.of(found, f"{subject.slug}-visualizations", "What drives the units furthest")


def _table(subject: ReportImage, found: FeatureVisualization, noun: str) -> Table:
    made = _made_of(noun)
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
        title=f"The {noun} beside the {made if made == 'picture' else 'optimised one'}s",
        caption=(
            f"What each channel answers to the {noun}, at its strongest position and on average, "
            f"and the score of its {made}: the mean, or where the layer is linear in the {made} "
            "the mean of what is above zero."
        ),
        columns=(
            TableColumn("Unit"),
            TableColumn(f"{noun.capitalize()}, largest", numeric=True),
            TableColumn(f"{noun.capitalize()}, mean", numeric=True),
            TableColumn("Noise, score", numeric=True),
            TableColumn("Picture, score" if noun == "photo" else "Optimised, score", numeric=True),
        ),
        rows=tuple(rows),
        folded=True,
    )
