"""Of what type an argument has to be: said by its annotation, checked before any work begins."""

from __future__ import annotations

import operator
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cnnviz.errors import UsageError

_ARRAYS = ("ndarray", "Tensor")
"""Classes by name, since their packages are not imported for this."""
_SHOWN = 40
"""Letters of a value that are shown; of a longer one its type is told."""
_OWN_CHECKS = frozenset(
    {"self", "model", "models", "source", "capture", "image", "images", "photos", "data"}
)
"""Parameters that have sentences of their own, which say more of what they are."""


def check_type(name: str, annotation: Any, value: Any) -> None:
    """Raise a `UsageError` where a value is of none of the types that an annotation names.

    What cannot be told from an annotation, such as most protocols, is passed over.

    Parameters
    ----------
    name : str
        What the argument is called.
    annotation : Any
        Its annotation, resolved.
    value : Any
        What was given.
    """
    if name in _OWN_CHECKS or _fits(annotation, value):
        return
    wanted = list(dict.fromkeys(_names(annotation)))
    expected = ", ".join(wanted[:-1]) + (" or " if wanted[1:] else "") + wanted[-1]
    raise UsageError(f"{name} cannot be {_told(value)}.", f"Give {expected}.")


def lacks_capture(given: Mapping[str, Any]) -> bool:
    """Whether something else is given by name where a `Capture` is wanted."""
    kinds = type(given.get("capture")).__mro__
    return "capture" in given and all(kind.__name__ != "Capture" for kind in kinds)


def _fits(annotation: Any, value: Any) -> bool:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _fits(parts[0], value)
    if origin in (Union, types.UnionType):
        return any(_fits(part, value) for part in parts)
    if origin is Literal:
        return any(_fits(type(part), value) for part in parts)
    if annotation is Any:
        return True
    if annotation is None or annotation is type(None):
        return value is None
    plain = origin or annotation
    if plain is Callable:
        return callable(value)
    if not isinstance(plain, type):
        return True
    if getattr(plain, "_is_protocol", False):
        return "__call__" not in vars(plain) or callable(value)
    return _fits_class(plain, parts, value)


def _fits_class(plain: type, parts: tuple[Any, ...], value: Any) -> bool:
    if plain in _SCALARS:
        return _SCALARS[plain](value)
    if issubclass(plain, Mapping):
        return isinstance(value, Mapping)
    if issubclass(plain, Iterable) and plain.__module__ in ("builtins", "collections.abc"):
        return _fits_list(parts, value)
    if plain.__name__ in _ARRAYS:
        # Whatever an array can be made of, which is said where it is made.
        return hasattr(value, "__array__") or isinstance(value, (list, tuple))
    return isinstance(value, plain)


def _fits_list(parts: tuple[Any, ...], value: Any) -> bool:
    if isinstance(value, str):
        # One text stands for a list of it.
        return not parts or _fits(parts[0], "")
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        return False
    held = [part for part in parts if part is not Ellipsis]
    of_numbers = hasattr(value, "__array__") and str not in held
    if not isinstance(value, Collection) or of_numbers or not parts:
        return True
    return all(any(_fits(part, each) for part in held) for each in value)


def _is_truth(value: Any) -> bool:
    kind = type(value)
    # NumPy's by name: help and refusals import no package of numbers.
    return kind is bool or f"{kind.__module__}.{kind.__name__}" in ("numpy.bool", "numpy.bool_")


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_number(value: Any) -> bool:
    if isinstance(value, (str, bytes)):
        return False
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return isinstance(value, Real)
    return True


_SCALARS: Mapping[type, Callable[[Any], bool]] = {
    int: _is_whole,
    bool: lambda value: _is_truth(value) or _is_whole(value),
    float: _is_number,
    str: lambda value: isinstance(value, str),
    bytes: lambda value: isinstance(value, bytes),
    object: lambda value: True,
}
_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    bool: "True or False",
    float: "a number",
    str: "a text",
    type(None): "None",
}


def _names(annotation: Any) -> list[str]:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _names(parts[0])
    if origin in (Union, types.UnionType):
        return [name for part in parts for name in _names(part)]
    if origin is Literal:
        return [name for part in parts for name in _names(type(part))]
    plain = type(None) if annotation is None else origin or annotation
    if plain in _WORDS:
        return [_WORDS[plain]]
    function = getattr(plain, "__name__", "") == "Callable" or getattr(plain, "_is_protocol", False)
    if not isinstance(plain, type) or function:
        return ["a function"]
    if issubclass(plain, os.PathLike):
        return ["a path"]
    if plain.__name__ in _ARRAYS:
        return ["an array"]
    if issubclass(plain, Iterable) and plain.__module__ in ("builtins", "collections.abc"):
        held = [part for part in parts if part is not Ellipsis]
        inner = dict.fromkeys(name for part in held for name in _names(part))
        return ["a list" + (f" of {' or of '.join(map(_plural, inner))}" if inner else "")]
    return [f"a {plain.__name__}"]


def _plural(name: str) -> str:
    noun, of, rest = name.removeprefix("a ").removeprefix("an ").partition(" of ")
    if noun in ("True or False", "None"):
        return noun
    return f"{noun}{'es' if noun.endswith(('s', 'x')) else 's'}{of}{rest}"


def _told(value: Any) -> str:
    if value is None or isinstance(value, (str, Real)):
        written = repr(value)
        if len(written) <= _SHOWN:
            return written
    if type(value) in (list, tuple, dict, set):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"
