"""The networks that the package carries, with their weights."""

from __future__ import annotations

import json
from pathlib import Path

from cnnviz.errors import CheckpointError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models.checkpoints import load_state, read_state
from cnnviz.models.model import Model
from cnnviz.models.networks import INPUT_SIZES, MEAN, SHIPPED, STD
from cnnviz.models.randomness import RANDOM, seeded

_WEIGHTS = Path(__file__).parent / "weights"
_DIGITS = tuple("0123456789")


def names() -> list[str]:
    """Return the names of the shipped networks."""
    return list(SHIPPED)


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the shipped network of this name, or None (see `cnnviz.models.sources`)."""
    return load_shipped(name.lower(), weights) if name.lower() in SHIPPED else None


def load_shipped(name: str, weights: str | Path) -> Model:
    """Build a shipped network.

    Parameters
    ----------
    name : str
        One of `names()`.
    weights : str or pathlib.Path
        ``DEFAULT``: its trained weights, or random ones where the package carries none (LeNet-5);
        ``random``; or the path of a checkpoint.
    """
    with seeded():
        module = SHIPPED[name]()
    file = _WEIGHTS / f"{name}.safetensors"
    origin, notes, untrained = RANDOM, list[str](), False
    if isinstance(weights, Path):
        notes += load_state(module, read_state(weights), name, weights.name)
        origin = f"checkpoint {weights.name}"
    elif weights == "DEFAULT" and file.is_file():
        load_state(module, read_state(file), name, file.name)
        origin = "shipped"
    elif weights == "DEFAULT":
        untrained = True
        notes.append(f"{name} ships without trained weights")
    elif weights != "random":
        raise UsageError(
            f"{name} has no weights called {weights!r}.",
            "There are 'DEFAULT' and 'random'; or give the path of a checkpoint.",
        )
    else:
        untrained = True
    return Model(
        module,
        name=name,
        preprocessing=_preprocessing(name),
        categories=_categories(name, file),
        weights=origin,
        notes=notes,
        untrained=untrained,
    )


def _preprocessing(name: str) -> Preprocessing:
    channels, height, width = INPUT_SIZES[name]
    if channels == 1:
        return Preprocessing(height, (height, width), (0.0,), (1.0,))
    return Preprocessing(height, (height, width), MEAN, STD)


def _categories(name: str, file: Path) -> tuple[str, ...]:
    if not name.startswith("shapes"):
        return _DIGITS
    if not file.is_file():
        from cnnviz.datasets.shapes import CLASSES

        return tuple(CLASSES)
    return _stored_categories(file)


def _stored_categories(file: Path) -> tuple[str, ...]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata() or {}
    try:
        return tuple(json.loads(metadata["classes"]))
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"The shipped weights {file.name} name no classes.", "Reinstall cnnviz."
        ) from error
