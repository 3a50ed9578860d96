"""What the pages claim of classes stands with its count and interval, or is not claimed."""

import html
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch

from cnnviz.datasets import open_dataset
from cnnviz.models import Model
from cnnviz.pages.html_assets import environment
from cnnviz.passes.call_order import call_order
from cnnviz.results.aligned_numbers import share_between
from cnnviz.results.intervals import wilson
from cnnviz.results.text import layer_said
from cnnviz_gallery.scan.class_contrast import class_contrast
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.site import class_pages, layer_pages
from cnnviz_gallery.site.build import build
from tests.helpers.gallery.tiny import Tiny

if TYPE_CHECKING:
    from cnnviz_gallery.scan.layer_result import LayerResult
    from cnnviz_gallery.site.context import SiteContext


def text_of(path):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", path.read_text("utf-8")))


def test_nothing_is_claimed_of_classes_with_three_images_each(tiny_scan, tiny_site):
    assert set(tiny_scan.group_counts.tolist()) == {3}
    folder = tiny_site / "models/tiny"
    for path in folder.glob("*/*.html"):
        text = path.read_text("utf-8")
        assert "xcited most by" not in text
        assert "electivity" not in text
        assert "Classes that excite it" not in text
        assert not re.search(r"\d %[^<]*of those (labelled|called) so", text)
    unit = text_of(folder / "mixed/4.html")
    assert "that takes 10 images of two classes or more, and there are at most 3 of one" in unit
    assert "the patches of its most active channels" in text_of(folder / "index.html")
    found = re.search(r"Recall (\d) of 3 ", text_of(next((folder / "classes").glob("0-*.html"))))
    assert found, "a count, and no share of three"


def test_a_unit_that_one_image_excites_does_not_stand_for_its_layer() -> None:
    """Its selectivity is 1, the greatest there is, and no class stands out at it."""
    channels = layer_pages.STRIP + 2
    contrast = SimpleNamespace(
        selectivity=np.array([1.0, 0.9, np.nan, *[0.5] * (channels - 3)]),
        clear=np.array([False, True, False, *[True] * (channels - 3)]),
    )
    layer = SimpleNamespace(layer="conv", channels=channels, activity=np.ones(channels))
    subject = SimpleNamespace(contrasts={"conv": contrast})
    shown = layer_pages.shown(cast("SiteContext", subject), cast("LayerResult", layer))
    assert shown == [1, *range(3, channels)]


@pytest.fixture(scope="module")
def many_site(tiny, tmp_path_factory):
    """A site of the tiny network's last layer, with enough images of each class."""
    data = open_dataset("shapes", 120)
    found = scan(tiny, data, "head", settings=ScanSettings(sample=12))
    home = build(found, tiny, data, tmp_path_factory.mktemp("many") / "site").home
    return found, home.parent / "models/tiny"


def test_claims_of_classes_stand_with_their_counts_and_intervals(many_site):
    found, folder = many_site
    layer = found.layer("head")
    contrast = class_contrast(layer, found.group_counts)
    for channel in range(layer.channels):
        page = text_of(folder / f"head/{channel}.html")
        claimed = bool(contrast.clear[channel]) and contrast.selectivity[channel] >= 0.2
        assert ("and excited most by" in page) == claimed
        if contrast.top[channel] < 0:
            assert "Selectivity" not in page
            continue
        numbers = (contrast.selectivity, contrast.low, contrast.high)
        one, low, high = (f"{values[channel]:.2f}" for values in numbers)
        assert f"Selectivity {one} ({low} to {high})" in page
        top = int(contrast.top[channel])
        told = r"12 images (\S+) \((\S+) to (\S+)\)"
        said = re.findall(rf"{found.groups[top]} {told}", page)[0]
        places = len(said[1].partition(".")[2])
        numbers = (contrast.means, contrast.least, contrast.most)
        assert said == tuple(f"{float(values[channel, top]):.{places}f}" for values in numbers)
        below = re.findall(told, page)
        assert {len(one.partition(".")[2]) for several in below for one in several} == {places}
        assert not any(float(low) < 0.0 for _, low, _ in below), below
        assert "its 95% interval (Student's t, carried over to the logarithm" in html.unescape(page)
    for path in ("head/0.html", "head/index.html"):
        assert (
            "theirs is that of the means over the positions of a map. In brackets its 95% interval"
            in text_of(folder / path)
        )
    tiles = (folder / "head/index.html").read_text("utf-8")
    assert 'data-sort="selectivity"' in tiles
    assert "over 120 images of 10 classes with 10 or more" in tiles


def test_shares_of_a_class_stand_with_their_counts_and_intervals(many_site):
    found, folder = many_site
    for index, path in enumerate(sorted((folder / "classes").glob("*-*.html"), key=_place)):
        labelled = found.answers.labels == index
        right = int((labelled & (found.answers.top == index)).sum())
        share = share_between(right / 12, *wilson(right, 12))
        text = text_of(path).replace("\u00a0", " ")
        assert f"Recall {share}" in text
        assert f"{right} of 12, of those with this label" in path.read_text("utf-8")


def test_images_of_which_nothing_says_what_they_show_are_no_right_answers(many_site):
    """They once counted as right in precision, and as images with the label of the class."""
    found, _ = many_site
    labels = found.answers.labels.copy()
    labels[::3] = -1
    subject = SimpleNamespace(
        scan=replace(found, answers=replace(found.answers, labels=labels)), class_files=[""] * 10
    )
    met = 0
    for index, each in enumerate(class_pages.members(subject)):
        called = found.answers.top == index
        right, told = int((labels[called] == index).sum()), int((labels[called] >= 0).sum())
        assert (each.right, each.unknown) == (right, int(called.sum()) - told)
        assert f"; {right} of the {each.labelled} images" in class_pages._lead(subject, each)
        precise = [fact for fact in class_pages._facts(subject, each) if fact.label == "Precision"]
        assert len(precise) == (told > 0)
        assert not precise or f"{right} of {told}" in f"{precise[0].value} {precise[0].title}"
        met += each.unknown > 0
    assert met


def test_a_class_says_of_which_layer_its_map_is(many_site, tiny):
    _, folder = many_site
    last = call_order(tiny, torch.zeros(1, 3, 32, 32)).stages()[-1]
    pages = [text_of(path) for path in (folder / "classes").glob("*-*.html")]
    told = [page for page in pages if "Grad-CAM" in page]
    assert told
    assert all(f"Grad-CAM at {layer_said(last)}" in " ".join(page.split()) for page in told)


@pytest.mark.parametrize("count", [1, 2])
def test_maps_of_an_answer_that_never_changes_are_not_where_the_network_looks(tiny, count) -> None:
    dead = Tiny().eval()
    torch.nn.init.zeros_(dead.mixed.weight)
    torch.nn.init.zeros_(dead.head.weight)
    pixels = np.random.default_rng(0).integers(0, 255, (count, 32, 32, 3), np.uint8)
    images = SimpleNamespace(
        pixels=pixels.__getitem__,
        tensors=lambda places: torch.from_numpy(pixels[places]).permute(0, 3, 1, 2) / 255.0,
    )
    places = np.arange(count)
    found = class_pages.Members(places, places[:0], places[:0], 0)
    said = []
    for module in (dead, tiny.module):
        model = Model(module, name="tiny", preprocessing=tiny.preprocessing)
        subject = cast("SiteContext", SimpleNamespace(model=model, images=images))
        drawn = class_pages.mean_map(subject, found)
        assert drawn is not None
        said.append(class_pages._map_words(count, drawn[1]))
    constant, real = said
    assert "not evidence: nothing tried moves the score" in constant
    assert "where the network looks" not in constant
    assert count == 1 or "Of 2 of 2 maps: " in constant
    assert real.endswith("bright is where the network looks.")


def test_of_maps_that_are_no_evidence_a_class_says_how_many_there_are() -> None:
    said = class_pages._map_words(3, class_pages.MeanMap("conv", ("no evidence",)))
    assert said.endswith("bright is where the network looks. Of 1 of 3 maps: no evidence.")


def test_the_page_of_a_layer_named_by_a_number_says_that_it_is_a_layer():
    template = environment("cnnviz_gallery.site").get_template("layer.html.j2")
    given = template.new_context({"page": SimpleNamespace(layer="12"), "model": "net"})
    assert "".join(template.blocks["title"](given)) == "layer 12 · net"


def _place(path):
    return int(path.name.partition("-")[0])


def test_values_and_weights_of_a_list_go_to_one_place_and_words_are_called_what_they_are(many_site):
    _, folder = many_site
    text = (folder / "head/0.html").read_text("utf-8")
    assert "greatest values and their labels, each cut" in text
    lists = re.findall(r"<ol class=\"(?:examples|connections).*?</ol>", text, re.DOTALL)
    assert len(lists) >= 4
    for each in lists:
        values = re.findall(r'class="value">\u2212?([^<]*)<', each)
        assert len({len(value.partition(".")[2]) for value in values}) == 1, values


def test_a_missed_image_has_the_answer_and_not_the_label_of_the_page(many_site):
    _, folder = many_site
    pages = [path.read_text("utf-8") for path in (folder / "classes").glob("*-*.html")]
    missed = [page.partition('id="missed"')[2].partition("</ol>")[0] for page in pages]
    assert any("<li>" in part for part in missed)
    assert not any('class="label"' in part for part in missed)


def test_there_is_no_tile_for_what_sends_nothing_back(many_site):
    found, folder = many_site
    layer = found.layer("head")
    met = 0
    for channel in range(layer.channels):
        text = (folder / f"head/{channel}.html").read_text("utf-8")
        sent = int((layer.strongest.values[channel] > 0.0).sum())
        assert text.count('alt="What it sends back"') == sent
        assert ("sends nothing back" in text) == (sent < 9)
        met += sent < 9
        assert 'class="none"' not in text, "there is no empty box where no unit has a face"
    assert met


def test_labels_that_are_no_class_of_the_network_are_told_as_labels(tiny, tmp_path):
    from PIL import Image

    rows = ["path,label"]
    for place, label in enumerate((0, 99, 3, -1, 10)):
        Image.new("RGB", (32, 32), (50 * place, 20, 90)).save(tmp_path / f"{place}.png")
        rows.append(f"{place}.png,{label}")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    data = open_dataset(tmp_path / "list.csv")
    found = scan(tiny, data, "head", settings=ScanSettings(sample=5))
    home = build(found, tiny, data, tmp_path / "site").home
    pages = "".join(map(text_of, (home.parent / "models/tiny/classes").glob("*.html")))
    assert "label 99" in pages
    assert any("1.png with the label 99, where they go from 0 to" in note for note in found.notes)
    assert "label 10" in pages
