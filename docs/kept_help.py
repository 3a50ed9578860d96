"""Write what the help of commands says of views and tables: `cli/cnnviz_cli/kept_help.json`.

    python docs/kept_help.py

It is read where torch is not imported yet, so that help and usage errors need not wait for that. A
test fails where it is out of date.
"""

from __future__ import annotations

from typing import Any

from cnnviz.views import VIEWS
from cnnviz_cli import (
    classifier_command,
    errors_command,
    evaluate_command,
    kept_help,
    lecture_command,
    view_command,
)

TABLES = {
    "evaluate": evaluate_command,
    "evaluate-classifier": classifier_command,
    "errors": errors_command,
    "lecture": lecture_command,
}


def everything() -> dict[str, Any]:
    """Return what there is to say, by the names of the commands."""
    views = {view.command: view_command.said_of(view) for view in VIEWS}
    return views | {name: module.said() for name, module in TABLES.items()}


def main() -> None:
    """Write the file."""
    kept_help.FILE.write_text(kept_help.written(everything()), "utf-8")


if __name__ == "__main__":
    main()
