"""The networks that a view sets beside the first: by name, as themselves, by checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images.paths import expand
from cnnviz.introspection.copies import copy_network
from cnnviz.models.checkpoints import class_names, load_state, not_finite, read_state
from cnnviz.models.loading import load
from cnnviz.models.model import Model, as_model
from cnnviz.models.settings import beside_model
from cnnviz.results.text import plural

Compared = str | Model | nn.Module
"""Another network: a name that `load` takes, or itself."""
Checkpoint = str | os.PathLike[str]


def compared_models(
    first: Model,
    others: Compared | Sequence[Compared] | None,
    checkpoints: Checkpoint | Sequence[Checkpoint] | None = None,
) -> list[Model]:
    """Return the networks to set beside one, which is left as it was.

    Parameters
    ----------
    first : Model
        The network that they are set beside.
    others : str, Model, torch.nn.Module, or sequence of these, optional
        Other networks, by themselves or by names, which may stand in one text with commas.
    checkpoints : str, os.PathLike, or sequence of these, optional
        The weights of each of them, in their order; without others, each is the first network once
        more with these weights.

    Raises
    ------
    UsageError
        There are not as many checkpoints as others.
    CheckpointError
        A checkpoint cannot be read, or does not fit.
    """
    named, files = _listed(others), _listed(checkpoints)
    if not files:
        return [load(one) if isinstance(one, str) else as_model(one) for one in named]
    if not named:
        return [with_checkpoint(first, file) for file in files]
    if len(named) != len(files):
        raise UsageError(
            f"There are {plural(len(files), 'checkpoint')} for {plural(len(named), 'network')} to "
            "compare with.",
            "Give one for each, or checkpoints alone for the same network.",
        )
    return [
        load(one, file) if isinstance(one, str) else with_checkpoint(as_model(one), file)
        for one, file in zip(named, files, strict=True)
    ]


def with_checkpoint(model: Model, checkpoint: Checkpoint) -> Model:
    """Return a copy of a network with the weights of a checkpoint; all else as it was said of it.

    Class names that the checkpoint brings, in it or beside it, are its own. How images are prepared
    is read beside it only where that of the network is a guess, in part or wholly.

    Raises
    ------
    CheckpointError
        The checkpoint cannot be read, or does not fit.
    """
    path = expand(checkpoint)
    module = copy_network(model.module)
    choice = load_state(module, read_state(path), model.name, path.name)
    notes = (*choice, *not_finite(module))
    found = model.around(module, weights=f"checkpoint {path.name}", notes=notes)
    known = model.preprocessing
    guessed = found.preprocessing if known.is_guess else None
    beside_model(found, path, class_names(path))
    # What was said in part of the network holds where nothing is said beside the checkpoint.
    if guessed is None or found.preprocessing == guessed:
        found.preprocessing = known
    return found


def told_apart(models: Sequence[Model]) -> tuple[str, ...]:
    """Return what networks are called side by side: with their weights where names are the same.

    Where the weights are called the same as well, their places tell them apart.
    """
    names = [model.name for model in models]
    full = [f"{model.name} ({model.weights})" for model in models]
    found = []
    for place, (name, longer) in enumerate(zip(names, full, strict=True), 1):
        apart = longer if full.count(longer) == 1 else f"{name}, {place}"
        found.append(name if names.count(name) == 1 else apart)
    return tuple(found)


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    parts = [given] if isinstance(given, (str, os.PathLike, Model, nn.Module)) else list(given)
    return [one for part in parts for one in _parts(part)]


def _parts(part: Any) -> Iterable[Any]:
    """Return the names of a text with commas, and anything else, a file among them, as it is."""
    if not isinstance(part, str) or expand(part).is_file():
        return (part,)
    return [name.strip() for name in part.split(",") if name.strip()]
