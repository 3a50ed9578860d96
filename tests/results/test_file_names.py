"""Names of images and layers as file names hold them."""

from hypothesis import given
from hypothesis import strategies as st

from cnnviz.results import file_names
from tests.helpers.each_case import each_case


@each_case(
    ("name", "slug"),
    [
        ("n01882714_koala", "n01882714_koala"),
        ("Ünïcode Wörd", "Unicode-Word"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "image"),
        (".", "image"),
        ("/etc/up", "etc-up"),
        ("a/../../up", "a-.-.-up"),
        ("~/up", "up"),
        ("\0up", "up"),
        ("", "image"),
        ("コアラ", "image"),
        (".hidden", "hidden"),
        ("con", "image-con"),
        ("LPT1.png", "image-LPT1.png"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_slug_is_a_safe_file_name(name, slug):
    assert file_names.slug(name) == slug


@given(st.text())
def test_every_slug_is_short_plain_and_visible(text):
    slug = file_names.slug(text)
    assert 0 < len(slug) <= file_names.LONGEST_SLUG + len("image-")
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert slug[0] not in ".-"
    assert not slug.endswith(".")
    assert ".." not in slug


@given(st.lists(st.sampled_from(["a", "A", "a-2", "b"]), max_size=8))
def test_distinct_names_differ_in_every_letter_case(names):
    found = file_names.distinct(names)
    assert len({name.lower() for name in found}) == len(names)
    assert all(new.startswith(old) for new, old in zip(found, names, strict=True))


def test_the_name_of_a_picture_drops_folder_and_suffix():
    assert file_names.stem("holiday/koala.final.JPEG") == "koala.final"
