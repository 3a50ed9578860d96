"""Write the JSON Schema of results and reports from the code: `cnnviz/results/schema.json`.

    python docs/json_schema.py

What a kind of result holds is read off the annotations of its class, and what each of that is off
its docstring; so is the list at the end of `docs/json.md`. A test fails where one is out of date.
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from cnnviz.evaluation.classifier import ClassifierEvaluation
from cnnviz.evaluation.mistakes import ErrorAnalysis
from cnnviz.evaluation.result import Evaluation
from cnnviz.gradients.monitor.run import TrainingRun
from cnnviz.heatmaps import settings
from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS
from cnnviz.images import Refusal
from cnnviz.reports import content
from cnnviz.reports.report_json import SCHEMA as REPORT
from cnnviz.results.json_values import EXACT, INLINE, REFERENCE, pretty
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import RESULT_SCHEMA, Result
from cnnviz.results.table import TableResult
from cnnviz.views import VIEWS, View
from cnnviz.views.faithfulness import Faithfulness
from cnnviz.views.predictions import PredictedBoxes

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "cnnviz" / "results" / "schema.json"
PAGE = ROOT / "docs" / "json.md"
LIST = "## Every result\n"
"""The heading of the page from which on it is written by this script."""
HEAD = {"schema", "infinite", "npz"}
"""The keys of a document that a result inside another one, or in a report, goes without."""
ARRAYS = {"f": "numbers", "c": "numbers", "i": "integers", "u": "integers", "b": "booleans"}

FURTHER: dict[type[Result], str] = {
    PredictedBoxes: "predictions",
    Evaluation: "evaluate",
    ErrorAnalysis: "errors",
    ClassifierEvaluation: "evaluate-classifier",
    TrainingRun: "training-report",
}
"""The kinds that no function of the table of views is annotated with, and their commands."""

Schema = dict[str, Any]


def kinds() -> dict[str, type[Result]]:
    """Return every kind of result by its name, that of a view under the name of its function."""
    found = [kind for view in VIEWS for kind in _returned(view)]
    return {kind.__name__: kind for kind in [*found, *FURTHER]}


def _returned(view: View) -> tuple[type[Result], ...]:
    """Return the kinds of result that the function of a view is annotated with."""
    found = _hints(view.function())["return"]
    return get_args(found) or (found,)


def _hints(of: Any) -> dict[str, Any]:
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
            return _either([self.of(one) for one in arguments])
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is np.ndarray:
            number = get_args(arguments[1])[0]
            return _reference_to(ARRAYS[np.dtype(number).kind])
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
            return _either([self.of(one) for one in kind.__subclasses__()])
        if kind.__name__ not in self.definitions:
            self.definitions[kind.__name__] = {}
            found = _object(*self._properties(kind))
            said = (inspect.getdoc(kind) or "").partition("\n")[0]
            self.definitions[kind.__name__] = {"description": said, **found}
        return _reference_to(kind.__name__)

    def _properties(self, kind: type) -> tuple[dict[str, Schema], list[str]]:
        """Return the schema of everything that stands in the JSON of a type, and what is always."""
        written = getattr(kind, "to_json", None)
        if not issubclass(kind, Result) and written and is_typeddict(_hints(written)["return"]):
            kind = _hints(written)["return"]
        found = {}
        for name, annotation, said in members(kind):
            found[name] = {**self.of(annotation), **({"description": said} if said else {})}
        always = list(found)
        if issubclass(kind, Result):
            own = {name: _reference_to(name) for name in ("infinite", "npz")}
            own |= {"schema": {"const": RESULT_SCHEMA}, "view": {"const": kind.__name__}}
            own |= {"summary": {"type": "string"}, "caption": {"type": "string"}}
            found = {**own, **found}
            if issubclass(kind, TableResult):
                found["table"] = _reference_to("table")
            # What is around a result inside another one says these already.
            always = [name for name in found if name not in {*HEAD, "caption", "provenance"}]
        return found, always


def members(kind: type) -> Iterator[tuple[str, Any, str]]:
    """Yield name, annotation and description of everything that the JSON has of a type.

    Of a result that is what it holds besides what every result has.
    """
    told, hints = documented(kind), _hints(kind)
    if not is_dataclass(kind):
        yield from (
            (name, one, told.get(name, "")) for name, one in hints.items() if name[0] != "_"
        )
        return
    left_out = getattr(kind, "left_out", ())
    for entry in fields(kind):
        if entry.name not in left_out:
            yield entry.name, hints[entry.name], told.get(entry.name, "")
    derived = getattr(kind, "derived", ())
    for name in (*derived, *(MEASURE_GROUPS if issubclass(kind, Faithfulness) else ())):
        member = getattr(kind, name)
        function: Callable[..., Any] = member
        if isinstance(member, (property, cached_property)):
            function = member.fget if isinstance(member, property) else member.func
        said = (inspect.getdoc(function) or "").partition("\n")[0].removeprefix("Return ")
        yield name, _hints(function)["return"], said[:1].upper() + said[1:]


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


def _either(several: list[Schema]) -> Schema:
    return {"anyOf": [one for place, one in enumerate(several) if one not in several[:place]]}


def _reference_to(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _nested(name: str, leaf: Schema) -> Schema:
    lists = {"type": "array", "items": _reference_to(name)}
    return _either([leaf, lists, _reference_to("reference")])


_TEXT: Schema = {"type": "string"}
_PLAIN: dict[Any, Schema] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: _reference_to("integer"),
    float: _reference_to("number"),
    type(None): {"type": "null"},
    Any: {},
}
_COMMON: dict[str, Schema] = {
    "number": {
        "description": "A number; null is NaN, or infinity where `infinite` says so.",
        "type": ["number", "null"],
    },
    "integer": {
        "description": "A whole number; beyond 2^53 - 1 the text of its digits.",
        "anyOf": [
            {"type": "integer", "minimum": -EXACT, "maximum": EXACT},
            {"type": "string", "pattern": r"^-?[0-9]{16,}$"},
        ],
    },
    "numbers": {
        "description": "An array of numbers, a list for each axis; or a reference.",
        **_nested("numbers", _reference_to("number")),
    },
    "integers": {
        "description": "An array of whole numbers, a list for each axis; or a reference.",
        **_nested("integers", _reference_to("integer")),
    },
    "booleans": {
        "description": "An array of truth values, a list for each axis; or a reference.",
        **_nested("booleans", {"type": "boolean"}),
    },
    "reference": {
        "description": f"An array of more than {INLINE} values, which is in a file beside this.",
        **_object(
            {
                "array": {"description": "Its name in the file.", **_TEXT},
                "file": {
                    "description": "The .npz, beside this file; null where none was written.",
                    "type": ["string", "null"],
                },
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "dtype": {"description": "The type of its values as NumPy names it.", **_TEXT},
                "min": {"description": "Its least finite value.", **_reference_to("extreme")},
                "max": {"description": "Its greatest finite value.", **_reference_to("extreme")},
            },
            sorted(REFERENCE),
        ),
    },
    "extreme": _either([_reference_to("number"), _reference_to("integer"), {"type": "boolean"}]),
    "infinite": {
        "description": "The JSON pointer of each null that stands for infinity.",
        "type": "object",
        "additionalProperties": {"enum": ["inf", "-inf"]},
    },
    "npz": {
        "description": "The file that holds the large arrays.",
        **_object({"file": _TEXT, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}, []),
    },
    "table": {
        "description": "The result as a table: named columns with units, and rows of values.",
        **_object(
            {
                "columns": {
                    "type": "array",
                    "items": _object({"name": _TEXT, "unit": _TEXT}, ["name", "unit"]),
                },
                "rows": {
                    "type": "array",
                    "items": {
                        "type": "array",
                        "items": {"type": ["string", "number", "boolean", "null"]},
                    },
                },
            },
            ["columns", "rows"],
        ),
    },
}


def _texts() -> Schema:
    return {"type": "array", "items": _TEXT}


def _report(schemas: Schemas) -> Schema:
    """Return the schema of ``report.json``; the numbers of a picture are those of a result."""
    whole: Schema = {"type": "integer", "minimum": 0}
    picture = {
        **dict.fromkeys(("file", "title", "caption", "alt"), _TEXT),
        **dict.fromkeys(("width", "height"), whole),
        "data": {"type": "object", **_reference_to("by_view")},
    }
    schemas.definitions["picture"] = _object(picture, list(picture))
    one = _reference_to("picture")
    image = {
        **dict.fromkeys(("name", "output", "target"), _TEXT),
        "guesses": {"type": "array", "items": schemas.of(content.PredictedClass)},
        "notes": _texts(),
        "photo": one,
        "overlay": _either([one, {"type": "null"}]),
    }
    section = {
        **dict.fromkeys(("key", "title", "anchor"), _TEXT),
        "image": {"type": ["string", "null"]},
        **{name: _texts() for name in ("lead", "notes")},
        "pictures": {"type": "array", "items": one},
        "tables": {"type": "array", "items": schemas.of(content.Table)},
    }
    needed = list(section)
    wrong = {"type": "object", "properties": {"picture": one}, "required": ["picture"]}
    section["answers"] = {"type": "array", "items": wrong}
    file = {"path": _TEXT, "bytes": whole, "sha256": _TEXT}
    found = {
        "schema": {"const": REPORT},
        "format": {"const": "cnnviz report"},
        "created": _TEXT,
        **{
            name: {"type": "object", "additionalProperties": _TEXT}
            for name in ("versions", "facts")
        },
        "provenance": schemas.of(Provenance),
        "notes": _texts(),
        "images": {"type": "array", "items": _object(image, list(image))},
        "refused": {"type": "array", "items": schemas.of(Refusal)},
        "sections": {"type": "array", "items": _object(section, needed)},
        "seconds": {"type": "object", "additionalProperties": {"type": "number"}},
        "files": {"type": "array", "items": _object(file, list(file))},
    }
    told = {"infinite": _reference_to("infinite")}
    return {"description": "report.json.", **_object({**found, **told}, list(found))}


def schema() -> Schema:
    """Return the whole schema: a result, or a report."""
    schemas = Schemas()
    for kind in kinds().values():
        schemas.of(kind)
    open_ = schemas.definitions["Faithfulness"]
    # A package may bring a measure of its own, which stands under its name.
    del open_["additionalProperties"]
    report = _report(schemas)
    by_view = [
        {
            "if": {"properties": {"view": {"const": name}}, "required": ["view"]},
            "then": _reference_to(name),
        }
        for name in kinds()
    ]
    needed = ["schema", "view", "summary", "caption", "provenance"]
    texts = dict.fromkeys(("view", "summary", "caption"), _TEXT)
    definitions = {
        **_COMMON,
        "result": {
            "description": "What `save` writes as .json, and `cnnviz VIEW --json` prints.",
            "type": "object",
            "properties": {
                "schema": {"const": RESULT_SCHEMA},
                "infinite": _reference_to("infinite"),
                "npz": _reference_to("npz"),
                "provenance": schemas.of(Provenance),
                **texts,
            },
            "required": needed,
            **_reference_to("by_view"),
        },
        "report": report,
        "by_view": {
            "description": "What a result holds follows from its view; others may be added.",
            "allOf": by_view,
        },
        **schemas.definitions,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:cnnviz:json:1",
        "title": "What cnnviz writes as JSON",
        "oneOf": [_reference_to("result"), _reference_to("report")],
        "$defs": dict(sorted(definitions.items(), key=lambda item: item[0].lower())),
    }


def listed() -> str:
    """Return the list of the page: what every kind of result holds, in Markdown."""
    functions = {kind.__name__: view.command for view in VIEWS for kind in _returned(view)}
    functions |= {kind.__name__: command for kind, command in FURTHER.items()}
    parts = []
    for name, kind in kinds().items():
        said = (inspect.getdoc(kind) or "").partition("\n")[0]
        lines = [f"### {name}\n", f"`cnnviz {functions[name]}`. {said}\n", "| key | what it is |"]
        lines.append("|---|---|")
        rows = [(key, what) for key, _, what in members(kind) if key != "provenance"]
        if issubclass(kind, TableResult):
            rows.append(("table", "The table, as in its `.csv`."))
        lines += [f"| `{key}` | {_cell(what)} |" for key, what in rows]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


def page() -> str:
    """Return the page with its list made anew."""
    return PAGE.read_text("utf-8").partition(LIST)[0] + LIST + "\n" + listed()


def main() -> None:
    """Write both."""
    TARGET.write_text(pretty(schema()), "utf-8", newline="\n")
    PAGE.write_text(page(), "utf-8", newline="\n")
    sys.stdout.write(f"{TARGET}\n{PAGE}\n")


if __name__ == "__main__":
    main()
