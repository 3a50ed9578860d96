"""Small modules of JavaScript, put together into the one script of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources

_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORTS = re.compile(r"^export \{.*?\};\n", re.MULTILINE)
_DOC = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_REMARK = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_SPACES = re.compile(r" *(=>|===|!==|\?\?|&&|\|\||[(){};,:=?>*]) *|(?<=[{(,;])\n", re.MULTILINE)
"""Spaces around signs, and ends of lines behind some; not beside + and -, of which two together
mean another."""
_CAST = re.compile(r"/\*\* @(?:type|param|returns).*?\*/ ?", re.DOTALL)

Module = tuple[str, str]
"""The package in whose folder ``scripts`` a module lies, and its name."""


def joined(modules: Sequence[Module], begin: str) -> str:
    """Return one script without the remarks and the indentation that the modules have.

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
    for pattern in (_IMPORT, _EXPORTS, _DOC, _CAST, _REMARK, _INDENT):
        text = pattern.sub("", text)
    text = re.sub(r"^export (?=async |function |const )", "", text, flags=re.MULTILINE)
    text = "".join(
        part if kept else _SPACES.sub(lambda found: found[1] or "", part)
        for part, kept in _by_what_is_kept(text)
    )
    return re.sub(r"\n{2,}", "\n", text).strip()


def _by_what_is_kept(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a script, and whether each is a text, in which every space counts."""
    done, at = 0, 0
    while at < len(text):
        if text[at] in "\"'`":
            end = _end_of_text(text, at)
            yield text[done:at], False
            yield text[at:end], True
            done = at = end
        else:
            at += 1
    yield text[done:], False


def _end_of_text(text: str, start: int) -> int:
    """Return where a text ends that begins at a place; one in backticks has others in it."""
    quote, at, depth = text[start], start + 1, 0
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        elif depth and letter in "\"'`":
            at = _end_of_text(text, at) - 1
        elif quote == "`" and text.startswith("${", at):
            depth, at = depth + 1, at + 1
        elif depth and letter in "{}":
            depth += 1 if letter == "{" else -1
        elif not depth and letter == quote:
            return at + 1
        at += 1
    raise ValueError("A text in a script does not end.")
