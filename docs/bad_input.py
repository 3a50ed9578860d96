"""Write what cnnviz says to every case of bad input that is tested: `docs/bad-input.md`.

    python docs/bad_input.py

The cases stand in `tests/helpers/bad_input`; each is run here, and what it met is written down. A
test fails where the page is out of date.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "bad-input.md"

sys.path.insert(0, str(ROOT))

from cnnviz_cli.app import main  # noqa: E402
from tests.helpers.bad_input import CASES, FAMILIES  # noqa: E402
from tests.helpers.bad_input.case import Case, made, sentence  # noqa: E402

HEAD = f"""# Bad input

If something is wrong with the arguments, a file or a network, the error has two sentences: what is
wrong, and what to do about it. The exit code is 2, nothing is left half-written, and there is no
traceback (`--debug` shows it). The tests run the {len(CASES)} cases below, and
`python docs/bad_input.py` writes here what each said. In them, `LONG` is a number of 5,000 digits,
`NAME` a name of 5,000 letters (errors show both ends), and `NO_TEXT` a byte that is not text.
"""


def page() -> str:
    """Run every case, and return the page."""
    parts = [HEAD]
    for name, family in FAMILIES.items():
        about = " ".join((inspect.getdoc(family) or "").split())
        rows = [f"| {case.in_markdown} | {_escaped(said)} |" for case, said in told(name)]
        parts.append(f"## {name.capitalize()}\n\n{about}\n\n| case | what is said |\n|---|---|")
        parts[-1] += "\n" + "\n".join(rows) + "\n"
    return "\n".join(parts)


def told(family: str) -> Iterator[tuple[Case, str]]:
    """Run the cases of a family, and go through them with what is said to each."""
    with tempfile.TemporaryDirectory() as base:
        folder = made(vars(FAMILIES[family]), Path(base, "work"))
        for case in CASES:
            if case.family == family:
                code, heard = _run(case, folder)
                said = sentence(heard).replace(str(folder), "FOLDER")
                if code != 2 or case.named not in said:
                    raise SystemExit(f"{case}\n  ends with {code} and says: {heard}")
                yield case, said


def _run(case: Case, folder: Path) -> tuple[object, str]:
    """Return how a case ends, and what it prints to stderr."""
    heard, before = io.StringIO(), dict(os.environ)
    os.environ.update(case.settings, COLUMNS="1000")
    code: object = None
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stderr(heard),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            main(case.words)
    except SystemExit as end:
        code = end.code
    finally:
        os.environ.clear()
        os.environ.update(before)
    return code, heard.getvalue()


def _escaped(text: str) -> str:
    for sign in "\\`*_<>[]|{}$":
        text = text.replace(sign, "\\" + sign)
    return text


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {len(CASES)} cases")
