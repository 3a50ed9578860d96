"""Networks that come with random weights alone, or with those of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.models.checkpoints import load_state, read_state
from cnnviz.models.model import Model


def untrained_network(
    module: nn.Module,
    name: str,
    weights: str | Path,
    *,
    random: str,
    preprocessing: Preprocessing,
    notes: Sequence[str] = (),
) -> Model:
    """Return a network that was just built, with the weights that are asked for.

    Parameters
    ----------
    module : torch.nn.Module
        The network, with random weights.
    name : str
        What it is called.
    weights : str or Path
        "random", "DEFAULT", which are the same and are noted, or a checkpoint.
    random : str
        What its random weights are, for captions.
    preprocessing : Preprocessing
        What its images are prepared by.
    notes : sequence of str
        What else is noted where nobody asked for random weights.

    Raises
    ------
    UsageError
        There are no such weights.
    CheckpointError
        The checkpoint cannot be read, or does not fit the network.
    """
    choice: tuple[str, ...] = ()
    if isinstance(weights, Path):
        choice = load_state(module, read_state(weights), name, weights.name)
    elif weights not in ("random", "DEFAULT"):
        raise UsageError(
            f"{name} has no weights called {weights!r}.",
            "There are 'random' ones; or give the path of a checkpoint.",
        )
    untold = weights == "DEFAULT"
    return Model(
        module,
        name=name,
        preprocessing=preprocessing,
        weights=f"checkpoint {weights.name}" if isinstance(weights, Path) else random,
        notes=[f"{name} comes with random weights only", *notes] if untold else choice,
        untrained=not isinstance(weights, Path),
    )
