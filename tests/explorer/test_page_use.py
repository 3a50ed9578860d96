"""The page as a person uses it: by mouse, keyboard and address, and without scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz.explorer import explore
from cnnviz.explorer.scripts import MODULES, script
from cnnviz.pages.scripts import source
from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import Small, page_of

_NAMED = r"^(?:export )?(?:async )?(?:function|const) (\w+)"
PANELS = ("controls", "channel", "network", "what-if", "convolution")


def test_at_first_there_are_the_photo_the_answer_and_where_it_looked(opened) -> None:
    page = opened.visit.page
    assert page.evaluate("[...document.querySelectorAll('details')].every(one => !one.open)")
    ranked = cnnviz.capture(opened.model, opened.photo, gradients=False).predictions(5)[0]
    assert page.inner_text("#verdict").startswith(ranked[0].name)
    named = [line.split("\n")[0] for line in page.locator("#answers li").all_inner_texts()]
    assert named == [one.name for one in ranked]
    assert "where the network found" in page.inner_text("#told")
    drawn, plain = opened.asks(
        "[document.getElementById('picture'), document.getElementById('photo')].map((one) => {"
        " const copy = document.createElement('canvas'); copy.width = copy.height = 32;"
        " const pen = copy.getContext('2d'); pen.drawImage(one, 0, 0, 32, 32);"
        " return [...pen.getImageData(0, 0, 32, 32).data]; })"
    )
    assert np.abs(np.array(drawn) - plain).mean() > 5
    assert opened.visit.strangers(opened.path.parent) == []


def test_a_click_on_a_class_shows_it_and_back_takes_it_back(opened) -> None:
    page = opened.visit.page
    before = opened.asks(
        "[...arithmetic.classMap(app.layer(), app.state.class, 'gradcam', new Map())]"
    )
    second = page.locator("#answers .class").nth(1)
    name = second.locator(".name").inner_text()
    second.click()
    assert name in page.inner_text("#told")
    assert f"class={opened.asks('app.state.class')}" in page.url
    after = opened.asks(
        "[...arithmetic.classMap(app.layer(), app.state.class, 'gradcam', new Map())]"
    )
    assert before != after
    page.go_back()
    assert name not in page.inner_text("#told")
    page.go_forward()
    assert name in page.inner_text("#told")


def test_a_class_is_found_by_its_name_and_set_against_another(opened) -> None:
    page = opened.visit.page
    page.locator("#controls > summary").click()
    page.fill("#class-search", "star")
    page.keyboard.press("Enter")
    assert page.inner_text("#class-now") == "star"
    page.fill("#against-search", "cross")
    page.locator("#against-found button").first.click()
    assert "crescent rather than cross" in page.inner_text("#told")
    page.locator("#no-against").click()
    assert "rather than" not in page.inner_text("#told")


def test_an_address_says_all_that_is_shown(opened) -> None:
    opened.goes_to("#class=2&layer=1&method=layercam&at=0.25,0.5&signed=1&opacity=0.8&scale=3:0.5")
    page = opened.visit.page
    first = page.inner_text("#told")
    assert "LayerCAM" in first
    assert "against it" in first
    state = opened.asks("({...app.state, scales: [...app.state.scales]})")
    said = {"class": 2, "layer": 1, "at": [[0.25, 0.5]], "scales": [[3, 0.5]], "opacity": 0.8}
    assert {name: state[name] for name in said} == said


def test_an_address_that_makes_no_sense_shows_the_beginning(opened) -> None:
    usual = opened.visit.page.inner_text("#told")
    wrong = "#class=99999&layer=-1&method=x&at=nan,2;;,&scale=a:b;1:-3;1e9:0&channel=1e3"
    # Opened once there; the address of a page that is open leads to the others.
    for address in (wrong, "#%%%", "#=&&"):
        (opened.goes_to if address == wrong else opened.changes_to)(address)
        assert opened.visit.page.inner_text("#told") == usual, address
        assert opened.asks("app.state.scales.size") == 0, address


def test_keys_move_over_the_places_and_keep_them(opened) -> None:
    page = opened.visit.page
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    one = opened.asks("app.cellAt(app.hovered)")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    other = opened.asks("app.cellAt(app.hovered)")
    assert (other["row"], other["column"]) == (one["row"] - 1, one["column"] + 1)
    page.keyboard.press("Enter")
    assert opened.asks("app.state.at.length") == 1
    assert page.locator("#marks rect.field").count() >= 1
    assert page.locator("#places h3").first.inner_text().startswith("Place A")
    page.focus("#picture")
    page.keyboard.press("Escape")
    assert opened.asks("app.state.at.length") == 0


def test_pointing_tells_which_channels_fire_there(opened) -> None:
    page = opened.visit.page
    box = page.locator("#picture").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    layer = opened.made.layers[-1]
    maps = cnnviz.capture(opened.model, opened.photo, layers=[layer]).activations[layer][0]
    cell = opened.asks("app.cellAt(app.state.at[0])")
    acts = maps[:, cell["row"], cell["column"]]
    named = [int(text) for text in page.locator("#places tbody th").all_inner_texts()[:6]]
    order = acts.argsort(descending=True)[:6].tolist()
    step = float((maps.flatten(1).amax(1) - maps.flatten(1).amin(1)).max()) / 255
    assert all(
        abs(float(acts[a]) - float(acts[b])) <= 2 * step for a, b in zip(named, order, strict=True)
    )


def test_a_muted_channel_changes_the_answer_and_is_given_back(opened) -> None:
    page = opened.visit.page
    before = page.inner_text("#verdict")
    page.locator("#what-if > summary").click()
    opened.visit.wait_until("document.getElementById('exact').textContent !== ''")
    assert "exact for any choice" in page.inner_text("#exact")
    for _ in range(6):
        page.locator("#offered button:text-is('mute')").first.click()
    assert page.locator("#changed").is_visible()
    assert "before" in page.inner_text("#what-said")
    assert page.inner_text("#verdict") != before
    page.locator("#give-back").click()
    assert page.inner_text("#verdict") == before


@pytest.mark.parametrize("opened", ["small"], indirect=True)
def test_of_a_head_that_is_not_linear_what_was_computed_is_told_and_no_more(opened) -> None:
    page = opened.visit.page
    page.locator("#what-if > summary").click()
    opened.visit.wait_until("document.getElementById('exact').textContent !== ''")
    assert "The network computed it" in page.inner_text("#exact")
    mutes = page.locator("#offered button:text-is('mute')")
    mutes.first.click()
    assert "Without channel" in page.inner_text("#what-said")
    # Answers are known of one muted channel: another one takes its place.
    first = opened.asks("[...app.state.scales.keys()]")
    mutes.last.click()
    assert "Without channel" in page.inner_text("#what-said")
    assert opened.asks("[...app.state.scales.keys()]") != first
    # The class that is shown is held at this layer; one that is not is said to be missing.
    assert "holds no map" not in page.inner_text("#told")
    missing = opened.asks("app.data.names.findIndex((_, k) => !app.layer().classes.includes(k))")
    opened.changes_to(f"#class={missing}")
    assert "holds no map" in page.inner_text("#told")


def test_a_block_of_the_network_selects_its_layer(opened) -> None:
    page = opened.visit.page
    page.locator("#network > summary").click()
    count = page.locator("#map .box.able").count()
    assert count >= 2
    page.locator("#map .box.able").first.focus()
    page.keyboard.press("Enter")
    assert opened.asks("app.state.layer") == 0
    assert "parameters" in page.inner_text("#box-said")
    assert page.locator("#map .box.chosen").count() == 1


def test_the_picture_is_saved_as_it_is_shown(opened) -> None:
    page = opened.visit.page
    opened.asks("app.keep([0.2, 0.7])")
    shown = page.locator("#picture").bounding_box()
    with page.expect_download() as download:
        page.locator("#save-png").click()
    name = download.value.suggested_filename
    assert "-gradcam-" in name
    assert name.endswith(".png")
    with Image.open(download.value.path()) as saved:
        assert saved.width >= max(960, shown["width"])
        assert saved.height > saved.width, "below the picture are its colours and a caption"
        drawn = np.asarray(saved.convert("RGB"))
    over = opened.asks(
        "(() => { const one = document.getElementById('picture');"
        " const copy = document.createElement('canvas'); copy.width = copy.height = 32;"
        " const pen = copy.getContext('2d'); pen.drawImage(one, 0, 0, 32, 32);"
        " return [...pen.getImageData(0, 0, 32, 32).data]; })()"
    )
    part = np.asarray(Image.fromarray(drawn[: drawn.shape[1]]).resize((32, 32)), float)
    assert np.abs(part - np.reshape(over, (32, 32, 4))[..., :3]).mean() < 12
    below = drawn[drawn.shape[1] :]
    assert (below.min(2) < 90).any(), "letters"
    assert (below.max(2).astype(int) - below.min(2) > 90).any(), "colours"
    opened.asks("app.update({ channel: 5, scales: new Map([[2, 0]]) })")
    with page.expect_download() as download:
        page.locator("#save-svg").click()
    assert "-channel-5-without-2" in download.value.suggested_filename
    text = Path(download.value.path()).read_text("utf-8")
    assert text.count("<rect") == 3, "the ground, the place, and what it sees"
    assert text.count('href="data:image/png;base64,') == 2, "the picture and the colours"
    tree = ET.fromstring(text)
    said = " ".join("".join(tree.itertext()).split())
    layer = opened.made.layers[-1]
    for wanted in (
        "Where channel 5 responds",
        layer,
        "without channel 2",
        "Place A: row",
        "in shapes",
    ):
        assert wanted in said, wanted


def test_without_scripts_there_is_a_still_picture_and_the_answer(browser, tmp_path) -> None:
    path = page_of("shapes-residual")[2].save(tmp_path / "page.html")
    visit = Visit(browser, 1000, "light", scripts=False)
    visit.page.goto(path.as_uri())
    assert visit.page.locator(".still").is_visible()
    assert not visit.page.locator("#controls").is_visible()
    assert visit.page.locator("#answers li").count() == 5
    visit.leave()


def test_names_that_are_markup_do_nothing(browser, tmp_path) -> None:
    bad = "</script><img src=x onerror=document.title='bad'>&\"'"
    model = cnnviz.load(Small().eval(), categories=[f"{bad}{k}" for k in range(30)])
    photo = tmp_path / "a<b onload=bad>&.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(photo)
    path = explore(model, photo).save(tmp_path / "page.html")
    visit = Visit(browser, 1000, "light")
    visit.page.goto(path.as_uri())
    visit.wait_until("'cnnviz' in window")
    for panel in PANELS:
        visit.page.locator(f"#{panel} > summary").click()
    assert "bad" not in visit.page.title().replace("onload=bad", "")
    assert bad in visit.page.inner_text("#verdict")
    assert visit.page.locator("img[src=x]").count() == 0
    assert visit.complaints == []
    visit.leave()


def test_in_a_notebook_it_lives_in_a_frame(browser, tmp_path) -> None:
    made = page_of("shapes-residual")[2]
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{made._repr_html_()}", "utf-8")
    visit = Visit(browser, 1000, "light")
    visit.page.goto(path.as_uri())
    frame = visit.page.frame_locator("iframe")
    frame.locator("#answers .class").nth(1).click()
    assert "where the network found" in frame.locator("#told").inner_text()
    assert visit.complaints == []
    visit.leave()


def test_many_changes_leave_as_many_elements_as_before(opened) -> None:
    page = opened.visit.page
    opened.asks("app.point([0.5, 0.5])")
    before = page.evaluate("document.querySelectorAll('*').length")
    opened.asks(
        "(() => { for (let k = 0; k < 500; k += 1) app.point([(k % 50) / 50, (k % 37) / 37]); })()"
    )
    assert page.evaluate("document.querySelectorAll('*').length") <= before + 5


def test_the_script_is_made_of_its_modules_in_the_order_of_their_imports() -> None:
    seen: list[str] = []
    names: Counter[str] = Counter()
    for package, name in MODULES:
        text = source(package, name)
        used = re.findall(r'^import .*? from "[./\w]*/(\w+)\.js";$', text, re.MULTILINE)
        assert set(used) <= set(seen), name
        seen.append(name)
        names.update(
            re.findall(r"^(?:export )?(?:async )?(?:function|const) (\w+)", text, re.MULTILINE)
        )
    assert [name for name, times in names.items() if times > 1] == []
    home = Path(cnnviz.__file__).parent
    folders = [home / part / "scripts" for part in ("explorer", "pages")]
    assert {path.stem for folder in folders for path in folder.glob("*.js")} == set(seen)
    assert not re.search("^(import|export) ", script(), re.MULTILINE)
    assert len(script().encode()) <= 60_500


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_is_read_by_another_engine(tmp_path) -> None:
    path = tmp_path / "page.js"
    path.write_text(script(), "utf-8")
    done = subprocess.run(["node", "--check", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_photos_stand_side_by_side_and_follow_each_other(browser, tmp_path) -> None:
    model, photo, _ = page_of("shapes-residual")
    other = cnnviz.Shapes()[8].image
    path = explore(model, photo, compare_image=other).save(tmp_path / "page.html")
    visit = Visit(browser, 1400, "light")
    visit.page.goto(path.as_uri())
    visit.wait_until("'cnnviz' in window")
    page = visit.page
    first, second = (page.inner_text(f"#verdict{k}") for k in ("", "-2"))
    for picture, verdict in ((photo, first), (other, second)):
        ranked = cnnviz.capture(model, picture, gradients=False).predictions(1)[0]
        assert verdict.startswith(ranked[0].name)
    page.evaluate(
        "cnnviz.apps[1].update({ class: 4, layer: 0, method: 'hirescam', at: [[0.3, 0.4]] })"
    )
    states = page.evaluate("cnnviz.apps.map(({ state }) => ({ ...state, scales: [] }))")
    assert states[0] == states[1]
    assert states[0]["class"] == 4
    assert "class=4" in page.url
    page.go_back()
    assert page.evaluate("cnnviz.apps.map(({ state }) => state.layer)") == [2, 2]
    assert (page.inner_text("#verdict"), page.inner_text("#verdict-2")) == (first, second)
    page.evaluate("cnnviz.apps[1].point([0.3, 0.4])")
    assert page.evaluate("cnnviz.apps[0].hovered") == [0.3, 0.4]
    _the_address_holds_both(visit)
    boxes = [page.locator(f"#picture{k}").bounding_box() for k in ("", "-2")]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    assert visit.complaints == []
    visit.leave()


def _the_address_holds_both(visit) -> None:
    """The second photo can be asked about what is the first one's answer, and its own."""
    page = visit.page
    states = (
        "cnnviz.apps.map(({ state }) => JSON.stringify({ ...state, scales: [...state.scales] }))"
    )
    own = page.evaluate("cnnviz.apps.map(({ first }) => first.class)")
    assert own[0] != own[1]
    # Of the second's own, and of what it does not follow the first in.
    own_choice = f"{{ class: {own[1]}, against: {own[0]}, scales: new Map([[3, 0]]), step: [] }}"
    for patch in (
        f"{{ class: {own[0]} }}",
        own_choice,
        f"{{ class: {own[0]}, against: null, layer: 0, channel: 2, at: [[0.5, 1]] }}",
        f"{{ class: {own[0]}, layer: 2, at: [] }}",
    ):
        page.evaluate(f"cnnviz.apps[1].update({patch})")
        before = page.evaluate(states)
        page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
        assert page.evaluate(states) == before
    page.evaluate(f"cnnviz.apps[1].update({own_choice})")
    before = page.evaluate(states)
    page.reload()
    visit.wait_until("'cnnviz' in window")
    assert page.evaluate(states) == before


def test_two_networks_are_matched_by_names_of_classes(browser, tmp_path) -> None:
    model, photo, _ = page_of("shapes-residual")
    names = [f"{k}" for k in range(27)] + ["STAR", "star", "Star"]
    other = cnnviz.load(Small().eval(), categories=names)
    small = photo[::3, ::3]
    path = explore(model, small, compare_model=other).save(tmp_path / "page.html")
    visit = Visit(browser, 1400, "dark")
    visit.page.goto(path.as_uri())
    visit.wait_until("'cnnviz' in window")
    # The head of the page names both networks, and the photo once.
    assert visit.page.inner_text(".where").endswith(" · shapes-residual, Small")
    assert "," not in visit.page.inner_text(".where").partition(" · ")[0]
    star = [model.category(k) for k in range(10)].index("star")
    visit.page.evaluate(f"cnnviz.app.update({{ class: {star} }})")
    # Of names that differ in capitals only, the one that is spelt alike is meant.
    assert visit.page.evaluate("cnnviz.apps[1].state.class") == 28
    visit.page.evaluate(f"cnnviz.app.update({{ class: {star}, against: 0 }})")
    assert visit.page.evaluate("cnnviz.apps[1].state.against") is None
    assert f"no class “{model.category(0)}”" in visit.page.inner_text("#told-2")
    visit.page.evaluate(f"cnnviz.app.update({{ class: {star}, against: null }})")
    assert "no class" not in visit.page.inner_text("#told-2")
    before = visit.page.evaluate("cnnviz.apps[1].state.class")
    visit.page.evaluate("cnnviz.app.update({ class: 0, channel: 5 })")
    # This one knows no such class, and its channels are others.
    assert visit.page.evaluate("cnnviz.apps[1].state.class") == before
    # A class that the first one does not know is in the address as well.
    visit.page.evaluate("cnnviz.apps[1].update({ class: 7, channel: 1 })")
    assert "class-2=7&channel-2=1" in visit.page.url
    visit.page.reload()
    visit.wait_until("'cnnviz' in window")
    assert visit.page.evaluate("cnnviz.apps.map(({ state }) => state.class)") == [0, 7]
    assert visit.page.evaluate("cnnviz.apps[1].state.channel") == 1
    visit.page.evaluate("history.back()")
    visit.wait_until(f"cnnviz.apps[1].state.class === {before}")
    said = f"no class “{model.category(0)}”: it is asked about star. "
    assert said in visit.page.inner_text("#told-2")
    assert "no class" not in visit.page.inner_text("#told")
    assert visit.page.evaluate("cnnviz.apps[1].state.channel") is None
    assert visit.complaints == []
    visit.leave()


@pytest.mark.parametrize("opened", ["small"], indirect=True)
def test_a_channel_behind_the_first_convolution_shows_its_kernel(opened) -> None:
    opened.goes_to("#layer=0&channel=4")
    page = opened.visit.page
    page.locator("#channel > summary").click()
    page.locator("#channel-kernel canvas").wait_for(state="visible")
    found = opened.asks(
        "(() => { const canvas = document.querySelector('#channel-kernel canvas');"
        " return [...canvas.getContext('2d').getImageData(0, 0, 3, 3).data]; })()"
    )
    kernel = opened.model.module.first[0].weight[4].detach().permute(1, 2, 0).numpy()
    wanted = 127.5 + 127.5 * kernel / np.abs(kernel).max()
    assert np.abs(np.reshape(found, (3, 3, 4))[..., :3] - wanted).max() <= 1
    opened.changes_to("#layer=1&channel=4")
    page.locator("#channel-histogram rect").first.wait_for(state="attached")
    assert not page.locator("#channel-kernel").is_visible()


def test_a_drag_of_the_network_chooses_nothing_and_a_click_says_what_is_dropped(opened) -> None:
    opened.goes_to("#channel=3&scale=2:0")
    page = opened.visit.page
    page.locator("#network > summary").click()
    for _ in range(4):
        page.locator("#zoom-out").click()
    block = page.locator("#map .box.able rect").first
    block.scroll_into_view_if_needed()
    box = block.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = opened.asks("app.state.layer")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 20, y, steps=4)
    page.mouse.up()
    assert opened.asks("app.state.layer") == before
    box = block.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert opened.asks("app.state.layer") == 0
    assert opened.asks("[app.state.channel, app.state.scales.size]") == [None, 0]
    for place in ("#box-said", "#status"):
        assert "closed and unmuted" in page.inner_text(place)


def test_a_class_is_not_set_against_itself_and_giving_back_ends_a_question(opened) -> None:
    opened.goes_to("#class=2&against=2")
    page = opened.visit.page
    assert not page.locator("#why").is_visible()
    best = opened.asks("app.best")
    other = (best + 1) % 10
    opened.changes_to(f"#class={other}&against={best}&scale=2:0")
    assert page.locator("#why").is_visible()
    page.locator("#restore").click()
    assert not page.locator("#why").is_visible()
    assert opened.asks("[app.state.class, app.state.against]") == [best, None]


def test_a_number_that_no_channel_has_is_answered_with_those_there_are(opened) -> None:
    page = opened.visit.page
    page.locator("#channel > summary").click()
    # That it is open is told to the page by an event of its own, which fills it in.
    opened.visit.wait_until("document.getElementById('channel-count').textContent !== ''")
    page.fill("#channel-number", "9999")
    page.keyboard.press("Enter")
    last = opened.asks("app.layer().maps.shape[0]") - 1
    assert f"There is no channel 9999: {opened.made.layers[-1]} has channels 0 to {last}." == (
        page.inner_text("#channel-count")
    )


def test_where_both_signs_are_drawn_the_colours_are_off_and_say_why(opened) -> None:
    opened.goes_to("#signed=1")
    page = opened.visit.page
    page.locator("#controls > summary").click()
    assert not page.locator("#colours").is_enabled()
    assert page.locator("#colours-why").is_visible()
    page.locator("#signed").uncheck()
    assert page.locator("#colours").is_enabled()
    page.locator("#map-off").click()
    assert page.inner_text("#told").startswith("The photo alone")
    assert not page.locator("#scale-bar").is_visible()
