"""The lecture: chapters in their order, every picture with its call, what fails said."""

import html
import json
import shlex

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError, UsageError
from cnnviz.lectures import CHAPTERS, build, lecture
from cnnviz.lectures.beginning import Loading
from cnnviz.lectures.build import choose_chapters
from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.testing.state import differences, network_state
from tests.helpers.report_model import small_model


def test_chapters_come_in_the_order_of_the_course_and_are_numbered(told):
    order = [chapter.key for chapter in CHAPTERS if chapter.key in ("filters", "classification")]
    assert [section.key for section in told.sections] == [*order, "literature"]
    assert [section.title[:2] for section in told.sections[:-1]] == ["1.", "2."]


def test_an_unknown_chapter_is_refused_with_the_ones_there_are():
    with pytest.raises(UsageError, match=r"no chapter 'kernals'\. Did you mean 'kernels'\?$"):
        choose_chapters("kernals")
    assert choose_chapters(None) == CHAPTERS
    assert [one.key for one in choose_chapters("trust, units")] == ["units", "trust"]


def test_a_network_of_signals_is_refused():
    signals = cnnviz.Model(nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten()))
    with pytest.raises(UsageError, match=r"^'lecture' is for networks of images, .* takes signals"):
        lecture(signals, torch.zeros(1, 1, 32), "filters")


def test_every_picture_has_the_call_and_the_command_that_make_it(told, photo):
    pictures = [picture for section in told.sections for picture in section.pictures]
    steps = {step.name: step for chapter in CHAPTERS for step in chapter.steps}
    assert len(pictures) >= 3
    for picture in pictures:
        name, _, call = picture.code.partition(" = ")
        assert steps[name].call == call
        assert "{" not in picture.command
        assert picture.command.startswith("cnnviz ")
    assert any(
        "'my-garden.png'" in one.command or "my-garden.png" in one.command for one in pictures
    )


def test_the_picture_is_that_of_its_call(told, photo):
    (section,) = [one for one in told.sections if one.key == "filters"]
    shown = next(one for one in section.pictures if one.code.startswith("kernels"))
    expected = cnnviz.filters(small_model())
    assert np.array_equal(shown.arrays["kernels"], expected.kernels)
    assert shown.caption == expected.caption()


def test_what_a_network_cannot_show_is_left_out_in_a_sentence(photo, monkeypatch):
    steps = (
        Step("nothing", "What there is not", 'cnnviz.feature_maps(capture, "nothing")'),
        Step("kernels", "What there is", "cnnviz.filters(model)"),
    )
    monkeypatch.setattr(build, "CHAPTERS", (Chapter("odd", "Odd", ("Words.",), steps),))
    (section,) = lecture(small_model(), photo).sections
    (note,) = section.notes
    assert note.startswith("What there is not is left out. ")
    assert "'nothing'" in note
    assert [picture.title for picture in section.pictures] == ["What there is"]


def test_what_an_earlier_picture_shows_is_not_shown_again_on_another_network(photo, monkeypatch):
    steps = (
        Step("nothing", "What there is not", 'cnnviz.feature_maps(capture, "nothing")'),
        Step("kernels", "What there is", "cnnviz.filters(model)"),
        Step("other", "In its place", "cnnviz.filters(model)", in_place_of="nothing"),
        Step("again", "The same again", "cnnviz.filters(model)", in_place_of="kernels"),
    )
    monkeypatch.setattr(build, "CHAPTERS", (Chapter("odd", "Odd", ("Words.",), steps),))
    (section,) = lecture(small_model(), photo).sections
    assert [picture.title for picture in section.pictures] == ["What there is", "In its place"]
    assert len(section.notes) == 1


def test_what_goes_on_from_what_is_left_out_is_left_out_in_a_sentence(photo, monkeypatch):
    steps = (
        Step("nothing", "What there is not", 'cnnviz.feature_maps(capture, "nothing")'),
        Step("more", "More of it", "cnnviz.feature_maps(capture, [nothing.layer for _ in stages])"),
        Step("kernels", "What there is", "cnnviz.filters(model)"),
    )
    monkeypatch.setattr(build, "CHAPTERS", (Chapter("odd", "Odd", ("Words.",), steps),))
    (section,) = lecture(small_model(), photo).sections
    assert section.notes[1] == "More of it is left out, which goes on from: What there is not."
    assert [picture.title for picture in section.pictures] == ["What there is"]


def test_what_breaks_is_told_at_its_place_and_at_the_end_and_the_rest_goes_on(
    photo, monkeypatch, tmp_path
):
    steps = (
        Step("broken", "What breaks", "capture.activations[stages[0]].no_such_thing()"),
        Step("words", "Words", "cnnviz.filters(model)", after=lambda _: next(iter(()))),
        Step("kernels", "What there is", "cnnviz.filters(model)"),
    )
    monkeypatch.setattr(build, "CHAPTERS", (Chapter("odd", "Odd", ("Words.",), steps),))
    made = lecture(small_model(), photo)
    (section,) = made.sections
    broken, words = section.notes
    assert broken.startswith("What breaks is missing, by a fault in cnnviz (AttributeError: ")
    assert words.startswith("Words is missing, by a fault in cnnviz (StopIteration")
    assert [picture.title for picture in section.pictures] == ["What there is"]
    saved = made.save(tmp_path / "course")
    page = html.unescape(saved.page.read_text("utf-8"))
    assert page.count(broken) == page.count(words) == 2
    assert page.index("What broke") < page.rindex(broken)
    first, second = json.loads(saved.data.read_text("utf-8"))["failures"]
    assert "no_such_thing" in first["trace"]
    assert second["error"] == "StopIteration"


def test_ctrl_c_ends_a_lecture(photo, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    step = Step("kernels", "Kernels", "cnnviz.filters(model)", after=stop)
    monkeypatch.setattr(build, "CHAPTERS", (Chapter("odd", "Odd", ("Words.",), (step,)),))
    with pytest.raises(KeyboardInterrupt):
        lecture(small_model(), photo)


def test_no_command_is_told_where_none_loads_the_network(photo):
    made = lecture(small_model(), photo, "kernels,filters")
    commands = {one.name: one.command for part in made.sections for one in part.pictures}
    assert commands["01-blur"] == "cnnviz convolve my-garden.png --kernel gaussian_5"
    assert commands["02-kernels"] == ""


def test_the_literature_has_the_works_that_the_chosen_chapters_name(photo):
    (*_, section) = lecture(small_model(), photo, "kernels").sections
    assert section.title == "Literature"
    _, *works = section.lead
    assert [work.partition(",")[0] for work in works] == ["D. Marr and E. Hildreth"]


def test_a_shipped_network_at_hand_is_loaded_by_its_name():
    assert Loading.of_model(cnnviz.load("shapes")) == Loading.of("shapes-plain")
    assert Loading.of_model(small_model()).options == ""


def test_random_weights_and_a_guessed_preparation_are_told_first(photo):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = cnnviz.Model(module.eval(), untrained=True)
    first, doubt, *_ = lecture(model, photo, "filters").notes
    assert first.startswith("The weights of this network are random")
    assert doubt == model.doubt != ""


def test_a_photo_in_a_list_of_one_is_taken_as_it_is(photo, tmp_path):
    made = lecture(small_model(), [photo], "kernels")
    section, _ = made.sections
    assert section.notes == ()
    dict(made.beside)["my-garden.png"](tmp_path / "photo")
    assert (tmp_path / "photo").read_bytes() == photo.read_bytes()


def test_what_was_said_of_the_network_stands_in_calls_and_commands():
    assert Loading.of("shapes") == Loading("cnnviz.load('shapes')", "--model shapes")
    found = Loading.of(
        "my net.py:make", "a.pt", preparation={"resize": "36"}, categories="my names.txt"
    )
    assert found.code == (
        "cnnviz.load('my net.py:make', 'a.pt', categories='my names.txt', "
        "preprocessing={'resize': '36'})"
    )
    assert shlex.split(found.options) == [
        *("--model", "my net.py:make", "--weights", "a.pt"),
        *("--categories", "my names.txt", "--resize", "36"),
    ]


def test_what_there_is_none_of_is_told_in_place_of_a_picture(photo, monkeypatch):
    step = Step("skips", "Skips", "cnnviz.skip_connections(model, photo)", empty=_no_blocks)
    monkeypatch.setattr(build, "CHAPTERS", (Chapter("odd", "Odd", ("Words.",), (step,)),))
    (section,) = lecture(small_model(), photo).sections
    assert section.pictures == ()
    (note,) = section.notes
    assert "no residual addition" in note


def _no_blocks(found):
    return not found.blocks


def test_a_network_without_maps_is_refused(photo):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval()
    small = cnnviz.Preprocessing(32, (32, 32), (0.5,) * 3, (0.25,) * 3)
    model = cnnviz.Model(flat, preprocessing=small)
    with pytest.raises(LayerError, match="no layer that is known to hold a map"):
        lecture(model, photo, "filters")


@pytest.mark.parametrize(
    "given", [torch.zeros(1, 3, 32, 32), [np.zeros((40, 40, 3), np.uint8)] * 2]
)
def test_a_lecture_is_about_one_photo(given):
    with pytest.raises(UsageError, match="about one photo"):
        lecture(small_model(), given, "filters")


def test_the_network_is_left_as_it_was(photo):
    model = small_model()
    before = network_state(model.module)
    lecture(model, photo, "filters,heatmaps")
    assert differences(before, network_state(model.module)) == []


def test_the_page_shows_words_pictures_and_calls(saved):
    assert saved.page.name == "lecture.html"
    page = saved.page.read_text("utf-8")
    assert "cnnviz <span>lecture</span>" in page
    for chapter in choose_chapters("filters,classification"):
        assert chapter.title in page
        for paragraph in chapter.opening:
            assert paragraph in html.unescape(page)
    assert page.count('<dl class="calls">') >= 3
    assert "cnnviz.filters(model)" in page


def test_the_numbers_and_the_calls_are_in_the_json(saved):
    found = json.loads(saved.data.read_text("utf-8"))
    pictures = [one for section in found["sections"] for one in section["pictures"]]
    assert all(one["code"] and one["command"] for one in pictures)
    kernels = next(one for one in pictures if one["code"].startswith("kernels"))
    assert kernels["after"]
    assert kernels["data"]["view"] == "FilterGrid"


def test_the_photo_lies_beside_the_page(saved, photo):
    copy = saved.directory / "my-garden.png"
    assert copy.read_bytes() == photo.read_bytes()


def test_a_report_says_no_calls(tmp_path, photo):
    made = cnnviz.report(small_model(), photo, "predictions").save(tmp_path / "report")
    assert made.page.name == "report.html"
    assert 'class="calls"' not in made.page.read_text("utf-8")
