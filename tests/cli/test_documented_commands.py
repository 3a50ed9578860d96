"""Every command line in the documentation names a command and options that exist."""

import re
import shlex
from pathlib import Path

import pytest

from tests.helpers.each_case import each_case

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _commands():
    for page in PAGES:
        for block in re.findall(
            r"^```(?:sh|bash)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                start = [at for at, word in enumerate(words) if word in ("cnnviz", "cnnviz_cli")]
                # Ahead of our own module may stand what starts it on many machines.
                if start and (start == [0] or words[start[0] - 1] == "-m"):
                    found = words[start[0] + 1 :]
                    if found:
                        yield pytest.param(found, id=f"{page.name}: {' '.join(words)}")


@pytest.fixture(scope="module")
def help_pages():
    """Return the help of the commands that were asked for it already, by name."""
    return {}


@each_case("words", list(_commands()))
def test_a_command_line_of_a_page_names_a_command_and_options_that_exist(words, run, help_pages):
    name = words[0]
    if name not in help_pages:
        help_pages[name] = run(name, "--help")
    page = help_pages[name]
    assert page.code == 0
    for word in words[1:]:
        if word.startswith("--"):
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", page.out), word
