"""Read a file of weights without running anything in it, and fit it to a network."""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cnnviz.errors import CheckpointError, did_you_mean, nearest
from cnnviz.foreign_code import first_line
from cnnviz.models.torchscript_files import check_no_script
from cnnviz.models.weight_sets import FileState, State, strip_prefixes, told_choice, unwrap
from cnnviz.results.given_files import check_ordinary, no_file
from cnnviz.results.text import dimensions, itemised, kind_of, listed, plural

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")

_OPTIONS = ("meta", "hyper_parameters", "args", "config", "opt")
_CLASS_NAMES = (
    *("classes", "class_names", "categories", "names", "labels", "CLASSES"),
    *("idx_to_class", "id2label", "class_to_idx", "label2id"),
)

_NO_WEIGHTS: tuple[tuple[str, Callable[[torch.Tensor], bool]], ...] = (
    ("is on the meta device, which holds no numbers,", lambda value: value.is_meta),
    ("is sparse", lambda value: value.layout is not torch.strided),
)
"""What tensors of a state may be that can be copied into no network, as it is said of one."""


def read_state(path: Path) -> FileState:
    """Read a state_dict from a ``.safetensors`` file, or from one that torch saved.

    Torch files are read with ``weights_only=True``: nothing in them is executed. The state_dict may
    lie under one of the keys in `WRAPPERS`, also one within another.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, holds no weights, or holds pickled code.
    """
    if not path.is_file():
        raise CheckpointError(*no_file(path, _beside, "checkpoint"))
    if path.stat().st_size == 0:
        raise CheckpointError(f"The checkpoint {path.name} is empty.", "Copy it again.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    state = unwrap(content)
    if state is None:
        found = ", ".join(map(repr, list(content)[:5])) if isinstance(content, Mapping) else ""
        held = f"a dict with {found}" if found else kind_of(content)
        raise CheckpointError(
            f"The checkpoint {path.name} holds no state_dict but {held}.",
            "Save one with torch.save(model.state_dict(), path).",
        )
    return state


def class_names(path: Path) -> Any:
    """Return what a checkpoint says of its classes, for `read_categories`; None if nothing.

    Looked for are the usual keys, beside the weights or among the options kept with them.
    """
    if path.suffix == ".safetensors":
        return None
    content = _read_torch(path)
    if not isinstance(content, Mapping):
        return None
    inner = [content.get(key) for key in _OPTIONS]
    plain = [vars(one) if isinstance(one, argparse.Namespace) else one for one in inner]
    for held in (one for one in (content, *plain) if isinstance(one, Mapping)):
        for key in _CLASS_NAMES:
            names = _names_in(held.get(key))
            if names is not None:
                return names
    return None


def _names_in(found: Any) -> Any:
    if isinstance(found, Mapping) and all(isinstance(at, int) for at in found.values()):
        return {at: str(name) for name, at in found.items()}
    if isinstance(found, Mapping):
        return found if _texts(found.values()) else None
    return found if isinstance(found, (list, tuple)) and _texts(found) else None


def _texts(values: Iterable[Any]) -> bool:
    texts = list(values)
    return bool(texts) and all(isinstance(text, str) for text in texts)


def read_cached(path: Path) -> None:
    """Make sure that a downloaded file holds weights alone before another library opens it.

    torch.hub would run whatever is pickled in a file of its cache.

    Raises
    ------
    CheckpointError
        It does not, or is damaged.
    """
    try:
        read_state(path)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error.what} It lies in {path.parent}.", "Delete it to have it downloaded again."
        ) from error


def mismatches(module: nn.Module, state: State) -> dict[str, tuple[torch.Size, torch.Size]]:
    """Return the names whose shapes differ, with the shape in the network and in the file."""
    own = {name: value for name, value in _own(module).items() if hasattr(value, "shape")}
    return {
        name: (own[name].shape, state[name].shape)
        for name in own.keys() & state.keys()
        if not is_lazy(own[name]) and own[name].shape != state[name].shape
    }


def load_state(module: nn.Module, state: State, network: str, file: str) -> tuple[str, ...]:
    """Copy a state into a network that this package built.

    Returns
    -------
    tuple of str
        A note where the file holds several that fit, as averages of the weights beside them.

    Raises
    ------
    CheckpointError
        Shapes differ, or names are missing or left over; the sentence counts them and gives the
        first ones with the nearest names.
    """
    told = told_choice(state, set(_own(module)), file)
    state = strip_prefixes(state, _own(module))
    different = mismatches(module, state)
    if different:
        ordered = [name for name in _own(module) if name in different]
        shapes = [
            f"{name} is {_by(different[name][1])} in the file and {_by(different[name][0])} in the "
            "network"
            for name in ordered
        ]
        raise CheckpointError(
            f"{plural(len(ordered), 'tensor')} of {file} {_has(ordered)} another shape than in "
            f"{network}: {itemised(shapes, 3)}.",
            "Use the network, and its number of classes, that the checkpoint was made for.",
        )
    _check_kinds(module, state, network, file)
    try:
        outcome = module.load_state_dict(state, strict=False)
    except Exception as error:
        raise CheckpointError(
            f"{file} cannot be loaded into {network}: {first_line(error)}.",
            "Use the network that the checkpoint was made for.",
        ) from error
    if outcome.missing_keys or outcome.unexpected_keys:
        raise _names_error(outcome.missing_keys, outcome.unexpected_keys, network, file)
    return told


def _check_kinds(module: nn.Module, state: State, network: str, file: str) -> None:
    """Refuse what torch would turn into other numbers, or into none: quantised, complex, sparse."""
    for name in (name for name in _own(module) if name in state):
        for lacking, holds in _NO_WEIGHTS:
            if holds(state[name]):
                raise CheckpointError(
                    f"{file} cannot be loaded into {network}: {name} {lacking} in the file.",
                    "Save the weights as plain tensors, from a network that holds them.",
                )
    other = [
        name
        for name, value in _own(module).items()
        if isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and name in state
        and not state[name].is_floating_point()
    ]
    if other:
        kind = str(state[other[0]].dtype).removeprefix("torch.")
        raise CheckpointError(
            f"{plural(len(other), 'tensor')} of {file} cannot be weights of {network}: "
            f"{other[0]} is {kind} in the file and floating-point in the network.",
            "Save the weights as floating-point numbers, before any quantisation.",
        )


def not_finite(module: nn.Module) -> tuple[str, ...]:
    """Return a note if weights hold NaN or infinity, and nothing otherwise."""
    bad = [
        name
        for name, value in module.named_parameters()
        if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    if not bad:
        return ()
    return (f"{plural(len(bad), 'tensor')} of weights not finite: {listed(bad, 3)}",)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        check_ordinary(path)
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} is not a readable safetensors file: {first_line(error)}.",
            "Copy or save it again.",
        ) from error


def _read_torch(path: Path) -> Any:
    try:
        check_ordinary(path)
        check_no_script(path)
        # Mapping the file spares a copy of it; the old format cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        # Many training scripts keep their options beside the weights; a Namespace is plain data.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except Exception as error:  # damage surfaces as almost any exception
        raise _unreadable(path, first_line(error)) from error


def _unreadable(path: Path, detail: str) -> CheckpointError:
    said = f" ({detail.strip().rstrip('.:')})" if detail.strip() else ""
    return CheckpointError(
        f"{path.name} is no checkpoint of torch, or is damaged{said}.",
        "Copy it again, or save one with torch.save(model.state_dict(), path).",
    )


def _refused(path: Path, error: Exception) -> CheckpointError:
    found = re.search(r"(?:GLOBAL|class) ([\w.]+)", str(error))
    if found is None:
        said = str(error).partition("WeightsUnpickler error:")[2].strip().splitlines()
        return _unreadable(path, said[0] if said else "")
    return CheckpointError(
        f"{path.name} holds pickled Python objects ({found[1]}), not only weights, and is not "
        "opened because opening it would run their code.",
        "Where it comes from, save the weights alone: torch.save(model.state_dict(), path).",
    )


def _own(module: nn.Module) -> dict[str, Any]:
    return dict(module.state_dict(keep_vars=True))


def _names_error(
    missing: list[str], unexpected: list[str], network: str, file: str
) -> CheckpointError:
    parts = []
    if missing:
        parts.append(f"lacks {plural(len(missing), 'tensor')} of {network} ({listed(missing, 3)})")
    if unexpected:
        parts.append(
            f"has {plural(len(unexpected), 'tensor')} that {network} does not know "
            f"({listed(unexpected, 3)})"
        )
    remedy = "Use the network that the checkpoint was made for."
    if missing and unexpected:
        close = nearest(missing[0], unexpected, 1)
        if close:
            remedy = (
                f"Nearest to the network's {missing[0]!r} is {close[0]!r} in the file. {remedy}"
            )
    return CheckpointError(f"{file} {' and '.join(parts)}.", remedy)


def _beside(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either; check the path."
    names = [entry.name for entry in folder.iterdir() if entry.suffix in SUFFIXES]
    return did_you_mean(path.name, names, "Check the path.")


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _by(shape: torch.Size) -> str:
    return dimensions(shape) or "a single number"
