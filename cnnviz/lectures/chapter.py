"""What a chapter of the lecture is made of: words, and calls that each make a picture."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One call of a chapter, and what is said around its picture.

    The same text is what the page shows, what the notebook holds and what is run.

    Attributes
    ----------
    name : str
        The variable that the result is kept in, and the name of the picture's files.
    title : str
        A few words above the picture's caption.
    call : str
        The call, as a Python expression of what the lecture's beginning has defined.
    command : str
        The command that makes the same picture; ``{photo}``, ``{model}`` and ``{data}`` stand for
        the options that name them, ``{first}`` and ``{last}`` for the first and last stage.
    spelled : mapping of str to str
        What else stands in braces in the command: Python expressions of texts, of the same names as
        the call.
    before : tuple of str
        Paragraphs that lead to the picture.
    after : callable or None
        Makes of the result the paragraphs that go on from it, with its numbers.
    empty : callable or None
        Says of the result whether there is nothing to show, as the skips of a network without any;
        its summary then stands in place of its picture.
    in_place_of : str
        The name of an earlier step that shows the same on the network of the lecture: this one is
        left out, without a word, where that one has a picture.
    """

    name: str
    title: str
    call: str
    command: str = ""
    spelled: Mapping[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    after: Callable[[Any], Sequence[str]] | None = None
    empty: Callable[[Any], bool] | None = None
    in_place_of: str = ""

    @property
    def uses(self) -> frozenset[str]:
        """The names in the call, among them those of the steps that it goes on from."""
        tree = ast.walk(ast.parse(self.call, mode="eval"))
        return frozenset(node.id for node in tree if isinstance(node, ast.Name))


@dataclass(frozen=True)
class Chapter:
    """A chapter: its key and heading, how it begins, and its steps."""

    key: str
    title: str
    opening: tuple[str, ...]
    steps: tuple[Step, ...]
