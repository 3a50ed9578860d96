"""The site as files: whole, small, escaped, and made anew only where something changed."""

import copy
import errno
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch

from cnnviz.datasets import open_dataset
from cnnviz.errors import OutputError, UsageError
from cnnviz.models import Model
from cnnviz_gallery.scan.layer_result import layer_of_arrays
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.site import build as building
from cnnviz_gallery.site import content, layer_pages, site_folder, unit_pages
from cnnviz_gallery.site.build import build
from cnnviz_gallery.site.image_cache import ImageCache
from cnnviz_gallery.site.own_content import XMP
from cnnviz_gallery.site.render import assets, render
from cnnviz_gallery.site.sprites import face
from tests.helpers.gallery.tiny import tiny_model

HOSTILE = "<script>alert(1)</script> \"q\" 'r' & {{ 7 * 7 }}"
UNIT_BYTES, LAYER_BYTES = 45_000, 600_000


class Page(HTMLParser):
    """What a page links to and shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.addresses += [found[name] for name in ("href", "src") if found.get(name)]
        if tag == "img":
            self.images.append(found)


@pytest.fixture(scope="module")
def short_scan(tiny_scan):
    """Return a scan of two layers, where a site of five would show no more."""
    return replace(tiny_scan, layers=tiny_scan.layers[:2])


@pytest.fixture(scope="module")
def short_site(tiny, tiny_data, short_scan, tmp_path_factory):
    return build(short_scan, tiny, tiny_data, tmp_path_factory.mktemp("short") / "site").home.parent


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_unit_and_class_has_a_page_at_its_address(tiny_site, tiny_scan):
    home = tiny_site / "models" / "tiny"
    for layer in tiny_scan.layers:
        for channel in range(layer.channels):
            assert (home / layer.layer / f"{channel}.html").is_file()
        tiles = (home / layer.layer / "index.html").read_text("utf-8")
        assert len(re.findall(r'<li data-v="', tiles)) == layer.channels
    assert len(list((home / "classes").glob("[0-9]*.html"))) == 10


def test_a_network_of_less_than_a_million_macs_does_not_have_0_million(tiny_site):
    page = (tiny_site / "models" / "tiny" / "index.html").read_text("utf-8")
    places = 16 * 16
    macs = places * (6 * 3 * 25 + 4 * 6 + 5 * 6 * 9 + 9 * 9 * 9) + 10 * 36
    assert f"<dt>MACs</dt><dd>{macs:,}</dd>" in page


def test_every_address_is_relative_and_leads_to_a_file(tiny_site):
    reached, waiting = set(), [tiny_site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for address in Page(path).addresses:
            if address.startswith("data:image/png;base64,"):
                continue
            assert not re.match(r"[a-z]+:|/", address), address
            target = (path.parent / unquote(address.partition("#")[0])).resolve()
            if address.startswith("#"):
                continue
            assert target.is_file(), f"{path} leads to {address}"
            if target.suffix == ".html":
                waiting.append(target)
    assert reached == set(tiny_site.rglob("*.html"))


def test_pictures_have_sizes_and_words(tiny_site):
    for path in tiny_site.rglob("*.html"):
        for image in Page(path).images:
            assert int(image["width"] or 0) > 0
            assert int(image["height"] or 0) > 0
            assert "alt" in image
    unit = Page(tiny_site / "models/tiny/mixed/4.html")
    assert all(
        re.match(r"mixed:4 is -?[\d.e-]+ in shapes", image["alt"] or "")
        for image in unit.images[:18:2]
    )


def test_pages_allow_nothing_but_what_lies_beside_them(tiny_site):
    for path in tiny_site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert "default-src &#39;none&#39;" in text
        assert "unsafe" not in text
        assert " style=" not in text
        assert not re.search(r"<script(?! src=)", text)
        assert not re.search(r"\son\w+=", text)


def test_whatever_the_stylesheet_takes_has_a_value():
    css = assets()["gallery.css"]
    taken = set(re.findall(r"var\((--[a-z-]+)", css))
    assert {"--paper", "--half", "--x"} <= taken
    assert taken <= set(re.findall(r"(--[a-z-]+):", css))


def places_of(value: str) -> int:
    return len(value.partition(".")[2])


def test_the_greatest_value_has_the_figures_that_stand_below_its_patch(tiny_site):
    said, pages = re.compile(r"Greatest value</dt><dd>([^<]+).*?class=.value.>([^<]+)", re.S), 0
    for path in sorted(tiny_site.glob("models/tiny/*/*.html")):
        for greatest, first in said.findall(path.read_text("utf-8")):
            # Patches below zero may reach further from it, and have fewer figures.
            assert len(first) <= len(greatest), path
            one, other = (float(text.replace("\u2212", "-")) for text in (first, greatest))
            assert one == pytest.approx(other, abs=0.5 * 10 ** -places_of(first))
            pages += 1
    assert pages > 5
    assert unit_pages._in_figures(12.04) == "12.0"
    assert unit_pages._in_figures(float("nan")) == "not known"


def test_a_channel_that_is_never_above_zero_says_so(tiny_site):
    page = (tiny_site / "models/tiny/right/2.html").read_text("utf-8")
    assert "Never above zero, at any position" in page
    assert "Where it comes nearest to zero" in page
    tiles = (tiny_site / "models/tiny/right/index.html").read_text("utf-8")
    assert tiles.count('class="silent"') == 1
    assert "1 channel is never above zero" in tiles


def test_a_unit_page_with_its_pictures_is_small(shapes_model, shapes_data, shapes_scan, tmp_path):
    # Of the layer whose units see more: the pages of the first are smaller. Of its 96 units twelve,
    # which have the largest page of all among them.
    layer = shapes_scan.layers[1]
    few = {name: values[:12] for name, values in layer.arrays().items()}
    counted = (layer.images, layer.positions, few)
    units = layer_of_arrays(layer.layer, (12, *layer.shape[1:]), *counted)
    build(replace(shapes_scan, layers=(units,)), shapes_model, shapes_data, tmp_path / "site")
    sizes = {
        path: path.stat().st_size + path.with_suffix(".webp").stat().st_size
        for path in (tmp_path / "site/models").rglob("*.html")
        if path.stem.isdigit()
    }
    assert len(sizes) == 12
    assert max(sizes.values()) <= UNIT_BYTES


def test_a_layer_page_of_512_channels_is_small(shapes_data):
    generator = np.random.default_rng(0)
    photos = [shapes_data.read(at).image.pixels for at in range(24)]

    def crop():
        top, left = generator.integers(0, 40, 2)
        return photos[generator.integers(len(photos))][top : top + 50, left : left + 50]

    drawn = layer_pages.draw([face([crop() for _ in range(4)]) for _ in range(512)])
    tile = content.Tile(15, 31, "features.12.expand3x3:511, strongest 12.3")
    entry = content.ChannelTile(511, 0, tile, 12.34, 0.5678, 0.9876, silent=False)
    page = content.LayerPage(
        "features.12.expand3x3",
        "Conv2d",
        "All",
        (),
        (content.Sheet("tiles-0.webp", 1152, 2304),),
        (entry,) * 512,
        0,
        "How far one class stands out: (m - o) / (m + o), over 300 images of 10 classes",
        None,
        None,
    )
    text = render("layer", 3, [], model="squeezenet1_0", page=page)
    assert len(text.encode()) + sum(map(len, drawn.values())) <= LAYER_BYTES


def test_a_second_build_writes_nothing(tiny, tiny_data, tiny_scan, tiny_site):
    times = {path: path.stat().st_mtime_ns for path in tiny_site.rglob("*") if path.is_file()}
    built = build(tiny_scan, tiny, tiny_data, tiny_site)
    assert built.written == 0
    assert built.units == sum(layer.channels for layer in tiny_scan.layers)
    assert times == {
        path: path.stat().st_mtime_ns for path in tiny_site.rglob("*") if path.is_file()
    }


def test_only_what_changed_is_made_anew(tiny, tiny_data, tiny_scan, tiny_site, tmp_path):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    (site / "models/tiny/mixed/4.webp").unlink()
    page = site / "models/tiny/left/1.html"
    page.write_text(page.read_text("utf-8").replace("<title>", "<title>old "), "utf-8")
    assert build(tiny_scan, tiny, tiny_data, site).written == 2
    assert contents(site) == contents(tiny_site)


def test_another_way_of_drawing_makes_every_picture_anew(
    tiny, tiny_data, short_scan, short_site, tmp_path, monkeypatch
):
    site = shutil.copytree(short_site, tmp_path / "site")
    drawn = site / "models/tiny/left/3.webp"
    right = drawn.read_bytes()
    drawn.write_bytes(b"RIFF" + b"drawn in the way of old" + XMP)
    build(short_scan, tiny, tiny_data, site)
    assert drawn.read_bytes() != right, "what is there is kept as long as its key is right"
    monkeypatch.setattr(building, "PICTURES_VERSION", building.PICTURES_VERSION + 1)
    build(short_scan, tiny, tiny_data, site)
    assert drawn.read_bytes() == right


def test_a_build_that_is_stopped_again_and_again_goes_on_to_the_same_site(
    tiny, tiny_data, short_scan, short_site, tmp_path
):
    for moment in (0.3, 0.6, 0.9):

        def stop(done, total, what, moment=moment):
            if done >= moment * total:
                raise KeyboardInterrupt

        before = contents(tmp_path / "site")
        with pytest.raises(KeyboardInterrupt):
            build(short_scan, tiny, tiny_data, tmp_path / "site", progress=stop)
        assert not (tmp_path / "site/index.html").exists()
        # Each stops further on.
        assert len(contents(tmp_path / "site")) > len(before)
    build(short_scan, tiny, tiny_data, tmp_path / "site")
    assert contents(tmp_path / "site") == contents(short_site)


def test_progress_tells_the_rate_and_the_time_left(tiny, tiny_data, tiny_scan, tmp_path):
    told = []
    only = replace(tiny_scan, layers=tiny_scan.layers[:1])
    build(only, tiny, tiny_data, tmp_path / "site", progress=lambda *each: told.append(each))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1] == (22, 22, "done")
    assert any(re.search(r"units of first, [\d.]+ units/s, .+ left", what) for *_, what in told)
    told.clear()
    build(only, tiny, tiny_data, tmp_path / "site", progress=lambda *each: told.append(each))
    assert not any("left" in what for *_, what in told)


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tiny, tiny_data, short_scan, short_site, tmp_path, monkeypatch
):
    kept, tried = set(), []
    fills, writes = site_folder._fill, site_folder.write_atomically

    def fill(path, data):
        tried.append(path)
        if len(tried) == 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        fills(path, data)

    def write(path, how):
        writes(path, how)
        kept.add(path.relative_to(tmp_path / "site").as_posix())

    monkeypatch.setattr(site_folder, "_fill", fill)
    monkeypatch.setattr(site_folder, "write_atomically", write)
    with pytest.raises(OutputError, match="No space left on device"):
        build(short_scan, tiny, tiny_data, tmp_path / "site")
    before = contents(tmp_path / "site")
    # How often the state is written anew goes by the clock.
    assert kept <= set(before)
    assert len(kept) > 15
    assert not [name for name in before if "/." in name]
    monkeypatch.undo()
    build(short_scan, tiny, tiny_data, tmp_path / "site")
    assert contents(tmp_path / "site") == contents(short_site)


def test_nothing_but_a_gallery_is_written_over(tiny, tiny_data, tiny_scan, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="is not empty and is not a cnnviz gallery"):
        build(tiny_scan, tiny, tiny_data, tmp_path)
    with pytest.raises(OutputError, match="no folder"):
        build(tiny_scan, tiny, tiny_data, tmp_path / "a" / "b")


def test_a_scan_of_something_else_is_refused(tiny, tiny_scan, shapes_model, tmp_path):
    with pytest.raises(UsageError, match="another network"):
        build(tiny_scan, shapes_model, open_dataset("shapes", 30), tmp_path / "site")
    with pytest.raises(UsageError, match="not what was scanned"):
        build(tiny_scan, tiny, open_dataset("shapes", 29), tmp_path / "site")


def test_a_layer_that_is_no_more_is_removed_and_a_second_network_added(
    tiny, tiny_data, tiny_scan, tiny_site, tmp_path
):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    fewer = replace(tiny_scan, layers=tiny_scan.layers[:2])
    build(fewer, tiny, tiny_data, site)
    assert not (site / "models/tiny/mixed").exists()
    other = tiny_model(name="other")
    build(scan(other, tiny_data, "head"), other, tiny_data, site)
    home = (site / "index.html").read_text("utf-8")
    assert "models/tiny/index.html" in home
    assert "models/other/index.html" in home
    search = (site / "assets/search.js").read_text("utf-8")
    assert '"folder":"other"' in search
    assert "mixed" not in search


def test_what_somebody_put_beside_the_pages_is_never_removed(
    tiny, tiny_data, tiny_scan, tiny_site, tmp_path
):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    names = ("notes.txt", "9999.txt", "9999-fv.docx", "mine/0.html")
    kept = [site / "models/tiny" / layer / name for layer in ("first", "mixed") for name in names]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("years of work")
    page = (site / "models/tiny/first/0.html").read_text("utf-8")
    (site / "models/tiny/first/9999.html").write_text(page, "utf-8")
    build(replace(tiny_scan, layers=tiny_scan.layers[:2]), tiny, tiny_data, site)
    assert [path.read_text() for path in kept] == ["years of work"] * 8
    assert not (site / "models/tiny/first/9999.html").exists()
    left = {path.name for path in (site / "models/tiny/mixed").iterdir()}
    assert left == {name.split("/")[0] for name in names}


def test_a_photo_that_changes_between_scan_and_pages_is_told(tmp_path, tiny, write_photos):
    folder = write_photos("garden.png", "tower.png")
    data = open_dataset(folder)
    found = scan(tiny, data, "left", settings=ScanSettings(sample=4))
    (folder / "garden.png").write_bytes((folder / "tower.png").read_bytes())
    with pytest.raises(UsageError, match="has changed since"):
        build(found, tiny, data, tmp_path / "site")


def test_a_photo_that_changes_while_pages_are_drawn_is_told(
    tmp_path, tiny, write_photos, monkeypatch
):
    folder = write_photos("garden.png", "tower.png")
    data = open_dataset(folder)
    found = scan(tiny, data, "left", settings=ScanSettings(sample=4))
    load = ImageCache.load

    def changing(cache, places):
        load(cache, places)
        (folder / "garden.png").write_bytes((folder / "tower.png").read_bytes())

    monkeypatch.setattr(ImageCache, "load", changing)
    with pytest.raises(UsageError, match="has changed since"):
        build(found, tiny, data, tmp_path / "site")
    site = tmp_path / "site/models/tiny"
    assert not (site / "left/built.json").exists(), "no picture of it is taken for a right one"
    assert not (site / "index.html").exists()


@pytest.mark.parametrize(
    "name", ["index.html", "assets/gallery.js", "models/tiny/index.html", "models/tiny/left/0.webp"]
)
def test_a_forged_list_lets_nothing_of_somebody_else_be_written_over(
    tiny, tiny_data, tiny_scan, tmp_path, name
):
    site = tmp_path / "site"
    (site / name).parent.mkdir(parents=True)
    (site / name).write_text("mine", "utf-8")
    (site / site_folder.MANIFEST).write_text('{"format": "cnnviz gallery 1"}', "utf-8")
    with pytest.raises(OutputError, match="nothing in it says that cnnviz made it"):
        build(tiny_scan, tiny, tiny_data, site)
    assert (site / name).read_text("utf-8") == "mine"


def test_a_forged_list_lets_nothing_of_somebody_else_be_removed(
    tiny, tiny_data, tiny_scan, tiny_site, tmp_path
):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    gone = shutil.copytree(site / "models/tiny/left", site / "models/tiny/gone")
    for name in ("0.html", "0.webp"):
        (gone / name).write_text("mine", "utf-8")
    (site / "models/tiny/left/9.html").write_text("mine", "utf-8")
    build(tiny_scan, tiny, tiny_data, site)
    assert sorted(path.name for path in gone.iterdir()) == ["0.html", "0.webp"]
    assert (site / "models/tiny/left/9.html").read_text("utf-8") == "mine"


def test_networks_that_are_built_at_once_are_all_on_the_home_page(tiny_data, tmp_path):
    names = ("one", "two", "three")
    models = [tiny_model(name=name) for name in names]
    scans = [scan(each, tiny_data, "left", settings=ScanSettings(sample=4)) for each in models]
    with ThreadPoolExecutor(3) as pool:
        work = [
            pool.submit(build, found, model, tiny_data, tmp_path / "site")
            for found, model in zip(scans, models, strict=True)
        ]
        for each in work:
            each.result()
    assert all(name in (tmp_path / "site/index.html").read_text("utf-8") for name in names)
    for found, model in zip(scans, models, strict=True):
        assert build(found, model, tiny_data, tmp_path / "site").written == 0


def test_one_network_that_is_built_twice_at_once_is_one_site(
    tiny_data, tiny_scan, tiny_site, tmp_path
):
    part = replace(tiny_scan, layers=tiny_scan.layers[:1])
    models = [tiny_model() for _ in range(2)]  # drawn before a thread begins, which may draw too
    with ThreadPoolExecutor(2) as pool:
        work = [
            pool.submit(build, found, model, tiny_data, tmp_path / "site")
            for found, model in zip((part, tiny_scan), models, strict=True)
        ]
        for each in work:
            each.result()
    pages = contents(tmp_path / "site")
    layers = {name.split("/")[2] for name in pages if name.count("/") == 3}
    assert layers in ({"first", "classes"}, {*(one.layer for one in tiny_scan.layers), "classes"})
    build(tiny_scan, tiny_model(), tiny_data, tmp_path / "site")
    assert contents(tmp_path / "site") == contents(tiny_site)


def test_a_site_that_vanishes_meanwhile_is_a_sentence(
    tiny, tiny_data, tiny_scan, tmp_path, monkeypatch
):
    fill, calls = site_folder._fill, 0

    def vanishing(path, data):
        nonlocal calls
        fill(path, data)
        calls += 1
        if calls == 6:
            shutil.rmtree(tmp_path / "site")

    monkeypatch.setattr(site_folder, "_fill", vanishing)
    with pytest.raises(OutputError, match=r"was removed while|cannot be written"):
        build(tiny_scan, tiny, tiny_data, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_names_of_strangers_stay_text(tmp_path, write_photos):
    model = tiny_model(
        name=f"net {HOSTILE}", categories=tuple(f"{HOSTILE} {at}" for at in range(10))
    )
    data = open_dataset(write_photos(f"{HOSTILE.replace('/', '')}.png"))
    found = scan(model, data, "left,head", settings=ScanSettings(sample=4))
    home = build(found, model, data, tmp_path / "site").home
    for path in home.parent.rglob("*.html"):
        text = path.read_text("utf-8")
        assert "<script>alert" not in text
        assert "49" not in re.findall(r"&amp; (\S+)", text)
    assert "</script>" not in (home.parent / "assets/search.js").read_text("utf-8")


def test_data_without_labels_is_grouped_by_the_answers(tmp_path, tiny, write_photos):
    data = open_dataset(write_photos("garden.png", "tower.png"))
    found = scan(tiny, data, "left", settings=ScanSettings(sample=4))
    assert found.grouping == "predictions"
    assert found.group_counts.sum() == 2
    home = build(found, tiny, data, tmp_path / "site").home
    page = (home.parent / "models/tiny/left/0.html").read_text("utf-8")
    assert "Which classes excite it is not told: that takes 10 images" in page
    folder = home.parent / "models/tiny/classes"
    classes = (folder / "index.html").read_text("utf-8")
    assert found.answers is not None
    met = sorted(set(found.answers.top.tolist()))
    for index, name in enumerate(tiny.categories):
        assert (f">{name}<" in classes) == (index in met)
    assert f"{10 - len(met)} more classes are predicted for no image of this data" in classes
    search = (home.parent / "assets/search.js").read_text("utf-8")
    linked = re.findall(
        r'rel="(?:prev|next)" href="(\d+)-',
        "".join(path.read_text("utf-8") for path in folder.glob("*-*.html")),
    )
    assert {int(index) for index in linked} <= set(met), "nobody walks through empty pages"
    for path in folder.glob("*-*.html"):
        assert path.name in search
        assert "No image" not in path.read_text("utf-8")


def test_visualizations_are_shown_where_they_were_made(tiny, tiny_data, tiny_scan, tmp_path):
    picture = np.full((64, 64, 3), 90, np.uint8)
    only = replace(tiny_scan, layers=tiny_scan.layers[:1])
    made = {"first": {3: picture}}
    site = build(only, tiny, tiny_data, tmp_path / "site", visualizations=made).home.parent
    page = (site / "models/tiny/first/3.html").read_text("utf-8")
    assert "3-fv.webp" in page
    module = copy.deepcopy(tiny.module).double().eval()
    held = {}
    module.get_submodule("first").register_forward_hook(lambda *seen: held.update(seen=seen[2]))
    mean, std = (np.array(of) for of in (tiny.preprocessing.mean, tiny.preprocessing.std))
    module(torch.from_numpy((picture / 255.0 - mean) / std).permute(2, 0, 1)[None])
    told = re.search(r"Its highest activation is ([−\-\d.]+); that of the strongest", page)
    assert told is not None
    wanted = float(held["seen"][0, 3].detach().max())
    assert float(told[1].replace("−", "-")) == pytest.approx(wanted, rel=0.01, abs=0.01)
    assert "-fv.webp" not in (site / "models/tiny/first/4.html").read_text("utf-8")


def test_visualizations_stay_until_the_weights_change(tiny, tiny_data, tiny_scan, tmp_path):
    only = replace(tiny_scan, layers=tiny_scan.layers[:1])
    out, folder = tmp_path / "site", tmp_path / "site/models/tiny/first"
    for channel in (3, 4):
        made = {"first": {channel: np.full((64, 48, 3), 90, np.uint8)}}
        build(only, tiny, tiny_data, out, visualizations=made)
    build(only, tiny, tiny_data, out)
    for channel in (3, 4):
        page = (folder / f"{channel}.html").read_text("utf-8")
        assert f'src="{channel}-fv.webp" width="48" height="64"' in page
    (folder / "4-fv.webp").unlink()
    build(only, tiny, tiny_data, out)
    assert "-fv.webp" not in (folder / "4.html").read_text("utf-8")
    other = tiny_model()
    with torch.no_grad():
        next(other.module.parameters()).mul_(2.0)
    build(scan(other, tiny_data, "first"), other, tiny_data, out)
    assert "-fv.webp" not in (folder / "3.html").read_text("utf-8")
    assert not (folder / "3-fv.webp").exists()


def test_channels_that_are_no_numbers_are_said_to_be_none_and_not_below_zero(tmp_path, tiny_data):
    model = tiny_model()
    with torch.no_grad():
        model.module.right.weight.fill_(torch.nan)
    found = scan(model, tiny_data, ["left", "right"], settings=ScanSettings(sample=4))
    site = build(found, model, tiny_data, tmp_path / "site").home.parent
    unit = next(site.rglob("right/3.html")).read_text(encoding="utf-8")
    assert "only NaN or minus infinity, so that nothing is known of it" in unit
    assert "Histogram" not in unit
    assert "Histogram" in next(site.rglob("left/3.html")).read_text(encoding="utf-8")
    layer = next(site.rglob("right/index.html")).read_text(encoding="utf-8")
    assert layer.count(", not a number") == 5
    assert ", never above zero" not in layer


class _Spoilt(torch.nn.Module):
    """NaN where a value is below zero, or infinite where it is not small."""

    def __init__(self, spoil):
        super().__init__()
        self.spoil = spoil

    def forward(self, x):
        return self.spoil(x)


@pytest.mark.parametrize(
    ("spoil", "told", "sent"),
    [
        # A peak that is a number has its way back, whatever the other positions are.
        (torch.sqrt, "it is not a number: they count nowhere", True),
        (lambda x: torch.exp(400.0 * x), "inf", False),
    ],
    ids=["NaN", "infinite"],
)
def test_a_layer_that_is_finite_in_part_has_pages_that_say_so(spoil, told, sent, tmp_path):
    """The scan took hours, and the pages refused what nothing could be sent back through."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [torch.nn.Conv2d(3, 3, 3), _Spoilt(spoil), torch.nn.AdaptiveAvgPool2d(1)]
        network = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(3, 10)).eval()
    model, data = Model(network, name="spoilt"), open_dataset("shapes", 6)
    found = scan(model, data, ["1"], settings=ScanSettings(sample=4))
    assert not found.layers[0].finite
    site = build(found, model, data, tmp_path / "site").home.parent
    pages = [path.read_text("utf-8") for path in sorted(site.rglob("1/[0-9].html"))]
    assert len(pages) == 3
    assert any(told in page for page in pages)
    for page in pages:
        assert ("What it sends back to the pixels is not known" in page) != sent
        assert ('alt="What it sends back"' in page) == sent
    assert all(None in row for row in found.table().rows)


def test_a_layer_that_is_not_called_is_named_on_the_page_of_the_network(tmp_path):
    """Without a word a reader would take the site for the whole network."""
    model, data = tiny_model(), open_dataset("shapes", 3)
    model.module.spare = torch.nn.Conv2d(3, 3, 1)
    site = build(scan(model, data, ["left"]), model, data, tmp_path / "site")
    page = (site.home.parent / "models" / "tiny" / "index.html").read_text("utf-8")
    assert "the layers are found: spare." in page
