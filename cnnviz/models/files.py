"""Networks from a user's own file: ``path/to/file.py:factory``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from cnnviz.errors import ModelError, did_you_mean
from cnnviz.foreign_code import MODULE, RAISED, told
from cnnviz.images.paths import expand
from cnnviz.introspection.hooks import put_into_eval_mode
from cnnviz.introspection.signatures import required_arguments
from cnnviz.models.called_network import by_arguments
from cnnviz.models.checkpoints import load_state, not_finite, read_state
from cnnviz.models.model import Model
from cnnviz.models.randomness import SEED, seeded, watched
from cnnviz.models.settings import beside_model
from cnnviz.results.given_files import no_file
from cnnviz.results.text import kind_of, listed

ARGUMENTS = "forward_args"
"""What a file defines to say how its network is called."""
_SAY_NOTHING = (
    "make",
    "build",
    "create",
    "get",
    "load",
    "model",
    "net",
    "network",
    "main",
    "factory",
)


def split(source: str) -> tuple[Path, str] | None:
    """Return file and factory of ``path/to/file.py:factory``, or None for another kind of name."""
    head, colon, factory = source.rpartition(":")
    if colon and head.endswith(".py"):
        return expand(head), factory
    if source.endswith(".py"):
        return expand(source), ""
    return None


def names() -> list[str]:
    """Return no name: any file may make a network."""
    return []


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the network of ``FILE.py:FACTORY``, or None (see `cnnviz.models.sources`)."""
    named = split(name)
    return None if named is None else load_file(*named, weights)


def load_file(path: Path, factory: str, weights: str | Path) -> Model:
    """Build the network that a function (or class) in a Python file makes.

    Naming the file is taken as trust in it: its code runs, as with ``python path/to/file.py``.
    It runs with its own folder importable and with seeded random states, which are put back. The
    network may carry a `Preprocessing` in its attribute ``preprocessing``; NAME.toml or
    preprocessing.toml beside the file may say it, and categories.txt the names of the classes.
    Where the network takes more than an image, the file defines ``forward_args``: a function from
    the images to the arguments (a tuple, or a dict by name), or the arguments themselves with
    ``cnnviz.IMAGE`` among them. A function ``decode`` in the file makes boxes of what a
    detector returns, see `Model`.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    factory : str
        A function or class in it that needs no argument and gives a `torch.nn.Module`, or the name
        of a `torch.nn.Module`.
    weights : str or pathlib.Path
        ``DEFAULT`` or ``random``: whatever the factory makes; or the path of a checkpoint, which is
        read as data only.

    Raises
    ------
    ModelError
        File or factory is missing, fails, needs arguments, or gives no `torch.nn.Module`.
    """
    where = f"{path.name}:{factory}"
    with seeded(), _importable(path.parent), watched() as drawn:
        module = _execute(path)
        made = _make(module, path, factory)
    if not isinstance(made, nn.Module):
        raise ModelError(
            f"{where} gives {kind_of(made)}, not a torch.nn.Module.",
            "Return the network from it.",
        )
    choice: tuple[str, ...] = ()
    if isinstance(weights, Path):
        choice = load_state(made, read_state(weights), where, weights.name)
        origin = f"checkpoint {weights.name}"
    elif weights in ("DEFAULT", "random"):
        origin = f"as made by {where}, seed {SEED}"
    else:
        raise ModelError(
            f"{where} has no weights called {weights!r}.", "Give the path of a checkpoint."
        )
    put_into_eval_mode(made)
    model = Model(made, name=_name(made, path, factory), weights=origin, **_arguments(module))
    # Of a detector whose output is not yet boxes, the file may define what makes boxes of it.
    decode = getattr(module, "decode", None)
    if callable(decode):
        model.decode_by(decode)
    random = (_as_drawn(where),) if drawn.at_random and weights == "DEFAULT" else ()
    model.notes = (*random, *model.notes, *choice, *not_finite(made))
    beside_model(model, path)
    return model


def made_by(path: Path, factory: str) -> Any:
    """Return what a name in a Python file stands for: a thing, or what a function there makes.

    A function that needs an argument is itself what is asked for. Naming the file is taken as trust
    in it, as in `load_file`.

    Raises
    ------
    ModelError
        File or name is missing, or fails.
    """
    with seeded(), _importable(path.parent):
        module = _execute(path)
        found = getattr(module, factory, None)
        ready = callable(found) and (isinstance(found, nn.Module) or required_arguments(found))
        return found if ready else _make(module, path, factory)


def _as_drawn(where: str) -> str:
    """Say that weights that nobody gave look random: in no picture can that be seen."""
    return (
        f"No weights were given, and {where} drew random numbers and was not seen to load any. "
        "Unless it writes its weights by hand they are random, and answers and heatmaps of "
        "random weights mean nothing."
    )


def _name(made: nn.Module, path: Path, factory: str) -> str:
    """Return what to call a network: its factory, or its class or file where that says nothing."""
    if factory.partition("_")[0].lower() not in _SAY_NOTHING:
        return factory
    kind = type(made)
    return path.stem if kind.__module__.startswith("torch.") else kind.__name__


def _arguments(module: ModuleType) -> dict[str, Any]:
    """Return how the file says that its network is called, if it does."""
    given = getattr(module, ARGUMENTS, None)
    if given is None:
        return {}
    if not callable(given):
        return {"inputs": given}
    return {"call": by_arguments(given)}


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    saved = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = saved


def _execute(path: Path) -> ModuleType:
    if not path.is_file():
        raise ModelError(*no_file(path, _beside))
    resolved = path.resolve()
    # A name of its own: a user's resnet.py must not stand in for anybody's module resnet.
    name = f"{MODULE}{hashlib.sha256(str(resolved).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path.name} cannot be imported.", "Give a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except RAISED as error:
        del sys.modules[name]
        raise ModelError(
            f"{path.name} fails when it is imported: {_told(error)}.",
            f"Make sure that this works: python {path}.",
        ) from error
    return module


def _make(module: ModuleType, path: Path, factory: str) -> Any:
    offered = _offered(module)
    if not factory:
        raise ModelError(
            f"{path.name} is a file; which network in it is not said.",
            _named_in(path, [name for name in offered if _makes_a_network(getattr(module, name))]),
        )
    made = getattr(module, factory, None)
    if made is None:
        otherwise = f"It offers {', '.join(offered)}." if offered else "It offers none."
        raise ModelError(
            f"{path.name} has no {factory!r}.", did_you_mean(factory, offered, otherwise)
        )
    if isinstance(made, nn.Module) or not callable(made):
        return made
    _check_arguments(made, path, factory)
    try:
        return made()
    except RAISED as error:
        raise ModelError(
            f"{path.name}:{factory} fails: {_told(error)}.", "Mend it, or name another factory."
        ) from error


def _check_arguments(made: Callable[..., Any], path: Path, factory: str) -> None:
    needed = required_arguments(made)
    if needed:
        raise ModelError(
            f"{path.name}:{factory} needs arguments: {', '.join(needed)}.",
            "Name a function without arguments that calls it with them.",
        )


def _makes_a_network(made: Any) -> bool:
    """Whether something may give a network as it is named, without arguments."""
    if isinstance(made, nn.Module):
        return True
    return not required_arguments(made) and (
        not isinstance(made, type) or issubclass(made, nn.Module)
    )


def _named_in(path: Path, names: Sequence[str]) -> str:
    """Say how to name a network of a file, and which there are."""
    first = f"Name a function or class of it: {path}:{names[0] if names else 'NAME'}"
    return f"{first}. There are {listed(names, 8)}." if len(names) > 1 else f"{first}."


def _offered(module: ModuleType) -> list[str]:
    """Return what the file itself defines and could give a network."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            isinstance(value, nn.Module)
            or (callable(value) and getattr(value, "__module__", None) == module.__name__)
        )
    ]


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {str(path.parent)!r} either; check the path."
    return did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")], "Check the path.")


def _told(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} in line {error.lineno}"
    return told(error)
