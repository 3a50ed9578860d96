"""What must be known of a network first: random weights, a guessed preparation, findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnviz.images import Batch
    from cnnviz.models import Model


def first_notes(model: Model, batch: Batch) -> tuple[str, ...]:
    """Return what a reader must know of a network before anything it says of images."""
    # What is random explains nothing, and a reader who came by a link must not miss it.
    random = (
        (
            "The weights of this network are random: it has learned nothing, and its answers and "
            "heatmaps mean nothing. The pictures show how the network works, not what it knows.",
        )
        if model.untrained
        else ()
    )
    prepared = not all(photo.as_tensor for photo in batch.photos)
    doubt = (model.doubt,) if prepared and model.doubt else ()
    return random + doubt + model.notes + model.findings
