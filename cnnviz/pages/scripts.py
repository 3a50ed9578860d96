"""Small modules of JavaScript, put together into the one script of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import product
from string import ascii_letters

_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORTS = re.compile(r"^export \{.*?\};\n", re.MULTILINE)
_DOC = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_REMARK = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_SPACES = re.compile(r" *(=>|===|!==|\?\?|&&|\|\||[(){};,:=?>*]) *|(?<=[{(,;])\n", re.MULTILINE)
"""Spaces around signs, and ends of lines behind some; not beside + and -, of which two together
mean another."""
_BETWEEN = re.compile(r"(?<=[\w)\]]) ([+\-/<%|]) (?=[\w(\[!.])")
_LAST = re.compile(r"(?<!\));\}")
"""A semicolon that ends nothing; behind a bracket it may be the whole of what a loop does."""
_CONST = re.compile(r"\bconst (?=[\w{\[$])")
_OUTERMOST = re.compile(r"^(?:export )?(?:async )?(?:function|const) (\w+)", re.MULTILINE)
_CAST = re.compile(r"/\*\* @(?:type|param|returns).*?\*/ ?", re.DOTALL)
_PROPERTY = (
    re.compile(r"(?<!\.\.)\.(\w+)"),
    re.compile(r"\b(\w+) *:"),
    re.compile(r"(?<=[{,])\s*(\w+)\s*(?=[,}]|=(?![=>]))"),
    re.compile(r"(?<!function )\b(\w+)\([^()]*\)\s*\{"),
)
_SHORT = 2
_GLOBALS = (
    *("Math.max", "Math.min", "Math.round", "Math.abs", "Math.floor"),
    *("Float32Array", "Number", "String", "document"),
)
"""What every script has and uses often: one short name each."""

Module = tuple[str, str]
"""The package in whose folder ``scripts`` a module lies, and its name."""


def joined(modules: Sequence[Module], begin: str) -> str:
    """Return one script without the remarks, spaces and long names that the modules have.

    Parameters
    ----------
    modules : sequence of (str, str)
        Every module after those that it uses.
    begin : str
        The function that is called at last.
    """
    texts = [source(*one) for one in modules]
    code = "\n".join(map(_stripped, texts)) + f"\n{begin}();"
    names = [name for text in texts for name in _OUTERMOST.findall(text)]
    short = f"let {','.join(f'${k}={name}' for k, name in enumerate(_GLOBALS))};\n"
    return f'"use strict";\n(() => {{\n{short}{_renamed(code, names)}\n}})();\n'


def source(package: str, name: str) -> str:
    """Return a module as it is written."""
    folder = resources.files(package).joinpath("scripts")
    return folder.joinpath(f"{name}.js").read_text("utf-8").replace("\r\n", "\n")


def _stripped(text: str) -> str:
    for pattern in (_IMPORT, _EXPORTS, _DOC, _CAST, _REMARK, _INDENT):
        text = pattern.sub("", text)
    text = re.sub(r"^export (?=async |function |const )", "", text, flags=re.MULTILINE)
    text = "".join(part if kept else _short(part) for part, kept in _by_what_is_kept(text))
    return re.sub(r"\n{2,}", "\n", text).strip()


def _short(code: str) -> str:
    """Return what stands between texts with as few signs as say the same."""
    code = _SPACES.sub(lambda found: found[1] or "", code)
    for pattern, sign in ((_BETWEEN, r"\1"), (_LAST, "}"), (_CONST, "let ")):
        code = pattern.sub(sign, code)
    return code


def _renamed(script: str, names: Sequence[str]) -> str:
    """Return a script with short names of functions, but where a property may be called so too."""
    parts = list(_by_what_is_kept(script))
    code = "\n".join(part for part, kept in parts if not kept)
    properties = _properties(code)
    able = [name for name in names if len(name) > _SHORT and name not in properties]
    short = {name: f"${letters}" for name, letters in zip(able, _letters(), strict=False)}
    short |= {name: f"${k}" for k, name in enumerate(_GLOBALS)}
    wanted = "|".join(map(re.escape, short))
    pattern = re.compile(rf"(?<![\w$])(?<!(?<!\.\.)\.)(?:{wanted})(?![\w$])")
    return "".join(
        part if kept else pattern.sub(lambda found: short[found[0]], part) for part, kept in parts
    )


def _properties(code: str) -> set[str]:
    """Return the names that may be of properties: behind a dot, or within braces."""
    return {name for pattern in _PROPERTY for name in pattern.findall(code)}


def _letters() -> Iterator[str]:
    """Yield one letter, then two, which behind a dollar sign are the name of nothing else."""
    yield from ascii_letters
    yield from map("".join, product(ascii_letters, repeat=2))


def _by_what_is_kept(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a script, and whether each is a text, in which every space counts."""
    done, at = 0, 0
    while at < len(text):
        if text[at] in "\"'`":
            end = _end_of_text(text, at)
            yield text[done:at], False
            yield from _with_code(text[at:end])
            done = at = end
        else:
            at += 1
    yield text[done:], False


def _with_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of one text, and whether each is no code, as it is between ${ and }."""
    done, at = 0, 0
    while text[0] == "`" and at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            end = _end_of_code(text, at + 2)
            yield text[done : at + 2], True
            yield from _by_what_is_kept(text[at + 2 : end])
            done = at = end
        else:
            at += 1
    yield text[done:], True


def _end_of_code(text: str, start: int) -> int:
    """Return where the brace is that ends the code within a text."""
    at, depth = start, 0
    while depth or text[at] != "}":
        if text[at] in "\"'`":
            at = _end_of_text(text, at)
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at


def _end_of_text(text: str, start: int) -> int:
    """Return where a text ends that begins at a place; one in backticks may have code in it."""
    quote, at = text[start], start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif quote == "`" and text.startswith("${", at):
            at = _end_of_code(text, at + 2) + 1
        elif text[at] == quote:
            return at + 1
        else:
            at += 1
    raise ValueError("A text in a script does not end.")
