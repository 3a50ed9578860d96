"""Where in a site the pages of a network's units lie, for pages elsewhere that lead to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from cnnviz.errors import UsageError
from cnnviz.models import Model
from cnnviz.results.given_files import given_bytes
from cnnviz.results.structured import decoded
from cnnviz.results.text import listed
from cnnviz_gallery.site.addresses import MODELS
from cnnviz_gallery.site.publish import NETWORK

_Folder = Annotated[str, Meta(pattern=r"^[^./\\\\][^/\\\\]*$")]
"""The name of a folder, which leads nowhere else."""


def check_gallery(site: Path) -> None:
    """Raise `UsageError` where a folder holds no gallery, of whatever network."""
    if not any(site.glob(f"{MODELS}/*/{NETWORK}")):
        raise UsageError(
            f"There is no gallery in {str(site)!r}.", "Make one with `cnnviz gallery --out`."
        )


def unit_folders(site: Path, model: Model) -> dict[str, Path]:
    """Return for each layer the folder with a page and a picture of each of its channels.

    Parameters
    ----------
    site : Path
        The folder of a gallery.
    model : Model
        The network, which is looked for by its weights.

    Raises
    ------
    UsageError
        If there is no gallery, or the network is not in it with these weights.
    """
    check_gallery(site)
    cards = {path.parent: _card(path) for path in sorted(site.glob(f"{MODELS}/*/{NETWORK}"))}
    for folder, card in cards.items():
        if card.weights_sha256 == model.sha256:
            return {name: folder / place for place, name, _ in card.layers}
    names = listed([card.name or folder.name for folder, card in cards.items()], 5)
    raise UsageError(
        f"The gallery in {str(site)!r} does not hold {model.name} with these weights; it holds "
        f"{names}.",
        "Build it for this network first: `cnnviz gallery --model ...` with the same --out.",
    )


class _Card(Struct):
    """What is said of a network: its layers, each with its folder, its name and a number."""

    name: str = ""
    weights_sha256: str = ""
    layers: list[tuple[_Folder, str, Any]] = []


def _card(path: Path) -> _Card:
    try:
        return decoded(given_bytes(path), _Card)
    except (OSError, ValueError):
        return _Card()
