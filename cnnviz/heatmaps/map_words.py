"""What a heatmap holds and what its colours mean, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results.text import layer_said

if TYPE_CHECKING:
    from cnnviz.heatmaps.heatmap import Heatmap


def colours_told(found: Heatmap) -> str:
    """Say what the map shows, and what a colour means."""
    if found.relu and not found.explains_class:
        return (
            "where the layer responds. Bright is a strong response, whatever the class; what "
            "lies below zero is set to zero before the map is stretched."
        )
    if _holds_sizes(found):
        return (
            f"the {_values(found) or 'size of the attribution'} at each {found.space.place}. "
            "Bright is large; whether for the target or against it is not shown."
        )
    told = "where the evidence lies. "
    if not found.relu:
        return f"{told}Red is evidence for the target, blue is evidence against it."
    return (
        f"{told}Bright is evidence for the target; evidence against it is set to zero before "
        "the map is stretched."
    )


def unit(found: Heatmap) -> str:
    """Return what the values of a map are."""
    values = _values(found)
    if values and _holds_sizes(found):
        return values
    return f"evidence: {values}" if values else "evidence"


def nothing_told(found: Heatmap) -> str:
    """Say of a map of nothing but zeros what that means."""
    evidence = found.relu and found.explains_class and not _holds_sizes(found)
    return "no evidence for it" if evidence else "zero everywhere"


def marks(found: Heatmap, image: int) -> tuple[str, ...]:
    """Return the marks of the maps of an image, with the layer where not all maps have the same."""
    each = {layer: mark(found, image, layer) for layer in found.layers}
    if len(set(each.values())) == 1:
        return tuple(filter(None, set(each.values())))
    return tuple(f"{layer_said(layer)} {said}" for layer, said in each.items() if said)


def mark(found: Heatmap, image: int, layer: str) -> str:
    """Return in a few words why a map must not be read as evidence; nothing where it may be."""
    return found.marks[found.layers.index(layer)][image] if found.marks else ""


def _values(found: Heatmap) -> str:
    return found.settings.values if found.settings is not None else ""


def _holds_sizes(found: Heatmap) -> bool:
    """Whether a map holds sizes of what has a sign in each pixel, as a saliency does."""
    return found.relu and found.layers == ("input",)
