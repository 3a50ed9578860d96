"""How a notebook shows a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results.notebook import folded, shown_facts
from cnnviz.results.text import count, dimensions, first_few

if TYPE_CHECKING:
    from cnnviz.models.model import Model


def shown(model: Model) -> str:
    """Return the HTML of a network: where it comes from, what it takes, and its module, folded."""
    names = model.categories or ()
    facts = [
        ("weights", model.weights),
        ("input", dimensions(model.input_shape)),
        ("prepared", model.preprocessing.describe()),
        ("classes", f"{len(names)}: {first_few(names, 6)}" if names else "not named"),
        ("parameters", count(sum(each.numel() for each in model.module.parameters()))),
        *(("note", note) for note in model.notes),
    ]
    return shown_facts(model.name, facts) + folded("The module", repr(model.module))
