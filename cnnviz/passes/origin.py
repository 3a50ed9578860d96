"""Where a result comes from that a network gave for a batch."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.images import Batch
from cnnviz.models import Model
from cnnviz.results.provenance import AS_IT_IS, Provenance
from cnnviz.results.text import listed

_NAMED = 3


def origin(
    model: Model, batch: Batch, targets: Sequence[str] = (), computed_on: str = AS_IT_IS
) -> Provenance:
    """Return where a result comes from that a network gave for a batch, with no seed."""
    refused = tuple(f"{entry.name}: {entry.reason}" for entry in batch.refused)
    read = _grouped([(photo.name, note) for photo in batch.photos for note in photo.notes])
    return model.provenance(
        batch.photos, targets=targets, notes=(*refused, *read), computed_on=computed_on
    )


def _grouped(notes: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return each note once, after the names of the photos that it is about."""
    names: dict[str, list[str]] = {}
    for name, note in notes:
        names.setdefault(note, []).append(name)
    return tuple(f"{listed(of, _NAMED)}: {note}" for note, of in names.items())
