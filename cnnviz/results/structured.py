"""What others have written as JSON: read as a type, or refused with where it differs."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def decoded(data: bytes | str, kind: type[T]) -> T:
    """Return JSON as values of a type, such as a `msgspec.Struct`.

    Nothing is turned into another type on the way, but whole numbers into real ones. NaN, lone
    surrogates and numbers beyond the largest are refused, as JSON refuses them.

    Raises
    ------
    ValueError
        If it is no JSON, or of another type; the text says where.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no text") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(_told(str(error))) from None


def fitted(data: Any, kind: type[T]) -> T:
    """Return plain data, from TOML or by way of another reader, as values of a type.

    Raises
    ------
    ValueError
        If it is of another type; the text says where.
    """
    try:
        return msgspec.convert(data, type=kind)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(_told(str(error))) from None


def _told(text: str) -> str:
    """Return what msgspec says as a clause of a sentence.

    >>> _told("Expected `int`, got `str` - at `$.parameters`")
    'at parameters: expected `int`, got `str`'
    """
    what, _, where = text.partition(" - at ")
    clause = f"{what[:1].lower()}{what[1:]}" if not what.startswith("JSON") else what
    place = where.strip("`").removeprefix("$").removeprefix(".")
    return f"at {place}: {clause}" if place else clause
