"""Numbers and lists as people write them."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cnnviz.results import text
from tests.helpers.each_case import each_case

ROOT = Path(__file__).parents[2]


@each_case(
    ("share", "told"),
    [
        (0.0, "0.0%"),
        (1.0, "100.0%"),
        (1 - 1e-9, "> 99.9%"),
        (1e-9, "< 0.1%"),
        (0.9994, "99.9%"),
        (0.5, "50.0%"),
    ],
)
def test_a_percentage_never_rounds_to_certainty_or_to_nothing(share, told):
    assert text.percent(share) == told


@each_case(
    ("number", "told"),
    [(0, "0"), (999, "999"), (999.6, "1.00 k"), (61_706, "61.7 k"), (25_557_032, "25.6 M")],
)
def test_a_large_number_has_three_figures(number, told):
    assert text.short(number) == told


@each_case(
    ("value", "told"),
    [
        (0, "0"),
        (3.14159, "3.14"),
        (4779.6, "4780"),
        (0.00051234, "5.1e-04"),
        (-0.5, "−0.5"),
        (1e7, "1.0e+07"),
    ],
)
def test_a_measured_number_is_short(value, told):
    assert text.number(value) == told


@each_case(("seconds", "told"), [(0.2, "1 s"), (80, "80 s"), (300, "5 min"), (9000, "2.5 h")])
def test_a_guessed_time_is_no_more_exact_than_a_guess(seconds, told):
    assert text.estimated_time(seconds) == told


@given(st.lists(st.text("ab", min_size=1, max_size=2), max_size=9), st.integers(1, 6))
def test_a_list_accounts_for_every_word(words, most):
    told = text.listed(words, most)
    assert "and 1 more" not in told
    named = told.replace(" and ", ", ").split(", ") if told else []
    if named and named[-1].endswith(" more"):
        assert named[:-1] == words[:most]
        assert int(named[-1].split()[0]) == len(words) - most
    else:
        assert named == words


@dataclass(frozen=True)
class _Refused:
    name: str
    reason: str


def test_what_was_refused_is_named_with_its_reason_and_the_rest_counted():
    refused = [_Refused(f"{letter}.jpg", "it is broken") for letter in "abc"]
    assert text.reasons(refused[:1], 1) == "a.jpg: it is broken"
    assert text.reasons(refused, 1) == "a.jpg: it is broken; and 2 more"


@each_case(("most", "told"), [(10, "abcdefghij"), (9, "abcd…ghij"), (8, "abcd…hij")])
def test_a_name_is_shortened_in_the_middle(most, told):
    assert text.shortened("abcdefghij", most) == told


@given(st.text("abc", max_size=20), st.integers(3, 20), st.sampled_from(["start", "middle", "end"]))
def test_a_shortened_name_fits_and_keeps_its_ends(name, most, cut):
    told = text.shortened(name, most, cut)
    if len(name) <= most:
        assert told == name
        return
    assert len(told) == most
    begin, _, end = told.partition("…")
    assert name.startswith(begin)
    assert name.endswith(end)
    assert bool(begin) == (cut != "start")
    assert bool(end) == (cut != "end")


@each_case(("number", "told"), [(0, "0 images"), (1, "1 image"), (2000, "2,000 images")])
def test_a_noun_agrees_with_its_number(number, told):
    assert text.plural(number, "image") == told


@each_case(
    ("value", "said"),
    [(3, "an int"), ("a", "a str"), ([], "a list"), (OrderedDict(), "an OrderedDict")],
)
def test_a_kind_has_its_article(value, said):
    assert text.kind_of(value) == said
    assert text.kind_of(value, begins=True) == said[0].upper() + said[1:]


def test_percentages_are_written_in_one_way_in_every_text():
    apart = re.compile(r"[0-9}`][ \u00a0]%(?=[\s.,;:)\"'/]|$)")
    sources = [path for folder in ("cnnviz", "gallery", "cli") for path in texts(folder)]
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    said = [path.read_text(encoding="utf-8") for path in (*sources, *pages)]
    remainder = re.compile(r"[\w\])] % [\w(]")  # of a division, in code
    found = [match.group() for text in said for match in apart.finditer(remainder.sub("", text))]
    assert len(said) > 300
    assert found == []


def test_no_share_that_is_measured_is_rounded_to_none_or_to_all():
    """As `percent` and `whole_percent` do not; these are settings, or lie far from both ends."""
    said = [path.read_text("utf-8") for folder in ("cnnviz", "gallery") for path in texts(folder)]
    plain = {found for text in said for found in re.findall(r"\{([^{}]+):z?\.[01]%\}", text)}
    settings = {"self.level", "SURE", "found.near", "approximate", "1.0 - self.hop / self.window"}
    assert plain == settings | {"share", "swing", "largest / whole"}


def texts(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))
