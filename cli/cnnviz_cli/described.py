"""What the parameters of a function are, as plain data: from its signature and its docstring."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from cnnviz.bounds import bounds_of, resolved

SCALARS: dict[str, type] = {kind.__name__: kind for kind in (bool, int, float, str, Path)}
"""The types that one word of a command line can be, by name; a word is the first that it fits."""


class Kind(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the types that a parameter takes; exactly one of the first three is not empty.

    Attributes
    ----------
    scalar : str
        The name of a type in `SCALARS`.
    choices : tuple of str
        The words that there are to choose from.
    items : str
        Of a sequence the name of the type that it holds.
    length : int or None
        How many values a tuple has; None for a sequence of any length.
    """

    scalar: str = ""
    choices: tuple[str, ...] = ()
    items: str = ""
    length: int | None = None


class Bounds(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `cnnviz.bounds.Within` says of a number, and whether it has to be whole."""

    low: int | float
    high: int | float
    above: bool = False
    below: bool = False
    whole: bool = False


class Described(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter that a command line can give.

    Attributes
    ----------
    name : str
        Its name.
    kinds : tuple of Kind
        The types that it takes.
    optional : bool
        Whether it takes None.
    required : bool
        Whether it has no default.
    default : bool, int, float, str or None
        Its default; several values are one text with commas.
    help : str
        What the docstring says about it.
    bounds : Bounds, optional
        Those of a number.
    """

    name: str
    kinds: tuple[Kind, ...]
    optional: bool = False
    required: bool = False
    default: bool | int | float | str | None = None
    help: str = ""
    bounds: Bounds | None = None


def described(function: Callable[..., Any], skip: Sequence[str] = ()) -> tuple[Described, ...]:
    """Return every parameter of `function` that a command line can give.

    A parameter that only code can give, such as a callable or an array, is left out.

    Raises
    ------
    TypeError
        If a required parameter is one that a command line cannot give.
    """
    told = parameter_descriptions(inspect.getdoc(function) or "")
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in skip or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        members = _members(resolved(function, parameter.annotation))
        kinds = tuple(kind for kind in map(_kind, members) if kind is not None)
        required = parameter.default is parameter.empty
        if not kinds and required:
            raise TypeError(
                f"{function.__qualname__}: no option can be made for {name!r}, "
                f"which is required and annotated {parameter.annotation!r}"
            )
        if kinds:
            found.append(
                Described(
                    name,
                    kinds,
                    type(None) in members,
                    required,
                    None if required else _default(kinds, parameter.default),
                    told.get(name, ""),
                    _bounds(resolved(function, parameter.annotation)),
                )
            )
    return tuple(found)


def returned_type(function: Callable[..., Any]) -> Any:
    """Return the type that a function says it returns; None where it says none."""
    return resolved(function, inspect.signature(function).return_annotation)


def parameter_descriptions(docstring: str) -> dict[str, str]:
    """Return what the Parameters section of a numpydoc docstring says about each parameter."""
    section = re.search(
        r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", docstring, re.M | re.S
    )
    found: dict[str, str] = {}
    if section is None:
        return found
    for entry in re.split(r"^(?=\S)", section[1], flags=re.MULTILINE):
        head, _, body = entry.partition("\n")
        text = " ".join(body.split()).replace("``", "`")
        for name in head.partition(":")[0].split(","):
            if name.strip():
                found[name.strip()] = text
    return found


def _default(kinds: Sequence[Kind], default: Any) -> Any:
    """Return a default as a command line would give it."""
    if isinstance(default, (list, tuple)):
        return ",".join(map(str, default))
    if default is None or (len(kinds) == 1 and not kinds[0].items):
        return default
    return str(default)


def _bounds(annotation: Any) -> Bounds | None:
    said = bounds_of(annotation)
    if said is None:
        return None
    within, whole = said
    return Bounds(within.low, within.high, within.above, within.below, whole)


def _members(annotation: Any) -> list[Any]:
    """Return what a union is of; a type annotated with a table is the choice of its names."""
    if get_origin(annotation) is Annotated:
        bare, *extras = get_args(annotation)
        tables = [extra for extra in extras if isinstance(extra, Mapping)]
        return [_choice_of(tuple(tables[0]))] if tables else _members(bare)
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for member in get_args(annotation) for leaf in _members(member)]
    return [annotation]


def _choice_of(names: tuple[str, ...]) -> Any:
    literal: Any = Literal
    return literal[names]


def _kind(annotation: Any) -> Kind | None:
    """Return a type as plain data, or None where no command line can give it."""
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        texts = all(isinstance(choice, str) for choice in choices)
        return Kind(choices=choices) if texts else None
    if annotation in SCALARS.values():
        return Kind(scalar=annotation.__name__)
    item = _item(annotation)
    return None if item is None else Kind(items=item.__name__, length=_length(annotation))


def _item(annotation: Any) -> type | None:
    """Return the one scalar type that a sequence holds, or None for anything else."""
    origin = get_origin(annotation)
    if not (isinstance(origin, type) and issubclass(origin, Sequence)):
        return None
    kinds = {leaf for part in get_args(annotation) if part is not ... for leaf in _members(part)}
    for kind in (str, float, int):
        if kind in kinds:
            return kind
    return None


def _length(annotation: Any) -> int | None:
    """Return how many values a tuple has; None for a sequence of any length."""
    parts = get_args(annotation)
    return len(parts) if get_origin(annotation) is tuple and ... not in parts else None
