"""The page: whole, escaped, and with nothing from elsewhere."""

import base64
import hashlib
import re

import pytest

from tests.helpers.markup import Markup
from tests.helpers.report_model import HOSTILE

PAGES = ["saved", "saved_several", "saved_hostile"]


@pytest.fixture(params=PAGES)
def manifest(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["page", "single_file"])
def page(request, manifest):
    return getattr(manifest, request.param).read_text("utf-8")


@pytest.fixture
def markup(page):
    return Markup.of(page)


def test_every_element_is_closed(markup):
    assert markup.faults == []


def test_ids_are_unique_and_every_link_inside_the_page_leads_somewhere(markup):
    assert len(set(markup.ids)) == len(markup.ids)
    targets = [link.attributes["href"] for link in markup.all("a")]
    inside = {target[1:] for target in targets if target.startswith("#")}
    assert inside
    assert inside <= set(markup.ids)


def test_every_section_is_in_the_table_of_contents(markup):
    sections = {part.attributes["id"] for part in markup.all("section")}
    contents = [nav for nav in markup.all("nav") if nav.attributes["aria-label"] == "Contents"]
    linked = {link.attributes["href"].removeprefix("#") for link in markup.all("a")}
    assert sections <= linked
    assert len(contents) == 2


def test_the_policy_allows_exactly_the_page_s_own_style_and_script(page, markup):
    policy = next(
        meta.attributes["content"]
        for meta in markup.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag in ("style", "script"):
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(blocks) == 1
        digest = base64.b64encode(hashlib.sha256(blocks[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_nothing_stands_inline_that_the_policy_would_block(markup):
    for element in markup.elements:
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]


def test_nothing_comes_from_elsewhere(page, markup):
    for element in markup.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            address = element.attributes.get(name, "")
            assert not re.match(r"(?!data:image/)([a-z]+:|//)", address, re.IGNORECASE), address
    assert "@import" not in page
    assert not re.search(r"url\(", page)


def test_every_picture_has_a_size_and_words(markup):
    pictures = [image for image in markup.all("img") if image.attributes.get("id") != "enlarged"]
    assert pictures
    for image in pictures:
        assert len(image.attributes["alt"]) > 8
        assert int(image.attributes["width"]) > 0
        assert int(image.attributes["height"]) > 0
    captions = [caption.text.strip() for caption in markup.all("figcaption")]
    assert all(len(text) > 20 for text in captions[:-1])


def test_the_pictures_of_the_page_are_the_files_beside_it(manifest):
    page = Markup.of(manifest.page.read_text("utf-8"))
    sources = {image.attributes["src"] for image in page.all("img") if "src" in image.attributes}
    links = {
        link.attributes["href"]
        for link in page.all("a")
        if "enlarge" in link.attributes.get("class", "")
    }
    files = {entry.path for entry in manifest.files if entry.path.startswith("pictures/")}
    assert sources == files
    assert links <= sources


def test_the_single_file_needs_no_file_beside_it(manifest):
    page = Markup.of(manifest.single_file.read_text("utf-8"))
    sources = [image.attributes["src"] for image in page.all("img") if "src" in image.attributes]
    assert sources
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert base64.b64decode(sources[0].partition(",")[2])[8:12] == b"WEBP"


def test_hostile_names_are_text(saved_hostile):
    for path in (saved_hostile.page, saved_hostile.single_file):
        markup = Markup.of(path.read_text("utf-8"))
        assert len(markup.all("script")) == 1
        assert "alert" not in markup.all("script")[0].text
        assert HOSTILE in markup.text
        assert HOSTILE.replace("/", "") in markup.text


def test_hostile_names_make_safe_files(saved_hostile):
    for entry in saved_hostile.files:
        assert re.fullmatch(r"((pictures|arrays)/)?[A-Za-z0-9][A-Za-z0-9._-]*", entry.path)
    assert any(
        entry.path.startswith("pictures/script-alert-1-script") for entry in saved_hostile.files
    )


def test_one_image_has_its_answer_at_the_head(single, saved):
    markup = Markup.of(saved.page.read_text("utf-8"))
    best = single.answers[0].best
    assert best.category in markup.all("h1")[0].text
    assert len(markup.all("h1")) == 1
    assert len(markup.all("rect")) == 2 * len(single.answers[0].guesses)


def test_several_images_have_an_overview_and_a_place_each(several, saved_several):
    markup = Markup.of(saved_several.page.read_text("utf-8"))
    places = [article.attributes["id"] for article in markup.all("article")]
    assert places == ["image-garden", "image-tower"]
    strip = next(part for part in markup.all("ul") if part.attributes.get("class") == "strip")
    for entry in several.answers:
        assert entry.name in strip.text
        assert entry.best.category in strip.text
    assert [part.attributes["id"] for part in markup.all("section")].count("filters") == 1


def test_what_could_not_be_read_is_listed(saved_several):
    markup = Markup.of(saved_several.page.read_text("utf-8"))
    note = next(part for part in markup.all("div") if "refused" in part.attributes.get("class", ""))
    assert "1 image could not be read" in note.text
    assert "broken.jpg" in note.text
