"""Which weights of a file are taken: under which key, and behind which prefix of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from cnnviz.results.text import listed

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "params_ema",
    "ema",
)
"""Keys under which training scripts keep the state_dict, in the order they are looked for."""

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""Prefixes that parallel, compiled and wrapped networks put before every name."""

State = dict[str, torch.Tensor]


class FileState(State):
    """A state as a file holds it: under which key, and under which others it holds such another."""

    taken = ""
    beside: tuple[str, ...] = ()


def unwrap(content: Any, depth: int = 3) -> FileState | None:
    """Return the state that a file holds, also under keys within one another; None without one."""
    if not isinstance(content, Mapping) or not content:
        return None
    for key in WRAPPERS if depth else ():
        found = unwrap(content.get(key), depth - 1)
        if found:
            others = {name: unwrap(held, depth - 1) for name, held in content.items()}
            names = _bare_names(found)
            beside = [n for n, other in others.items() if other and _bare_names(other) == names]
            if len(beside) > 1:
                found.taken, found.beside = key, tuple(str(n) for n in beside if n != key)
            return found
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    fits = all(isinstance(name, str) for name in tensors) and tensors
    return FileState(tensors) if fits else None


def _bare_names(state: State) -> set[str]:
    """Return the names of a state without the prefixes that all have, and what averages count."""
    names = {name: value for name, value in state.items() if name != "n_averaged"}
    while prefix := _common_prefix(names):
        names = {name.removeprefix(prefix): value for name, value in names.items()}
    return set(names)


def _common_prefix(state: State) -> str:
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return prefix
    return ""


def strip_prefixes(state: State, names: Iterable[str]) -> State:
    """Strip what all names of a state have in common with `PREFIXES`, if that fits better.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        The state as read.
    names : iterable of str
        The names in the network's own state_dict, which may carry such a prefix themselves.
    """
    known = set(names)
    best = state
    while prefix := _common_prefix(state):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
        if len(known & state.keys()) > len(known & best.keys()):
            best = state
    return best if known <= best.keys() else _part_of(best, known) or best


def _prefixes_of_all(state: State, known: set[str]) -> list[str]:
    """Return what stands before the names of a network, of each whole one in a state."""
    first = next(iter(known), "")
    prefixes = [name.removesuffix(first) for name in state if first and name.endswith(first)]
    return [
        prefix for prefix in prefixes if prefix and all(prefix + name in state for name in known)
    ]


def _part_of(state: State, known: set[str]) -> State | None:
    """Return the network among other things that were trained with it, such as a loss or a copy.

    A LightningModule saves everything it holds, each under the name of its attribute.
    """
    whole = _prefixes_of_all(state, known)
    usual = [prefix for prefix in whole if prefix in PREFIXES] or whole
    # Two that fit alike, such as a teacher and a student, are for the owner to choose from.
    return {name: state[usual[0] + name] for name in known} if len(usual) == 1 else None


def told_choice(state: State, known: set[str], file: str) -> tuple[str, ...]:
    """Say which of several sets of weights is taken; nothing where the file has one."""
    taken, beside = "", list[str]()
    if isinstance(state, FileState):
        taken, beside = state.taken, list(state.beside)
    whole = [] if known <= state.keys() else _prefixes_of_all(state, known)
    usual = [prefix for prefix in whole if prefix in PREFIXES]
    if len(whole) > 1 and len(usual) == 1:
        taken = usual[0].rstrip(".")
        beside += [prefix.rstrip(".") for prefix in whole if prefix not in usual]
    if not beside:
        return ()
    others = listed([repr(one) for one in beside], 3)
    return (f"of the weights in {file} those of {taken!r} were taken, and not those of {others}",)
