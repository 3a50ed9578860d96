"""Numbers, names and lists as people write them, and as file names hold them."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnviz.reports import wording


def test_the_examples_in_the_docstrings_are_right():
    outcome = doctest.testmod(wording)
    assert outcome.attempted >= 7
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (1 - 1e-9, "> 99.9 %"),
        (1e-9, "< 0.1 %"),
        (0.9994, "99.9 %"),
        (0.5, "50.0 %"),
    ],
)
def test_a_percentage_never_rounds_to_certainty_or_to_nothing(share, text):
    assert wording.percent(share) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (999.6, "1.00 k"), (61_706, "61.7 k"), (25_557_032, "25.6 M")],
)
def test_a_large_number_has_three_figures(number, text):
    assert wording.short(number) == text


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("n01882714_koala", "n01882714_koala"),
        ("Ünïcode Wörd", "Unicode-Word"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "image"),
        ("", "image"),
        ("コアラ", "image"),
        (".hidden", "hidden"),
        ("con", "image-con"),
        ("LPT1.png", "image-LPT1.png"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_slug_is_a_safe_file_name(name, slug):
    assert wording.slug(name) == slug


@given(st.text())
def test_every_slug_is_short_plain_and_visible(text):
    slug = wording.slug(text)
    assert 0 < len(slug) <= wording.LONGEST_SLUG + len("image-")
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert slug[0] not in ".-"
    assert not slug.endswith(".")
    assert ".." not in slug


@given(st.lists(st.sampled_from(["a", "A", "a-2", "b"]), max_size=8))
def test_distinct_names_differ_in_every_letter_case(names):
    found = wording.distinct(names)
    assert len({name.lower() for name in found}) == len(names)
    assert all(new.startswith(old) for new, old in zip(found, names, strict=True))


def test_the_name_of_a_picture_drops_folder_and_suffix():
    assert wording.stem("holiday/koala.final.JPEG") == "koala.final"
