"""Notebooks run as Jupyter runs them, in this process."""

from __future__ import annotations

import ast
import contextlib
import json
from pathlib import Path
from typing import Any


def run_notebook(path: Path, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """Run a notebook's cells in a folder; return its names, and the values that cells end with.

    A runner of a few lines: a kernel for each notebook would take most of the time.
    """
    cells = json.loads(path.read_text("utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    with contextlib.chdir(folder):
        for cell in cells:
            if cell["cell_type"] == "code":
                *lines, last = ast.parse("".join(cell["source"])).body
                exec(compile(ast.Module(lines, []), "<cell>", "exec"), names)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
                    if value is not None:
                        shown.append(value)
                else:
                    exec(compile(ast.Module([last], []), "<cell>", "exec"), names)
    return names, shown
