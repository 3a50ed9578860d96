"""Where a result comes from that a network gave for a batch."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.images import Batch
from cnnviz.models import Model
from cnnviz.results.result import Provenance


def origin(model: Model, batch: Batch, targets: Sequence[str] = ()) -> Provenance:
    """Return where a result comes from that a network gave for a batch, with no seed."""
    refused = tuple(f"{entry.name}: {entry.reason}" for entry in batch.refused)
    read = tuple(f"{photo.name}: {note}" for photo in batch.photos for note in photo.notes)
    return model.provenance(batch.photos, targets=targets, notes=(*refused, *read))
