"""Where the network looked: Grad-CAM at the last layer and at each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.heatmaps.settings import CamSettings
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context, ReportImage
from cnnviz.results.file_names import slug
from cnnviz.results.space import IMAGE
from cnnviz.views.cam import cam

# More maps in one picture would be too small to read on a page.
ABREAST = 3


def build(context: Context) -> Section:
    """Show the map of the last layer, with and without the evidence against, and of each stage."""
    subject = context.image
    names = explainable(subject)
    target = subject.capture.targets[0]
    begin = Section(
        key="cam",
        title=context.title,
        anchor=context.anchor("cam"),
        lead=(
            f"Grad-CAM asks which places raise the score of {target}: the channels of a layer are "
            "weighted by how strongly the score depends on them, and summed. The last layer gives "
            "the map that is easiest to trust and coarsest to read; shallower stages are sharper "
            "and say less about what is explained."
            if context.introduces
            else f"Which places raise the score of {target}.",
        ),
        notes=_unreached(subject, names),
        subject=subject.slug,
    )
    if not names:
        return begin
    last = main_map(subject, names)
    every = cam(subject.capture, names)
    doubts = tuple(dict.fromkeys((*last.doubts, *every.doubts)))
    return Section(
        key=begin.key,
        title=begin.title,
        anchor=begin.anchor,
        lead=begin.lead,
        notes=(*begin.notes, *doubts),
        subject=begin.subject,
        pictures=(*_last_layer(subject, last), *_stages(subject, names, last)),
        tables=(_table(every),),
        doubts=doubts,
    )


def explainable(subject: ReportImage) -> tuple[str, ...]:
    """Return the captured layers that a map can be made of, from shallow to deep."""
    if subject.unexplained:
        return ()
    return subject.capture.mapped(subject.capture.gradients)


def main_map(subject: ReportImage, names: Sequence[str]) -> Heatmap:
    """Return the map of the last layer, or of a detector's pyramid."""
    levels = any(name in subject.capture.pyramid for name in names)
    return cam(subject.capture) if levels else cam(subject.capture, names[-1])


def _unreached(subject: ReportImage, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ("The target depends on none of the chosen layers, so there is no map to show.",)
    lost = [name for name in subject.maps if name not in names]
    return (f"The target does not depend on {', '.join(lost)}.",) if lost else ()


def _last_layer(subject: ReportImage, last: Heatmap) -> list[Picture]:
    layer, fused = last.layers[0], _is_fused(last)
    named, file = (f"the {layer}", "pyramid") if fused else (layer, slug(layer))
    signed = cam(subject.capture, None if fused else layer, relu=False)
    title = "The levels of the pyramid, together" if fused else f"The last layer, {layer}"
    return [
        _picture(last, f"{subject.slug}-cam-{file}", title),
        _picture(signed, f"{subject.slug}-cam-{file}-signed", f"For and against, at {named}"),
    ]


def _picture(heatmap: Heatmap, name: str, title: str) -> Picture:
    """Return the picture of maps, in which doubts are marked, and which the section has in full."""
    return Picture.of(replace(heatmap, doubts=()), name, title)


def _is_fused(heatmap: Heatmap) -> bool:
    return isinstance(heatmap.settings, CamSettings) and heatmap.settings.fused


def _stages(subject: ReportImage, every: Sequence[str], last: Heatmap) -> list[Picture]:
    """Show the layers before the last, or each level too, in as few pictures as can be read."""
    pictures = []
    names = list(every) if _is_fused(last) else [name for name in every if name != last.layers[0]]
    begin = "Alone" if _is_fused(last) else "Before it"
    count = -(-len(names) // ABREAST)
    for number in range(count):
        part = names[number * len(names) // count : (number + 1) * len(names) // count]
        span = part[0] if len(part) == 1 else f"{part[0]} to {part[-1]}"
        pictures.append(
            _picture(
                cam(subject.capture, part),
                f"{subject.slug}-cam-stages-{number + 1}",
                f"{begin}, {span}",
            )
        )
    return pictures


def _table(heatmap: Heatmap) -> Table:
    space = heatmap.space
    return Table(
        title="The maps in numbers",
        caption=(
            "The range of each signed map in the method's own unit, and the "
            f"{'pixel of the photo' if space == IMAGE else f'{space.place} of the {space.noun}'} "
            "where the evidence for the target is greatest."
        ),
        columns=(
            TableColumn("Layer"),
            TableColumn("Size of the map"),
            TableColumn("Least", numeric=True),
            TableColumn("Greatest", numeric=True),
            *(TableColumn(f"Peak at {name}", numeric=True) for name in space.names),
        ),
        rows=tuple(_row(heatmap, layer, place) for place, layer in enumerate(heatmap.layers)),
        folded=True,
    )


def _row(heatmap: Heatmap, layer: str, place: int) -> tuple[str, ...]:
    values = heatmap.maps[place][0]
    # Where nothing is evidence for the class, the largest value is no place of evidence.
    found = bool(np.nanmax(values) > 0)
    peak = map(str, heatmap.peak(0, layer)) if found else ["none"] * values.ndim
    return (
        layer,
        heatmap.space.map_size(values.shape),
        f"{values.min():.3g}",
        f"{values.max():.3g}",
        *peak,
    )
