"""Small modules of JavaScript, put together into the one script of a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORTS = re.compile(r"^export \{.*?\};\n", re.MULTILINE)
_DOC = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_REMARK = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_CAST = re.compile(r"/\*\* @(?:type|param|returns).*?\*/ ?", re.DOTALL)

Module = tuple[str, str]
"""The package in whose folder ``scripts`` a module lies, and its name."""


def joined(modules: Sequence[Module], begin: str) -> str:
    """Return one script without the remarks that the modules have.

    Parameters
    ----------
    modules : sequence of (str, str)
        Every module after those that it uses.
    begin : str
        The function that is called at last.
    """
    parts = [_stripped(source(*one)) for one in modules]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + f"\n{begin}();\n}})();\n"


def source(package: str, name: str) -> str:
    """Return a module as it is written."""
    folder = resources.files(package).joinpath("scripts")
    return folder.joinpath(f"{name}.js").read_text("utf-8").replace("\r\n", "\n")


def _stripped(text: str) -> str:
    for pattern in (_IMPORT, _EXPORTS, _DOC, _CAST, _REMARK):
        text = pattern.sub("", text)
    text = re.sub(r"^export (?=async |function |const )", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{2,}", "\n", text).strip()
