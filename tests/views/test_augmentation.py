"""Draws of transforms of which the network's answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.views.augmentation import augmentation
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state

PLAIN = Preprocessing(None, (32, 32), (0.0,) * 3, (1.0,) * 3)
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 44, 3), np.uint8)


def flipped_or_not(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if torch.rand(1) < 0.5 else image


def test_each_draw_is_answered_as_the_network_answers_it_alone() -> None:
    module = tiny_network()
    network = Model(module, preprocessing=PLAIN)
    found = augmentation(network, PHOTO, target=2, transform=flipped_or_not, draws=6, seed=3)
    assert found.seeds.tolist() == [3, 4, 5, 6, 7, 8]
    rows = {}
    for key, picture in (("as it is", PHOTO), ("flipped", PHOTO[:, ::-1].copy())):
        with torch.no_grad():
            rows[key] = module(network.prepare(picture).tensor).softmax(1)[0]
    for seed, answer, index in zip(found.seeds, found.answers, found.classes, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed))
            key = "flipped" if torch.rand(1) < 0.5 else "as it is"
        assert answer == pytest.approx(float(rows[key][2]), abs=1e-6)
        assert index == int(rows[key].argmax())
    assert found.original == pytest.approx(float(rows["as it is"][2]), abs=1e-6)
    assert found.stayed == int((found.classes == int(rows["as it is"].argmax())).sum())
    assert f"stayed in {found.stayed} of 6 draws" in found.summary()
    found.figure().draw_without_rendering()


def test_pairs_fill_a_slide_and_in_a_column_keep_their_words_below_them() -> None:
    network = Model(tiny_network(), preprocessing=PLAIN)
    drawn = augmentation(network, PHOTO, transform=flipped_or_not, draws=17)
    for count in (5, 12, 18):
        some = {name: getattr(drawn, name)[: count - 1] for name in ("seeds", "answers", "classes")}
        found = replace(drawn, sheet=drawn.sheet[:count], **some)
        [axes] = found.figure().axes
        height, width = axes.images[0].get_array().shape[:2]
        # What a slide has below its title is a little wider than twice its height.
        assert width / height == pytest.approx(2.1, rel=0.35), count
    found = replace(drawn, sheet=drawn.sheet[:4])
    column = Figure(figsize=(3.4, 5.0), layout="constrained")
    found.figure(figure=column).draw_without_rendering()
    [axes] = column.axes
    tops = sorted({text.get_position()[1] - found.sheet.shape[2] - 4 for text in axes.texts})
    for text in axes.texts:
        _, low = axes.transData.inverted().transform(text.get_window_extent().p0)
        assert low < min(
            (top for top in tops if top > text.get_position()[1]), default=axes.get_ylim()[0]
        )


def test_a_network_that_names_no_class_tells_its_scores() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 1)).eval()
    network = Model(module, output="value", preprocessing=PLAIN)
    found = augmentation(network, PHOTO, draws=3)
    assert found.stayed is None
    assert found.interval is None
    assert "lies between" in found.summary()
    assert "the network names no classes" in found.caption()
    assert "likeliest class" not in found.caption()


def test_the_network_and_the_generators_are_left_alone() -> None:
    module = tiny_network().train()
    before, generator = state(module), torch.get_rng_state()
    augmentation(Model(module, preprocessing=PLAIN), PHOTO, draws=2)
    assert state(module) == before
    assert torch.equal(torch.get_rng_state(), generator)


@each_case(
    ("arguments", "message"),
    [
        ({"draws": 0}, "draws cannot be 0"),
        ({"transform": "Nothing()"}, "no transform 'Nothing'"),
        ({"images": [PHOTO, PHOTO]}, "2 images were given"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message: str) -> None:
    given = {"images": PHOTO, **arguments}
    with pytest.raises(UsageError, match=message):
        augmentation(Model(lasting_network(), preprocessing=PLAIN), **given)
