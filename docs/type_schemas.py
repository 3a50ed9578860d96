"""JSON Schema of types, read off their annotations and docstrings, for `json_schema.py`."""

from __future__ import annotations

import enum
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from cnnviz.heatmaps import settings
from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS
from cnnviz.results.result import RESULT_SCHEMA, Result
from cnnviz.results.table import TableResult
from cnnviz.views.faithfulness import Faithfulness

Schema = dict[str, Any]

HEAD = {"schema", "infinite", "npz"}
"""The keys of a document that a result inside another one, or in a report, goes without."""
ARRAYS = {"f": "numbers", "c": "numbers", "i": "integers", "u": "integers", "b": "booleans"}


def hints(of: Any) -> dict[str, Any]:
    """Return the annotations of a class or function; names that only type checkers import, too."""
    known = {"MapSettings": settings.MapSettings}
    return get_type_hints(of, localns=known)


class Schemas:
    """The definitions that the schema of a type needs, each by its name."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of an annotation.

        Raises
        ------
        TypeError
            If no JSON follows from it.
        """
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return either([self.of(one) for one in arguments])
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is np.ndarray:
            number = get_args(arguments[1])[0]
            return reference_to(ARRAYS[np.dtype(number).kind])
        if origin is tuple:
            return self._tuple(arguments)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return {"enum": [one.value for one in kind]}
        if isinstance(kind, type):
            return self._named(kind)
        raise TypeError(f"What {kind} is in JSON is not known.")

    def _tuple(self, arguments: tuple[Any, ...]) -> Schema:
        if arguments[-1] is Ellipsis:
            return {"type": "array", "items": self.of(arguments[0])}
        places = [self.of(one) for one in arguments]
        count = len(places)
        return {"type": "array", "prefixItems": places, "minItems": count, "maxItems": count}

    def _named(self, kind: type) -> Schema:
        if kind.__subclasses__() and is_dataclass(kind) and not issubclass(kind, Result):
            return either([self.of(one) for one in kind.__subclasses__()])
        if kind.__name__ not in self.definitions:
            self.definitions[kind.__name__] = {}
            found = object_of(*self._properties(kind))
            said = (inspect.getdoc(kind) or "").partition("\n")[0]
            self.definitions[kind.__name__] = {"description": said, **found}
        return reference_to(kind.__name__)

    def _properties(self, kind: type) -> tuple[dict[str, Schema], list[str]]:
        """Return the schema of everything that stands in the JSON of a type, and what is always."""
        written = getattr(kind, "to_json", None)
        if not issubclass(kind, Result) and written and is_typeddict(hints(written)["return"]):
            kind = hints(written)["return"]
        found = {}
        for name, annotation, said in members(kind):
            found[name] = {**self.of(annotation), **({"description": said} if said else {})}
        always = list(found)
        if issubclass(kind, Result):
            own = {name: reference_to(name) for name in ("infinite", "npz")}
            own |= {"schema": {"const": RESULT_SCHEMA}, "view": {"const": kind.__name__}}
            own |= {"summary": {"type": "string"}, "caption": {"type": "string"}}
            found = {**own, **found}
            if issubclass(kind, TableResult):
                found["table"] = reference_to("table")
            # What is around a result inside another one says these already.
            always = [name for name in found if name not in {*HEAD, "caption", "provenance"}]
        return found, always


def members(kind: type) -> Iterator[tuple[str, Any, str]]:
    """Yield name, annotation and description of everything that the JSON has of a type.

    Of a result that is what it holds besides what every result has.
    """
    told, annotated = documented(kind), hints(kind)
    if not is_dataclass(kind):
        yield from (
            (name, one, told.get(name, "")) for name, one in annotated.items() if name[0] != "_"
        )
        return
    left_out = getattr(kind, "left_out", ())
    for entry in fields(kind):
        if entry.name not in left_out:
            yield entry.name, annotated[entry.name], told.get(entry.name, "")
    derived = getattr(kind, "derived", ())
    for name in (*derived, *(MEASURE_GROUPS if issubclass(kind, Faithfulness) else ())):
        member = getattr(kind, name)
        function: Callable[..., Any] = member
        if isinstance(member, (property, cached_property)):
            function = member.fget if isinstance(member, property) else member.func
        said = (inspect.getdoc(function) or "").partition("\n")[0].removeprefix("Return ")
        yield name, hints(function)["return"], said[:1].upper() + said[1:]


def documented(kind: type) -> dict[str, str]:
    """Return what the Attributes section of a numpydoc docstring says of each attribute."""
    found: dict[str, str] = {}
    for base in reversed(kind.__bases__):
        found |= documented(base)
    text = inspect.cleandoc(vars(kind).get("__doc__") or "")
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", text, re.M | re.S)
    for entry in re.split(r"^(?=\S)", section[1] if section else "", flags=re.MULTILINE):
        names, _, body = entry.partition(" : ")
        said = " ".join(body.partition("\n")[2].split())
        found.update({name.strip(): said for name in names.split(",")})
    return found


def either(several: list[Schema]) -> Schema:
    """Return the schema of what fits one of several, of which equal ones count once."""
    return {"anyOf": [one for place, one in enumerate(several) if one not in several[:place]]}


def reference_to(name: str) -> Schema:
    """Return the schema that refers to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def object_of(properties: dict[str, Schema], required: list[str]) -> Schema:
    """Return the schema of an object that has these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


TEXT: Schema = {"type": "string"}
_PLAIN: dict[Any, Schema] = {
    str: TEXT,
    bool: {"type": "boolean"},
    int: reference_to("integer"),
    float: reference_to("number"),
    type(None): {"type": "null"},
    Any: {},
}
