"""What the page says with channels muted or scaled, and of what was computed of them."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.passes.run_from_layer import ForwardFromLayer

SMALL = pytest.mark.parametrize("opened", ["small"], indirect=True)


def _listed(page) -> list[tuple[str, str]]:
    lines = page.locator("#answers li")
    return list(
        zip(
            lines.locator(".name").all_inner_texts(),
            lines.locator(".share").all_inner_texts(),
            strict=True,
        )
    )


@SMALL
def test_an_address_with_a_muted_channel_opens_with_the_answer_without_it(opened) -> None:
    page = opened.visit.page
    layer = opened.made.layers[-1]
    seen = cnnviz.capture(opened.model, opened.photo, layers=[layer], gradients=False)
    key = seen.activations.resolve(layer)
    muted = opened.asks("[...app.layer().muted.channels.values]")
    usual = seen.predictions(1)[0][0].name
    answers = set()
    for place, channel in enumerate(muted):
        changed = seen.activations[key].clone()
        changed[:, channel] = 0.0
        shares = ForwardFromLayer(opened.model, seen.batch.tensor, key)(changed)[0].softmax(0)
        best = int(shares.argmax())
        # Opened once there; the address of a page that is open leads to the others.
        (opened.changes_to if place else opened.goes_to)(f"#scale={channel}:0")
        said = f"class {best}, {100 * float(shares[best]):.1f}%"
        assert page.inner_text("#verdict") == said
        assert f"without channel {channel}" in page.inner_text("#changed")
        listed = dict(_listed(page))
        assert listed.pop(f"class {best}") == said.split(", ")[1]
        for name, share in listed.items():
            wanted = 100 * float(shares[int(name.split()[1])])
            assert share == "not computed" or abs(float(share[:-1]) - wanted) <= 0.0501
        answers.add(best)
    # What is held against the page is not the answer that it begins with.
    assert any(f"class {one}" != usual for one in answers)


@SMALL
def test_an_answer_that_was_not_computed_is_said_to_be_missing(opened) -> None:
    page = opened.visit.page
    usual, listed = page.inner_text("#verdict"), _listed(page)
    muted = opened.asks("[...app.layer().muted.channels.values]")
    for place, scales in enumerate(("{0}:0.5", "{0}:0;{1}:0", "{0}:0;{1}:2")):
        (opened.changes_to if place else opened.goes_to)(f"#scale={scales.format(*muted)}")
        assert page.inner_text("#verdict") == f"not computed; without muting: {usual}", scales
        assert "was not computed" in page.inner_text("#changed"), scales
        assert _listed(page) == listed, scales
    opened.changes_to(f"#scale={muted[0]}:1")
    assert page.inner_text("#verdict") == usual
    assert not page.locator("#changed").is_visible()


def test_before_a_linear_head_every_choice_has_its_answer(opened) -> None:
    layer = opened.made.layers[-1]
    seen = cnnviz.capture(opened.model, opened.photo, layers=[layer], gradients=False)
    key = seen.activations.resolve(layer)
    changed = seen.activations[key].clone()
    changed[:, 2] *= 0.5
    changed[:, 5] = 0.0
    shares = ForwardFromLayer(opened.model, seen.batch.tensor, key)(changed)[0].softmax(0)
    opened.goes_to("#scale=2:0.5;5:0")
    best = int(shares.argmax())
    page = opened.visit.page
    name, share = page.inner_text("#verdict").split(", ")
    assert name == opened.model.category(best)
    np.testing.assert_allclose(float(share.strip("<>% ")), 100 * float(shares[best]), atol=0.3)
    assert page.inner_text("#changed-said") == "channel 2 times 0.5, without channel 5"


@SMALL
def test_a_search_lists_first_the_classes_that_have_a_map_the_likeliest_first(opened) -> None:
    page = opened.visit.page
    held = opened.asks("app.layer().classes")
    shares = opened.asks("[...app.data.probabilities.values]")
    page.locator("#controls > summary").click()
    page.fill("#class-search", "class")
    listed = page.locator("#class-found button").all_inner_texts()
    usable = sorted(held, key=lambda k: -shares[k])
    rest = sorted(set(range(30)) - set(held), key=lambda k: -shares[k])
    wanted = [f"class {k}" for k in usable]
    wanted += [f"class {k} (no map at this layer)" for k in rest]
    assert listed == wanted[: len(listed)]
    page.keyboard.press("Enter")
    assert page.inner_text("#class-now") == wanted[0]
    page.fill("#class-search", f"class {rest[0]}")
    assert page.locator("#class-found button").last.inner_text().endswith("(no map at this layer)")
    page.fill("#class-search", "koala")
    assert "has “koala” in its name" in page.inner_text("#class-count")


def test_the_numbers_of_a_convolution_have_no_digit_that_is_not_theirs(opened) -> None:
    page = opened.visit.page
    page.locator("#convolution > summary").click()
    page.locator("#planes table").first.wait_for()
    step = opened.asks(
        "((step) => arithmetic.workedOut(step, 0, Math.floor(step.pixels.shape[1] / 2 / "
        "step.stride[0]), Math.floor(step.pixels.shape[2] / 2 / step.stride[1])))"
        "(app.data.convolutions[+document.getElementById('step-which').value])"
    )
    plane = page.locator("#planes .plane").first
    number = plane.locator("h2").inner_text()
    colours = {"red": 0, "green": 1, "blue": 2}
    channel = colours[number] if number in colours else int(number.split()[1])
    found = next(one for one in step["planes"] if one["channel"] == channel)
    for name, table in zip(
        ("patch", "kernel", "products"), plane.locator("table").all(), strict=True
    ):
        for text, value in zip(table.locator("td").all_inner_texts(), found[name], strict=True):
            shown = float(text.replace("\u2212", "-"))
            digits = len(text.strip("\u2212").replace(".", "").split("e")[0].lstrip("0"))
            if not shown and text != "0":
                assert text == "0.00000"
                assert 0 < abs(value) < 5e-6
            else:
                assert (
                    abs(shown - value)
                    <= 0.5001 * 10 ** (np.floor(np.log10(abs(shown))) + 1 - digits)
                    if shown
                    else value == 0
                )


@SMALL
def test_of_a_class_without_a_map_the_channels_of_the_first_class_are_listed(opened) -> None:
    page = opened.visit.page
    held = opened.asks("app.layer().classes")
    other = next(k for k in range(30) if k not in held)
    opened.changes_to(f"#class={other}")
    page.locator("#what-if > summary").click()
    page.locator("#offered li").first.wait_for()
    assert f"add most, for or against, to class {held[0]}" in page.inner_text("#exact")
    assert f"class {other} without it: not computed" in page.inner_text("#offered li:first-child")


@SMALL
def test_muting_is_offered_only_where_its_answer_was_computed(opened) -> None:
    page = opened.visit.page
    # As of a layer with more channels than can be afforded.
    cut = (
        "((muted) => { muted.channels.values = muted.channels.values.slice(0, 2); app.draw(); })"
        "(app.layer().muted)"
    )
    held = opened.asks("[...app.data.layers[0].muted.channels.values]")
    opened.changes_to(f"#layer=0&channel={held[0]}&at=0.5,0.5")
    opened.asks(cut)
    page.locator("#channel > summary").click()
    mute, reason = page.locator("#channel-mute"), page.locator("#channel-unknown")
    mute.wait_for()
    assert mute.is_enabled()
    assert "without it" in reason.inner_text()
    page.locator("#what-if > summary").click()
    page.locator("#offered li").first.wait_for()
    assert page.locator("#offered li").count() == 2
    name = opened.asks("app.data.names[app.layer().classes[0]]")
    assert f"Grad-CAM map of {name}, whichever" in page.inner_text("#exact")
    rows = page.locator("#places tbody tr")
    for row in rows.all():
        channel = int(row.locator("th").inner_text())
        button = row.locator(".without")
        assert button.is_enabled() == (channel in held[:2])
        if channel not in held[:2]:
            assert button.inner_text() == "not computed"
            assert (
                button.get_attribute("title") == "The answer without this channel was not computed."
            )
    opened.asks("app.update({ channel: given })", held[2])
    assert not mute.is_enabled()
    assert "was not computed" in reason.inner_text()


@SMALL
def test_a_list_says_the_answer_without_each_channel_and_a_click_shows_it(opened) -> None:
    page = opened.visit.page
    usual = page.inner_text("#verdict")
    opened.changes_to("#at=0.4,0.6")
    row = page.locator("#places tbody tr").first
    channel, said = int(row.locator("th").inner_text()), row.locator(".without").inner_text()
    row.locator(".without").click()
    assert opened.asks("[...app.state.scales]") == [[channel, 0]]
    name = opened.asks("app.data.names[app.state.class]")
    assert dict(_listed(page))[name] == said
    assert page.inner_text("#changed-said").startswith(f"without channel {channel}")
    page.locator("#restore").click()
    assert page.inner_text("#verdict") == usual
