"""The scripts of the page, put together from small modules into one."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

_ORDER = (
    "pack",
    "arithmetic",
    "answers",
    "state",
    "dom",
    "shown",
    "picture",
    "answer",
    "controls",
    "places",
    "channel",
    "network",
    "what_if",
    "convolution",
    "save",
    "theme",
    "linked",
    "main",
)
"""Every module after those that it uses; a test holds the order to the imports."""
_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORTS = re.compile(r"^export \{.*?\};\n", re.MULTILINE)
_DOC = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_REMARK = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_CAST = re.compile(r"/\*\* @(?:type|param|returns).*?\*/ ?", re.DOTALL)


@lru_cache(maxsize=1)
def script() -> str:
    """Return the one script of the page, without the remarks that the modules have."""
    parts = [_stripped(source(name)) for name in _ORDER]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "\nmain();\n})();\n"


def source(name: str) -> str:
    """Return a module as it is written."""
    folder = resources.files(__package__).joinpath("scripts")
    return folder.joinpath(f"{name}.js").read_text("utf-8").replace("\r\n", "\n")


def modules() -> tuple[str, ...]:
    """Return the names of the modules, each after those that it uses."""
    return _ORDER


def _stripped(text: str) -> str:
    for pattern in (_IMPORT, _EXPORTS, _DOC, _CAST, _REMARK):
        text = pattern.sub("", text)
    text = re.sub(r"^export (?=async |function |const )", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{2,}", "\n", text).strip()
