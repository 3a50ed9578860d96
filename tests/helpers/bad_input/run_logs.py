"""Files of `GradientMonitor` whose lines hold other types, sizes or nesting than a run has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = r"""
training-report nowhere.jsonl | No such file
training-report empty.jsonl | Nothing has been written
training-report text.jsonl | is no training run
training-report array.jsonl | is no training run
training-report deep.jsonl | is no training run
training-report head.jsonl | No step is recorded
training-report parameters.jsonl | at parameters: expected
training-report many.jsonl | at parameters
training-report every.jsonl | at every: expected `int` >= 1
training-report schema.jsonl | whose runs have schema 1
training-report versions.jsonl | at versions
training-report surrogate.jsonl | surrogate
training-report names.jsonl | not each named once
training-report step.jsonl | at step: expected `int` <= 1000000000000
training-report infinite.jsonl | out of range
training-report digits.jsonl | at step
training-report seconds.jsonl | malformed
training-report losses.jsonl | at losses[0]
training-report figures.jsonl | do not match the layers
training-report share.jsonl | at dead[0]: expected `float` <= 1.0
training-report nested.jsonl | Line 3 of 'nested.jsonl' is damaged
training-report bytes.jsonl | it is not UTF-8 text
training-report unknown.jsonl | Line 3 of 'unknown.jsonl' is damaged
"""
HEAD = {"type": "run", "format": "cnnviz training run", "name": "net", "parameters": 9}
LAYERS = {"type": "layers", "layers": ["a", "b"], "kinds": ["", ""]}
COLUMNS = ("activation", "gradient", "weight", "weight_gradient", "update", "dead", "saturated")
RECORD: dict[str, Any] = {
    "type": "record",
    "step": 0,
    "seconds": 0.1,
    "samples": 8,
    "losses": [[0, 1.0]],
    "rates": [0.1],
    "values": {},
    "skipped": 0,
    "allowance": 0.0,
    "inputs": None,
    "outputs": 3,
    "ascends": False,
    "frozen": {},
    "unmeasured": {},
    **{name: [0.5, 0.5] for name in (*COLUMNS, "agreement")},
}
CHANGED: dict[str, tuple[int, str, str]] = {
    "parameters": (0, "parameters", '"nine"'),
    "many": (0, "parameters", "1" + "0" * 40),
    "every": (0, "every", "0"),
    "schema": (0, "schema", "1"),
    "versions": (0, "versions", '["torch"]'),
    "surrogate": (0, "name", '"\\ud800 net"'),
    "names": (1, "layers", '["a", "a"]'),
    "step": (2, "step", "1" + "0" * 18),
    "infinite": (2, "step", "1e400"),
    "digits": (2, "step", "9" * 5000),
    "seconds": (2, "seconds", "NaN"),
    "losses": (2, "losses", "[1]"),
    "figures": (2, "gradient", "[0.5]"),
    "share": (2, "dead", "[5, 0.5]"),
    "nested": (2, "values", "[" * 100_000),
}
"""The line of a run that differs, its key, and the JSON that stands there."""


def make(folder: Path) -> None:
    """Write a run for each case; a whole line follows the one that is damaged."""
    whole = [json.dumps(line) for line in (HEAD, LAYERS, RECORD)]
    for name, (place, key, text) in CHANGED.items():
        changed: dict[str, Any] = {**(HEAD, LAYERS, RECORD)[place], key: "HERE"}
        lines = list(whole)
        lines[place] = json.dumps(changed).replace('"HERE"', text)
        _write(folder / f"{name}.jsonl", [*lines, whole[2]])
    _write(folder / "empty.jsonl", [])
    _write(folder / "text.jsonl", ["step,loss", "0,1.0"])
    _write(folder / "array.jsonl", ["[1, 2]"])
    _write(folder / "deep.jsonl", ["[" * 100_000])
    _write(folder / "head.jsonl", whole[:2])
    _write(folder / "unknown.jsonl", [*whole[:2], '{"type": "other"}', whole[2]])
    torn = "\n".join([*whole[:2], '{"type": "', whole[2], ""]).encode()
    (folder / "bytes.jsonl").write_bytes(torn.replace(b'{"type": "\n', b'{"type": "\xff"}\n'))


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
