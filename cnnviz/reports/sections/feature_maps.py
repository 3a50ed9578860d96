"""Feature maps, from shallow to deep."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.file_names import slug
from cnnviz.results.text import count, layer_said, listed, percent, plural
from cnnviz.views.feature_maps import FeatureMaps, feature_maps

SHOWN = 24

_DEPTH = {
    "photo": "Shallow layers see edges and colours at fine resolution. With depth the maps become "
    "coarser, and more about things than about surfaces.",
    "signal": "Shallow layers see a few samples; with depth the maps become coarser, and each "
    "position sees more of the signal.",
    "volume": "Shallow layers see a few voxels; with depth the maps become coarser, and each "
    "position sees more of the volume.",
}


def build(context: Context) -> Section:
    """Show the strongest maps of each chosen layer, in the order of the forward pass."""
    subject = context.image
    names = subject.maps
    results = [feature_maps(subject.capture, name, SHOWN) for name in names]
    skipped = [name for name in subject.capture.activations if name not in names]
    chosen = (
        f"The layers are those that were asked for ({context.layers})."
        if context.layers
        else "The layers are the last ones at each spatial resolution."
    )
    return Section(
        key="feature_maps",
        title=context.title,
        anchor=context.anchor("feature_maps"),
        lead=(
            f"Each channel of a layer answers one question everywhere in the {context.noun}; its "
            f"map shows where the answer is yes. {_DEPTH[context.noun]}",
            f"{chosen} Of each, the {SHOWN} channels with the largest activation are drawn, or all "
            "where there are fewer; the table counts every channel.",
        )
        if context.introduces
        else (),
        pictures=tuple(
            Picture.of(
                result,
                f"{subject.slug}-feature_maps-{slug(result.layer)}",
                layer_said(result.layer),
            )
            for result in results
        ),
        tables=(_table(results),) if results else (),
        notes=_notes(names, skipped),
        subject=subject.slug,
    )


def _notes(names: Sequence[str], skipped: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ("None of the chosen layers has a spatial extent, so there are no maps to show.",)
    if skipped:
        return (f"Without spatial extent, and so without maps: {listed(skipped, 6)}.",)
    return ()


def _quiet_said(results: Sequence[FeatureMaps]) -> str:
    """Return what positions without a response are; of layers of both kinds the wider of both."""
    return next((result for result in results if result.signed), results[0]).quiet_said


def _table(results: Sequence[FeatureMaps]) -> Table:
    return Table(
        title="All maps in numbers",
        caption=(
            f"Sparsity is the share of positions that are {_quiet_said(results)}. A channel that "
            "has the same value everywhere does not respond to this input at all."
        ),
        columns=(
            TableColumn("Layer"),
            TableColumn("Channels", numeric=True),
            TableColumn("Shown", numeric=True),
            TableColumn("Size of a map"),
            TableColumn("Largest activation", numeric=True),
            TableColumn("Mean sparsity", numeric=True),
            TableColumn("Channels without response", numeric=True),
        ),
        rows=tuple(
            (
                result.layer,
                count(len(result.maps)),
                count(len(result.shown)),
                result.space.map_size(result.maps.shape[1:]),
                f"{result.peak.max():.3g}",
                percent(float(result.sparsity.mean())),
                _silent(result),
            )
            for result in results
        ),
        folded=True,
    )


def _silent(result: FeatureMaps) -> str:
    silent = int(result.dead.sum())
    return f"{count(silent)} of {plural(len(result.maps), 'channel')}" if silent else "none"
