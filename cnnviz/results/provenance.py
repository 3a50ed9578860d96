"""Where a result came from: which network, weights, images and versions, and on what it ran."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cnnviz.results.text import percent

AS_IT_IS = "the network itself"
"""Where the passes of a result ran, unless it was on a copy."""


@cache
def installed_version(package: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class ImageSource:
    """The name of an image and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a result came from: enough to make it again.

    Attributes
    ----------
    model, weights, weights_sha256 : str
        The network's name, what its weights are, and the SHA-256 of its state.
    images : tuple of ImageSource
        The images, in order; empty for a view of the network alone.
    preprocessing : str
        What was done to each image, in one sentence; empty without images.
    targets : tuple of str
        What was explained, one for each image; empty where nothing was.
    seed : int or None
        The seed of whatever was drawn at random; None where nothing was.
    notes : tuple of str
        What else a reader must know, such as an image that was refused.
    output : str
        What the network's output means, and whether that is a guess; empty where it was not read.
    computed_on : str
        Whether the passes ran on the network itself, or on a private copy that computes the same
        faster, what was done to that, and by how much of the largest value it differs.
    bf16_error : float or None
        Where images were computed in bfloat16: how far values were from those in float32 in the
        first of them, of the largest value of the same layer or answer. None where none were.
    cnnviz, torch : str
        The versions at work.
    """

    model: str
    weights: str
    weights_sha256: str
    images: tuple[ImageSource, ...] = ()
    preprocessing: str = ""
    targets: tuple[str, ...] = ()
    seed: int | None = None
    notes: tuple[str, ...] = ()
    output: str = ""
    computed_on: str = AS_IT_IS
    bf16_error: float | None = None
    cnnviz: str = field(default_factory=lambda: installed_version("cnnviz"))
    torch: str = field(default_factory=lambda: installed_version("torch"))

    @property
    def precision(self) -> str:
        """A sentence on bfloat16, for captions; empty where nothing was computed in it."""
        return told_bf16(self.bf16_error)

    def to_json(self) -> dict[str, Any]:
        """Return the provenance as plain data."""
        return asdict(self)


def told_bf16(error: float | None) -> str:
    """Return a sentence on an error as `Provenance.bf16_error`; empty where there is none."""
    if error is None:
        return ""
    return (
        f"Computed in bfloat16: in the first images values were up to {percent(error)} of the "
        "largest away from float32."
    )
