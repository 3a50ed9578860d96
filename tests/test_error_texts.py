"""What errors say: sentences, whatever others put into them, and for whom they are."""

from __future__ import annotations

import ast
import pickle
import re
from functools import cache
from pathlib import Path

import pytest

from cnnviz import errors
from cnnviz.errors import CnnvizError, UsageError, lacks_memory, sentence
from cnnviz.images import PhotoError
from tests.helpers.each_case import each_case

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    *(name for name, kind in vars(errors).items() if isinstance(kind, type)),
    "PhotoError",
}
# Keyword arguments that only code can give where it runs into the error: a Python function's own.
IN_PYTHON_ALONE = (
    "cnnviz/gradients/monitor/",
    "cnnviz/results/drawing.py",
    "cnnviz/results/result.py",
    "cnnviz/heatmaps/checks/explained_batch.py",
    "cnnviz/models/networks/depth.py",  # written in the name of a network
    "cnnviz/models/usable_module.py",
    "cnnviz/views/_measured_maps.py",
)
_ARGUMENT = re.compile(r"""(?<![-\w])[a-z_]+=(?:['"]|[ .,;]|$)|cnnviz\.[a-z_]+(?=[ (,]|$)""")

_NAMES_A_KIND = re.compile(rf"\b(?:{'|'.join(sorted(KINDS))})\(")


@cache
def _calls() -> list[tuple[str, ast.Call]]:
    found = []
    for root in ("cnnviz", "gallery/cnnviz_gallery", "cli/cnnviz_cli"):
        for path in sorted((ROOT / root).rglob("*.py")):
            text = path.read_text("utf-8")
            if not _NAMES_A_KIND.search(text):
                continue
            for node in ast.walk(ast.parse(text)):
                name = getattr(getattr(node, "func", None), "id", "")
                if isinstance(node, ast.Call) and name in KINDS:
                    found.append((path.relative_to(ROOT).as_posix(), node))
    return found


def _text(node: ast.AST) -> str:
    """Return the text of an argument, with X for whatever is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (_text(part) if isinstance(part, ast.Constant) else "X" for part in node.values)
        return "".join(parts)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body)}\n{_text(node.orelse)}"
    if isinstance(node, ast.Call):  # such as of `did_you_mean`
        return "\n".join(map(_text, node.args))
    return "X"


def test_there_are_errors_to_look_at() -> None:
    assert len(_calls()) > 400


def test_no_text_of_an_error_has_doubled_punctuation_or_spaces() -> None:
    wrong = re.compile(r"(?<!\.)\.\.(?![.X])|[,;:?!][.,;:?!]|  |\s[.,;:?!](?:\s|$)")
    told = [
        f"{path}:{call.lineno}: {text}"
        for path, call in _calls()
        for argument in (*call.args, *(word.value for word in call.keywords))
        if wrong.search(text := _text(argument))
    ]
    assert told == []


def test_a_remedy_that_names_an_argument_names_the_option_as_well() -> None:
    told = []
    for path, call in _calls():
        if path.startswith(IN_PYTHON_ALONE) or any(word.arg == "option" for word in call.keywords):
            continue
        texts = [_text(argument) for argument in call.args[1:]]
        told += [f"{path}:{call.lineno}: {text}" for text in texts if _ARGUMENT.search(text)]
    assert told == []


@each_case(
    ("given", "told"),
    [
        ("It fails: the size is negative..", "It fails: the size is negative."),
        ("It fails: is that so?.", "It fails: is that so?"),
        ("It fails: .", "It fails."),
        ("Give 3, 5, 7, ...", "Give 3, 5, 7, ..."),
        ("See a/../b.", "See a/../b."),
        ("Nothing is wrong.", "Nothing is wrong."),
    ],
)
def test_what_others_say_is_made_a_sentence(given: str, told: str) -> None:
    assert sentence(given) == told
    assert UsageError(given).what == told
    assert PhotoError("a.jpg", given.rstrip("."), "Look.").what.count("..") == given.count("/../")


def test_a_name_of_any_length_is_cut_in_its_middle() -> None:
    for name in ("n" * 5000, "a b " * 1250):
        error = UsageError(f"There is no file {name!r}.", f"Remove {name!r}.")
        assert error.what.startswith("There is no file '")
        assert error.what.endswith("'.")
        assert len(str(error)) < 700
    short = f"There is no file {'n' * 250!r}."
    assert UsageError(short).what == short


def test_what_is_told_at_the_command_line_goes_along_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(UsageError("It is.", "Give a=.", option="Give --a.")))
    assert (error.what, error.remedy, error.option) == ("It is.", "Give a=.", "Give --a.")
    assert str(error) == "It is. Give a=."
    photo = pickle.loads(pickle.dumps(PhotoError("a.jpg", "it is empty", "Copy it.")))
    assert (photo.name, photo.reason, photo.option) == ("a.jpg", "it is empty", "Copy it.")
    assert CnnvizError("It is.", "Wait.").option == "Wait."


def test_too_little_memory_is_known_by_every_name() -> None:
    import torch

    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**48)
    assert lacks_memory(refused.value)
    assert lacks_memory(MemoryError())
    assert lacks_memory(torch.OutOfMemoryError())
    assert not lacks_memory(RuntimeError("shapes do not fit"))
