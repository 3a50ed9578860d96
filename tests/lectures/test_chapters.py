"""The chapters: distinct names, calls of the public surface, commands with options that exist."""

import ast
import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.lectures import CHAPTERS, chapters
from cnnviz.lectures.beginning import Loading, begin
from cnnviz.lectures.literature import LITERATURE
from cnnviz.lectures.running import Run
from cnnviz.reports.progress import Steps
from cnnviz.results.result import Result
from cnnviz.results.text import number, power_of_ten
from tests.helpers.each_case import each_case
from tests.helpers.quick_code import few_random_maps, quick
from tests.helpers.report_model import small_model

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


@each_case("step", STEPS)
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


_WORK = re.compile(
    r"(?<![\w.])((?:[A-Z][\w-]+, )*[A-Z][\w-]+(?: and [A-Z][\w-]+| et al\.)? (?:19|20)\d\d)(?=[);])"
)
"""A work as the text names it, in brackets: (Zeiler and Fergus 2013)."""


def test_every_work_that_the_text_names_is_in_the_literature():
    sources = " ".join(
        path.read_text("utf-8") for path in Path(chapters.__file__).parent.glob("*.py")
    )
    text = re.sub(r'"\s*f?"', "", sources)  # a sentence is written on several lines
    named = set(_WORK.findall(text))
    assert len(named) > 30
    assert named == set(LITERATURE)
    assert list(LITERATURE) == sorted(LITERATURE, key=_author_and_year)
    for key, work in LITERATURE.items():
        first, year = _author_and_year(key)
        assert first in work
        assert year in work


def _author_and_year(key):
    words = key.replace(",", " ").split()
    return words[0], words[-1]


def _is(node, context):
    return isinstance(node, ast.Name) and isinstance(node.ctx, context)


def _told(key, name, result):
    (chapter,) = [one for one in CHAPTERS if one.key == key]
    (step,) = [one for one in chapter.steps if one.name == name]
    return " ".join(step.after(result))


def test_a_work_has_one_year_wherever_it_is_named():
    root = Path(__file__).parents[2]
    named = [*root.glob("cnnviz/**/*.py"), *root.glob("gallery/**/*.py"), *root.glob("docs/*.md")]
    told = "\n".join(path.read_text(encoding="utf-8") for path in (*named, root / "CHANGELOG.md"))
    plain = re.sub(r'["\s]+', " ", told)
    years = re.findall(r"Zeiler(?: and|,) Fergus,? \(?((?:19|20)\d\d)", plain)
    assert len(years) > 20
    assert set(years) == {key[-4:] for key in LITERATURE if key.startswith("Zeiler and Fergus")}


def test_the_words_on_pixels_have_the_numbers_of_the_photo():
    down, across = np.mgrid[:48, :64]
    waves = 0.5 + 0.4 * np.sin(np.stack([down / 9, across / 7, (down + across) / 8], 2))
    photo = (255 * waves).astype(np.uint8)
    said = _told("pixels", "pixels", cnnviz.pixels(small_model(), photo))
    beside = [
        np.corrcoef(photo[:, :-1, c].ravel(), photo[:, 1:, c].ravel())[0, 1] for c in (0, 1, 2)
    ]
    below = [
        np.corrcoef(photo[:-1, :, c].ravel(), photo[1:, :, c].ravel())[0, 1] for c in (0, 1, 2)
    ]
    assert f"side by side correlate with {number(float(np.mean(beside + below)))}," in said
    assert "each of these 9,216 numbers" in said
    assert "9,216,000 weights" in said


def test_a_photo_of_one_colour_correlates_with_nothing():
    said = _told(
        "pixels", "pixels", cnnviz.pixels(small_model(), np.full((40, 40, 3), 7, np.uint8))
    )
    assert "correlate" not in said
    assert "nan" not in said


def test_the_words_on_activation_functions_have_the_shares_that_are_left():
    found = cnnviz.activation_functions(layers=4, width=16)
    said = _told("activation", "activations", found)
    place = found.names.index("sigmoid")
    assert "Behind 4 layers of sigmoid with torch's default weights" in said
    fit, usual = found.gradients[place, :, 0].tolist()
    relu = float(found.gradients[found.names.index("relu"), 0, 0])
    for words in (number(fit), power_of_ten(usual), number(relu)):
        assert words in said


def test_layers_that_need_more_than_the_three_lines_are_told():
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.MaxPool2d(2))
    further = nn.Sequential(
        nn.Conv2d(3, 6, 3, dilation=2),
        nn.Conv2d(6, 6, 3, groups=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ConvTranspose2d(6, 3, 3),
    )
    (step,) = (one for one in chapters.arithmetic.CHAPTER.steps if one.name == "sums")
    assert step.after(cnnviz.architecture(plain, 16)) == ()
    (told,) = step.after(cnnviz.architecture(further, 17))
    assert re.findall(r"\((\d)\)", told) == ["0", "1", "2", "3"]


def test_the_words_on_transfer_are_those_of_the_result():
    found = cnnviz.transfer_learning(
        small_model(), samples=1, seeds=2, epochs=1, test=4, methods="frozen,fine-tuned"
    )
    said = _told("transfer", "transferred", found)
    assert found.compared(0) in said
    assert found.changed() in said
    frozen = cnnviz.transfer_learning(small_model(), samples=1, seeds=1, test=4, methods="frozen")
    assert not _told("transfer", "transferred", frozen).strip()


SLOW = {"overfitting", "networks", "transferred"}
"""Calls that take long whatever the network, and have tests of their own."""


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)
def test_every_call_runs_and_its_words_are_whole(chapter, beginning):
    names = dict(beginning.names)
    own = replace(beginning, names=names)
    for step in chapter.steps:
        if step.name in SLOW:
            continue
        call = quick(step.call, "").replace("-20:none", "-8:none")
        with few_random_maps():
            names[step.name] = found = own.run(call)
        assert isinstance(found, Result), step.name
        said = step.after(found) if step.after is not None else ()
        for text in said:
            assert text[0].isalpha()
            assert text.endswith((".", ":"))
            assert "nan" not in text.split()
        if step.empty is not None:
            assert isinstance(step.empty(found), bool)


def _classifier(channels, outputs, **settings):
    torch.manual_seed(0)
    body = [nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, outputs)]
    return cnnviz.Model(nn.Sequential(*body, *head).eval(), **settings)


SMALL = cnnviz.Preprocessing(32, (32, 32), (0.5,) * 3, (0.25,) * 3)
GREY = cnnviz.Preprocessing(32, (32, 32), (0.5,), (0.25,))
NO_SOFTMAX = "From scores to probabilities, and to the loss is left out. "
KINDS = {
    "one logit": (lambda: _classifier(3, 1, preprocessing=SMALL, output="logit"), None),
    "one number": (lambda: _classifier(3, 1, preprocessing=SMALL), NO_SOFTMAX),
    "embedding": (lambda: _classifier(3, 8, preprocessing=SMALL, output="embedding"), NO_SOFTMAX),
    "one channel": (lambda: _classifier(1, 10, preprocessing=GREY), None),
    "LeNet-5": (lambda: cnnviz.load("lenet5-1998", "random"), None),
}
OF_THE_NETWORK = ("pixels", "pooling", "arithmetic", "classification", "challenges", "heatmaps")


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_another_kind_has_its_lecture_and_what_it_lacks_is_said(kind, photo):
    make, left_out = KINDS[kind]
    begun = begin(make(), Loading("model", ""), photo, photo.name, "shapes")
    run = Run(begun, Steps())
    told = [run.section(1, one) for one in CHAPTERS if one.key in OF_THE_NETWORK]
    assert run.failures == []
    notes = [note for section in told for note in section.notes]
    assert len(notes) == (left_out is not None)
    for note in notes:
        assert note.startswith(left_out)
        assert "no softmax over the classes" in note
    for section in told:
        assert section.pictures or section.notes
        for picture in section.pictures:
            assert "nan" not in " ".join(picture.after).split()


@pytest.fixture(scope="module")
def beginning(photo):
    return begin(small_model(), Loading("model", "--model shapes"), photo, photo.name, "shapes")
