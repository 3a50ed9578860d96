"""The signals, volumes and clips that a command was given: files, patterns and folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnviz.errors import UsageError
from cnnviz_cli.chosen_photos import arrays_in, spread

if TYPE_CHECKING:
    from cnnviz.models import Model


def choose_arrays(names: Sequence[str], count: int | None, model: Model) -> list[Any]:
    """Return the inputs that files, patterns and folders mean, evenly spread.

    A folder that holds arrays means each of them; any other is left to be read as one clip.

    Raises
    ------
    UsageError
        If nothing is named, or nothing matches.
    """
    if not names:
        noun = model.space.noun
        kinds = ".npy, .npz, .pt or .wav" if noun == "signal" else ".npy, .npz or .pt"
        clip = "" if noun != "volume" else ", or a folder with the frames of a clip"
        raise UsageError(
            f"{model.name} takes {noun}s {model.space.shape(model.channels)}, and there is no "
            "sample of these.",
            f"Name one: a {kinds} file{clip}.",
        )
    found: list[Any] = []
    for name in names:
        found += _members(name)
    return spread(found, count, several=len(found) > len(names), noun=f"{model.space.noun}s")


def _members(name: str) -> list[Any]:
    from cnnviz.datasets.patterns import is_pattern, matching
    from cnnviz.images.paths import expand

    path = expand(name)
    if path.is_dir():
        return arrays_in(path) or [path]
    return list(matching(name)) if is_pattern(name) else [name]
