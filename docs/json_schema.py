"""Write the JSON Schema of results and reports from the code: `cnnviz/results/schema.json`.

    python docs/json_schema.py

What a kind of result holds is read off the annotations of its class, and what each of that is off
its docstring; so is the list at the end of `docs/json.md`. A test fails where one is out of date.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import get_args

from cnnviz.evaluation.classifier import ClassifierEvaluation
from cnnviz.evaluation.mistakes import ErrorAnalysis
from cnnviz.evaluation.result import Evaluation
from cnnviz.gradients.monitor.run import TrainingRun
from cnnviz.images import Refusal
from cnnviz.reports import content
from cnnviz.reports.report_json import SCHEMA as REPORT
from cnnviz.results.json_values import EXACT, INLINE, REFERENCE, pretty
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import RESULT_SCHEMA, Result
from cnnviz.results.table import TableResult
from cnnviz.views import VIEWS, View
from cnnviz.views.predictions import PredictedBoxes, PredictedMaps

sys.path.insert(0, str(Path(__file__).resolve().parent))
from type_schemas import (
    TEXT,
    Schema,
    Schemas,
    either,
    hints,
    members,
    object_of,
    reference_to,
)

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "cnnviz" / "results" / "schema.json"
PAGE = ROOT / "docs" / "json.md"
LIST = "## Every result\n"
"""The heading of the page from which on it is written by this script."""

FURTHER: dict[type[Result], str] = {
    PredictedBoxes: "predictions",
    PredictedMaps: "predictions",
    Evaluation: "evaluate",
    ErrorAnalysis: "errors",
    ClassifierEvaluation: "evaluate-classifier",
    TrainingRun: "training-report",
}
"""The kinds that no function of the table of views is annotated with, and their commands."""


def kinds() -> dict[str, type[Result]]:
    """Return every kind of result by its name, that of a view under the name of its function."""
    found = [kind for view in VIEWS for kind in _returned(view)]
    return {kind.__name__: kind for kind in [*found, *FURTHER]}


def _returned(view: View) -> tuple[type[Result], ...]:
    """Return the kinds of result that the function of a view is annotated with."""
    found = hints(view.function())["return"]
    return get_args(found) or (found,)


def _nested(name: str, leaf: Schema) -> Schema:
    lists = {"type": "array", "items": reference_to(name)}
    return either([leaf, lists, reference_to("reference")])


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
        **_nested("numbers", reference_to("number")),
    },
    "integers": {
        "description": "An array of whole numbers, a list for each axis; or a reference.",
        **_nested("integers", reference_to("integer")),
    },
    "booleans": {
        "description": "An array of truth values, a list for each axis; or a reference.",
        **_nested("booleans", {"type": "boolean"}),
    },
    "reference": {
        "description": f"An array of more than {INLINE} values, which is in a file beside this.",
        **object_of(
            {
                "array": {"description": "Its name in the file.", **TEXT},
                "file": {
                    "description": "The .npz, beside this file; null where none was written.",
                    "type": ["string", "null"],
                },
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "dtype": {"description": "The type of its values as NumPy names it.", **TEXT},
                "min": {"description": "Its least finite value.", **reference_to("extreme")},
                "max": {"description": "Its greatest finite value.", **reference_to("extreme")},
            },
            sorted(REFERENCE),
        ),
    },
    "extreme": either([reference_to("number"), reference_to("integer"), {"type": "boolean"}]),
    "infinite": {
        "description": "The JSON pointer of each null that stands for infinity.",
        "type": "object",
        "additionalProperties": {"enum": ["inf", "-inf"]},
    },
    "npz": {
        "description": "The file that holds the large arrays.",
        **object_of({"file": TEXT, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}, []),
    },
    "table": {
        "description": "The result as a table: named columns with units, and rows of values.",
        **object_of(
            {
                "columns": {
                    "type": "array",
                    "items": object_of({"name": TEXT, "unit": TEXT}, ["name", "unit"]),
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
    return {"type": "array", "items": TEXT}


def _report(schemas: Schemas) -> Schema:
    """Return the schema of ``report.json``; the numbers of a picture are those of a result."""
    whole: Schema = {"type": "integer", "minimum": 0}
    picture = {
        **dict.fromkeys(("file", "title", "caption", "alt"), TEXT),
        **dict.fromkeys(("width", "height"), whole),
        "data": {"type": "object", **reference_to("by_view")},
    }
    schemas.definitions["picture"] = object_of(picture, list(picture))
    one = reference_to("picture")
    image = {
        **dict.fromkeys(("name", "output", "target"), TEXT),
        "guesses": {"type": "array", "items": schemas.of(content.PredictedClass)},
        "notes": _texts(),
        "photo": one,
        "overlay": either([one, {"type": "null"}]),
    }
    section = {
        **dict.fromkeys(("key", "title", "anchor"), TEXT),
        "image": {"type": ["string", "null"]},
        **{name: _texts() for name in ("lead", "notes")},
        "pictures": {"type": "array", "items": one},
        "tables": {"type": "array", "items": schemas.of(content.Table)},
    }
    needed = list(section)
    wrong = {"type": "object", "properties": {"picture": one}, "required": ["picture"]}
    section["answers"] = {"type": "array", "items": wrong}
    file = {"path": TEXT, "bytes": whole, "sha256": TEXT}
    found = {
        "schema": {"const": REPORT},
        "format": {"const": "cnnviz report"},
        "created": TEXT,
        **{
            name: {"type": "object", "additionalProperties": TEXT} for name in ("versions", "facts")
        },
        "provenance": schemas.of(Provenance),
        "notes": _texts(),
        "images": {"type": "array", "items": object_of(image, list(image))},
        "refused": {"type": "array", "items": schemas.of(Refusal)},
        "sections": {"type": "array", "items": object_of(section, needed)},
        "seconds": {"type": "object", "additionalProperties": {"type": "number"}},
        "files": {"type": "array", "items": object_of(file, list(file))},
    }
    told = {"infinite": reference_to("infinite")}
    return {"description": "report.json.", **object_of({**found, **told}, list(found))}


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
            "then": reference_to(name),
        }
        for name in kinds()
    ]
    needed = ["schema", "view", "summary", "caption", "provenance"]
    texts = dict.fromkeys(("view", "summary", "caption"), TEXT)
    definitions = {
        **_COMMON,
        "result": {
            "description": "What `save` writes as .json, and `cnnviz VIEW --json` prints.",
            "type": "object",
            "properties": {
                "schema": {"const": RESULT_SCHEMA},
                "infinite": reference_to("infinite"),
                "npz": reference_to("npz"),
                "provenance": schemas.of(Provenance),
                **texts,
            },
            "required": needed,
            **reference_to("by_view"),
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
        "oneOf": [reference_to("result"), reference_to("report")],
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
