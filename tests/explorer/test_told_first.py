"""What a reader must know of network, photo, size and work is told, and before the long work."""

from __future__ import annotations

import html

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnviz
from cnnviz.errors import LayerError
from cnnviz.explorer import explore, linear_head, subject, what_if
from cnnviz.explorer.build import planned
from cnnviz.explorer.work import work_behind, work_of_all
from cnnviz.heatmaps.doubts import CONSTANT
from cnnviz.reports import report
from tests.helpers.explorer_pages import Small, page_of

PHOTO = np.random.default_rng(0).integers(0, 255, (40, 32, 3), np.uint8)


class Drops(nn.Module):
    """Draws random numbers in evaluation, too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = nn.functional.dropout(self.conv(images).relu(), 0.5, training=True)
        return self.last(maps.mean((2, 3)))


class Mixes(nn.Module):
    """Normalises by the images of the batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = (
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.BatchNorm2d(8, track_running_stats=False),
        )
        self.last = nn.Linear(8, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.conv(images)).relu().mean((2, 3)))


def test_the_page_says_of_maps_what_a_heatmap_says() -> None:
    module = Small().eval()
    torch.nn.init.zeros_(module.head[1].weight)
    page = html.unescape(explore(cnnviz.load(module), PHOTO[:32]).page)
    assert page.count(f": {CONSTANT}.") == 1, "once for all layers"
    assert CONSTANT not in html.unescape(explore(cnnviz.load(Small().eval()), PHOTO[:32]).page)


@pytest.mark.parametrize("module", [Drops, Mixes, Small], ids=["random", "mixing", "guessed"])
def test_the_page_tells_what_a_report_tells(module: type[nn.Module]) -> None:
    model = cnnviz.load(module().eval())
    page = html.unescape(explore(model, PHOTO[:32]).page)
    notes = report(model, [PHOTO[:32]], "predictions").notes
    assert notes
    for note in notes:
        assert note in page
    assert "this is a guess" in page


def test_what_was_done_with_the_photo_is_said_beside_and_not_as_a_warning() -> None:
    model = cnnviz.load(Small().eval())
    page = html.unescape(explore(model, PHOTO).page)
    cropped = "The network sees the middle of the photo, and that is what is shown."
    assert f'<p class="aside">{cropped}</p>' in page
    assert 'class="note">The network sees' not in page
    whole = html.unescape(explore(model, PHOTO[:32]).page)
    assert cropped not in whole
    grey = html.unescape(explore(model, Image.fromarray(PHOTO[:32, :, 0])).page)
    assert '<p class="aside">On reading: grey repeated in three channels.</p>' in grey


def test_a_network_without_maps_is_told_what_explains_it() -> None:
    mlp = cnnviz.load(nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 5)).eval())
    with pytest.raises(LayerError, match=r"no layer of this network gives one.*cnnviz\.attribute"):
        explore(mlp, torch.rand(3, 24, 24))
    assert cnnviz.occlusion(mlp, torch.rand(1, 3, 24, 24), window=8, stride=8).maps


@pytest.mark.parametrize("name", ["shapes-residual", "small"])
def test_the_size_is_told_before_the_work(name: str) -> None:
    model, photo, made = page_of(name)
    told = planned(model, photo).bytes
    assert 0.7 * made.size <= told <= 1.35 * made.size


def test_answers_are_as_many_as_the_network_can_afford(monkeypatch) -> None:
    model, photo, _ = page_of("small")
    seen = cnnviz.capture(model, photo, layers=["first"], gradients=False)
    behind = work_behind(model, seen.batch.tensor, seen.activations.resolve("first"))
    assert behind.macs == 7 * 64 * 9 * 5 + 7 * 64 * 30
    assert behind.macs < work_of_all(model, seen.batch.tensor).macs
    monkeypatch.setattr(what_if, "_LEAST", 2)
    for share, count in ((0.5, 2), (3.5, 3), (1000.0, 1000)):
        monkeypatch.setattr(what_if, "_MACS", int(share * behind.macs))
        assert what_if._affordable(behind.macs) == count


def test_scores_that_hang_on_no_layer_show_no_head_and_no_channel_to_mute() -> None:
    """As of a network whose last layer is zero yet: torchvision begins a ViT so."""
    module = Small().eval()
    with torch.no_grad():
        module.head[1].weight.zero_()
    made = explore(cnnviz.load(module), torch.rand(3, 32, 32))
    assert not made.exact
    assert '"muted"' not in made.page
    assert made.error == 0.0


def test_no_head_is_looked_for_where_that_takes_too_long(monkeypatch) -> None:
    model, photo, made = page_of("shapes-residual")
    assert made.exact
    monkeypatch.setattr(linear_head, "_MOST_MACS", 10)
    assert not explore(model, photo).exact


def test_a_page_of_two_holds_the_classes_that_either_lists_first_by_their_names(
    monkeypatch,
) -> None:
    monkeypatch.setattr(subject, "LIKELIEST", 1)
    numbers = [29 - k for k in range(30)]
    model, other = (
        cnnviz.load(Small().eval(), categories=names)
        for names in ([f"class {k}" for k in range(30)], [f"Class {k}" for k in numbers])
    )
    plans = planned(model, PHOTO, compare_model=other).subjects
    for one, two in (plans, plans[::-1]):
        listed = [two.classes[0], *(each.index for each in two.seen.predictions(5)[0])]
        assert [*one.classes[1:]] == [numbers[k] for k in dict.fromkeys(listed)]
    # Of names that one of them does not have, nothing can be held.
    foreign = cnnviz.load(Small().eval(), categories=[f"{k}" for k in range(30)])
    assert [len(one.classes) for one in planned(model, PHOTO, compare_model=foreign).subjects] == [
        1,
        1,
    ]
