"""The chapters: distinct names, calls of the public surface, commands with options that exist."""

import ast
import inspect

import pytest

import cnnviz
from cnnviz.lectures import CHAPTERS

STEPS = [
    pytest.param(step, id=f"{chapter.key}-{step.name}")
    for chapter in CHAPTERS
    for step in chapter.steps
]
KNOWN = {"cnnviz", "model", "photo", "data", "capture", "stages"}


def test_names_are_distinct():
    keys = [chapter.key for chapter in CHAPTERS]
    names = [step.name for chapter in CHAPTERS for step in chapter.steps]
    assert len(set(keys)) == len(keys)
    assert len(set(names)) == len(names)
    assert not set(names) & KNOWN


def test_every_chapter_begins_with_words():
    for chapter in CHAPTERS:
        assert chapter.opening
        for text in (*chapter.opening, *(part for step in chapter.steps for part in step.before)):
            assert text[0].isupper()
            assert text.rstrip()[-1] in ".?:)"


@pytest.mark.parametrize("step", STEPS)
def test_a_call_is_one_of_the_public_surface_with_parameters_that_exist(step):
    call = ast.parse(step.call, mode="eval").body
    assert isinstance(call, ast.Call)
    function = getattr(cnnviz, call.func.attr)
    parameters = inspect.signature(function).parameters
    assert {keyword.arg for keyword in call.keywords} <= set(parameters)
    assert len(call.args) <= len(parameters)


def test_a_call_uses_only_what_came_before():
    known = set(KNOWN)
    for chapter in CHAPTERS:
        own = set(known)  # a chapter may be read alone
        for step in chapter.steps:
            tree = ast.parse(step.call, mode="eval")
            bound = {one.id for one in ast.walk(tree) if _is(one, ast.Store)}
            used = {one.id for one in ast.walk(tree) if _is(one, ast.Load)}
            assert used - bound <= own, step.name
            own.add(step.name)


def _is(node, context):
    return isinstance(node, ast.Name) and isinstance(node.ctx, context)
