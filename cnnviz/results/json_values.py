"""Values as JSON holds them: every number as itself, large arrays by reference to a file.

`docs/json.md` has the rules.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.text import kind_of

INLINE = 4096
"""The most values of an array that stand in the JSON themselves."""
EXACT = 2**53 - 1
"""The largest whole number that every reader of JSON holds exactly (RFC 7493)."""

REFERENCE = {"array", "file", "shape", "dtype", "min", "max"}
"""What a reference to a large array has: its name in the file, and what is to be known of it."""
Keys = tuple[str | int, ...]
"""The keys and indices that lead to a value."""


class JsonValues:
    """Turns values into what JSON can hold, and collects the arrays that are too large for it.

    Parameters
    ----------
    named : mapping of str to ndarray, optional
        The names of arrays; others are named after the place at which they are met.
    file : str, optional
        The name of the file that holds the large arrays; None where none does.
    by_name : bool
        Whether a number that is not finite becomes its name, which `float` reads, instead of null.

    Attributes
    ----------
    file : str or None
        The name of the file that holds the large arrays.
    arrays : dict of str to ndarray
        The large arrays that were met, by their names in the file.
    infinite : dict of str to str
        The JSON pointer (RFC 6901) of each null that stands for infinity: "inf" or "-inf".
    """

    def __init__(
        self,
        named: Mapping[str, NDArray[Any]] | None = None,
        file: str | None = None,
        *,
        by_name: bool = False,
    ) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.infinite: dict[str, str] = {}
        self._named = dict(named or {})
        self._names = {id(array): name for name, array in self._named.items()}
        self._taken = set(self._named)
        self.file = file
        self._by_name = by_name

    def plain(self, value: Any, at: Keys = ()) -> Any:
        """Return a value as plain data.

        Parameters
        ----------
        value : object
            Numbers, texts, arrays, tensors, dataclasses, results, mappings and sequences of these.
        at : tuple
            The keys and indices that lead to it.

        Raises
        ------
        TypeError
            If there is something in it that is none of these.
        """
        if value is None or isinstance(value, (bool, np.bool_)):
            return None if value is None else bool(value)
        if isinstance(value, Enum):
            return self.plain(value.value, at)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, (int, float, complex, np.number)):
            return self._number(value, at)
        if isinstance(value, Mapping):
            return self._mapping(value, at)
        if isinstance(value, np.ndarray):
            return self._array(value, at) if value.ndim else self.plain(value[()], at)
        bare = _bare(value)
        if bare is not value:
            return self.plain(bare, at)
        if isinstance(value, (list, tuple)):
            return [self.plain(entry, (*at, place)) for place, entry in enumerate(value)]
        raise TypeError(f"{_pointer(at) or 'This'} is {kind_of(value)}, not data.")

    def _number(self, value: Any, at: Keys) -> Any:
        if isinstance(value, (int, np.integer)):
            whole = int(value)
            return whole if abs(whole) <= EXACT else str(whole)
        if isinstance(value, (complex, np.complexfloating)):
            parts = {"real": value.real, "imag": value.imag}
            return {name: self._number(part, (*at, name)) for name, part in parts.items()}
        number = float(value)
        if np.isfinite(number):
            return number
        if self._by_name:
            return str(number)
        if not np.isnan(number):
            self.infinite[_pointer(at)] = str(number)
        return None

    def _mapping(self, value: Mapping[Any, Any], at: Keys) -> Any:
        names = [_name(key) for key in value]
        if None in names or len(set(names)) < len(names):
            return self.plain(list(value.items()), at)
        pairs = zip(names, value.values(), strict=True)
        return {str(name): self.plain(entry, (*at, str(name))) for name, entry in pairs}

    def _array(self, array: NDArray[Any], at: Keys) -> Any:
        if array.dtype.names:
            return self._mapping({name: array[name] for name in array.dtype.names}, at)
        stored = storable(array)
        if array.size > INLINE and stored.dtype.kind != "O":
            return self._reference(self._names.get(id(array)), stored, at)
        if stored.dtype.kind == "c":
            parts = {"real": stored.real, "imag": stored.imag}
            return {name: self._array(part, (*at, name)) for name, part in parts.items()}
        if stored.dtype.kind == "f" and stored.dtype.itemsize > 8:
            stored = stored.astype(np.float64)
        values = stored.tolist()
        # What JSON holds as it is need not be looked at value by value.
        return values if _is_plain(stored) else self.plain(values, at)

    def _reference(self, name: str | None, array: NDArray[Any], at: Keys) -> dict[str, Any]:
        key = name if name is not None else self._new_name(at)
        self.arrays[key] = array
        low, high = _range(array)
        return {
            "array": key,
            "file": self.file,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "min": low,
            "max": high,
        }

    def _new_name(self, at: Keys) -> str:
        name = ".".join(map(str, at)) or "array"
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name


def plain(value: Any, *, by_name: bool = False) -> Any:
    """Return a value as plain data, without what says where its large arrays are.

    Parameters
    ----------
    value : object
        What `JsonValues.plain` takes.
    by_name : bool
        Whether a number that is not finite becomes its name, which `float` reads, instead of null.
    """
    return JsonValues(by_name=by_name).plain(value)


def references(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every reference to a large array in plain data."""
    if isinstance(data, dict) and data.keys() == REFERENCE:
        yield data
    elif isinstance(data, (dict, list)):
        for one in data.values() if isinstance(data, dict) else data:
            yield from references(one)


def fields_and_derived(value: Any) -> dict[str, Any]:
    """Return what JSON holds of a dataclass: its fields, and properties that it names.

    Its class may name in ``left_out`` fields that stay out, and in ``derived`` properties, or
    methods without arguments, that stand there besides.
    """
    left_out = getattr(value, "left_out", ())
    kept = [entry.name for entry in fields(value) if entry.name not in left_out]
    derived = {name: getattr(value, name) for name in getattr(value, "derived", ())}
    return {
        **{name: getattr(value, name) for name in kept},
        **{name: one() if callable(one) else one for name, one in derived.items()},
    }


def storable(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as ``.npz`` and JSON can hold it, with the same values.

    Masked values become NaN, bytes text, dates text, and numbers that NumPy itself does not know,
    such as bfloat16, float32.
    """
    if isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.float64), np.nan)
    if array.dtype.kind == "V" and not array.dtype.names:
        return array.astype(np.float32)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "backslashreplace")
    return array.astype(str) if array.dtype.kind in "mM" else array


def pretty(data: Any) -> str:
    """Return plain data as JSON text, a list of plain values on one line.

    Letters stay letters; half of a surrogate pair, as in names of files that are no text, is
    written as JSON writes it.
    """
    text = "\n".join(_lines(data, 0))
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def _lines(data: Any, depth: int) -> list[str]:
    several = list(data.values()) if isinstance(data, dict) else data
    flat = not isinstance(several, list) or not any(isinstance(x, (dict, list)) for x in several)
    if flat and not (isinstance(data, dict) and data):
        return [json.dumps(data, ensure_ascii=False, allow_nan=False)]
    pad = " " * (depth + 1)
    heads = [""] * len(data)
    if isinstance(data, dict):
        heads = [f"{json.dumps(key, ensure_ascii=False)}: " for key in data]
    parts = [_lines(one, depth + 1) for one in several]
    for place, (head, part) in enumerate(zip(heads, parts, strict=True)):
        part[0] = f"{pad}{head}{part[0]}"
        part[-1] += "," if place < len(parts) - 1 else ""
    opening, closing = "{}" if isinstance(data, dict) else "[]"
    return [opening, *(line for part in parts for line in part), " " * depth + closing]


def _bare(value: Any) -> Any:
    """Return what a value is made of: a mapping, sequence, array, number or text; or itself."""
    if hasattr(value, "contents"):
        return value.contents()
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return fields_and_derived(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, np.generic):
        return _of_scalar(value)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _of_tensor(value)
    return _of_another_kind(value)


def _of_another_kind(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return value


def _of_scalar(value: np.generic) -> Any:
    """Return a scalar of NumPy that is neither number, text nor truth value."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return None if np.isnat(value) else str(value)
    if value.dtype.names:
        return {name: value[name] for name in value.dtype.names}  # type: ignore[index]
    return float(value) if value.dtype.kind == "V" else value.item()


def _of_tensor(value: Any) -> NDArray[Any]:
    """Return a tensor of any kind as an array with the same values."""
    bare = value.detach()
    if bare.is_quantized:
        bare = bare.dequantize()
    bare = bare.to_dense().cpu().resolve_conj().resolve_neg()
    try:
        found: NDArray[Any] = bare.numpy()
    except TypeError:  # a type that NumPy does not know, such as bfloat16
        found = (bare.cfloat() if bare.is_complex() else bare.float()).numpy()
    return found


def _name(key: Any) -> str | None:
    """Return a key as JSON has it: text, or the digits of a whole number; None for any other."""
    if isinstance(key, Enum):
        return _name(key.value)
    if isinstance(key, str):
        return str(key)
    whole = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
    return str(int(key)) if whole else None


def _pointer(at: Sequence[str | int]) -> str:
    return "".join(f"/{str(one).replace('~', '~0').replace('/', '~1')}" for one in at)


def _is_plain(array: NDArray[Any]) -> bool:
    if array.dtype.kind == "f":
        return bool(np.isfinite(array).all())
    if array.dtype.kind in "iu":
        return not array.size or -EXACT <= int(array.min()) <= int(array.max()) <= EXACT
    return array.dtype.kind in "bU"


def _range(array: NDArray[Any]) -> tuple[Any, Any]:
    """Return the least and the greatest finite value; None where there is none."""
    if array.dtype.kind not in "biuf":
        return None, None
    finite = array[np.isfinite(array)]
    values = JsonValues()
    return (values.plain(finite.min()), values.plain(finite.max())) if finite.size else (None, None)
