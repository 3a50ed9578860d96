"""Grad-CAM of several classes at every stage, and answers with channels muted, beside Python's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import DenseNet, GoogLeNet
from torchvision.models.googlenet import Inception

import cnnviz
from cnnviz.explorer import explore, subject, what_if
from cnnviz.images import Preprocessing
from cnnviz.pages.packing import map_levels
from cnnviz.passes.run_from_layer import ForwardFromLayer
from tests.helpers.browser import Visit

CLASSES = (0, 2, 4)
"""Which of the classes that a layer holds are held against Python: the first, and two further on.
All go the same way, so that what is wrong of any is a wrong row, or a wrong scale of it."""
_FOUND = """([place, index]) => {
  const layer = cnnviz.app.data.layers[place];
  const row = cnnviz.arithmetic.rowOf(layer, index);
  const share = layer.head ? layer.head.places : 1;
  const map = cnnviz.arithmetic.classMap(layer, index, "gradcam", new Map());
  return JSON.stringify({
    weights: [...cnnviz.arithmetic.weightsOf(layer, row, true)],
    row: layer.row.values[row] / share, map: [...map], steps: [...layer.step.values],
  });
}"""
# As torchvision builds them, with fewer blocks: each ends as its whole network does. One joins
# branches, and one has values below zero that what follows cuts off; a ResNet ends as the shipped
# network, whose pages are compared elsewhere.
HEADED: dict[str, Callable[[], nn.Module]] = {
    "densenet121": lambda: DenseNet(16, (2, 2, 2, 2), 32, num_classes=40),
    "googlenet": lambda: with_few_inceptions(
        GoogLeNet(num_classes=40, aux_logits=False, init_weights=False)
    ),
}


@pytest.fixture(autouse=True)
def fewer_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold as many classes as are compared: each costs a pass forward and back."""
    monkeypatch.setattr(subject, "LIKELIEST", CLASSES[-1] + 1)


def with_few_inceptions(module: GoogLeNet) -> GoogLeNet:
    """Return a GoogLeNet that keeps four of its nine inceptions."""
    module.inception3a = nn.Identity()
    module.inception3b = Inception(192, 128, 128, 192, 32, 96, 64)
    module.inception4b = module.inception4c = module.inception4d = nn.Identity()
    module.inception4e = nn.Identity()
    module.inception5a = Inception(512, 256, 160, 320, 32, 128, 128)
    return module


def untrained(name: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = HEADED[name]()
    small = Preprocessing(64, (64, 64), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return cnnviz.load(module.eval(), preprocessing=small)


def check_maps(model: Any, photo: Any, visit: Visit, layers: tuple[str, ...]) -> None:
    every = visit.page.evaluate("cnnviz.app.data.layers[0].classes")
    held = [every[place] for place in CLASSES]
    seen = cnnviz.capture(model, [photo] * len(held), layers=list(layers), target=held)
    for place, layer in enumerate(layers):
        maps = cnnviz.cam(seen, layer).maps[0]
        activations = seen.activation_maps(layer)[0].numpy()
        levels = map_levels(activations)
        wide = np.ptp(activations.reshape(len(activations), -1), 1)
        for index, wanted in zip(held, maps, strict=True):
            # As text: Playwright is slow with long lists.
            found = json.loads(visit.page.evaluate(_FOUND, [place, index]))
            steps, row = np.array(found["steps"]), found["row"]
            np.testing.assert_allclose(steps, wide / levels, rtol=1e-4, atol=1e-6 * wide.max())
            # Half a step of every activation, and of every weight.
            bound = (np.abs(found["weights"]) * steps).sum() / 2
            bound = bound + np.abs(activations).sum(0) * row / 2 + steps.sum() * row / 4
            off = np.abs(np.reshape(found["map"], wanted.shape) - wanted)
            assert (off <= 1.01 * bound + 1e-5 * np.abs(wanted).max()).all(), (layer, index)


def opened(browser, made, tmp_path) -> Visit:
    visit = Visit(browser, 1000, "light")
    visit.page.goto(made.save(tmp_path / "page.html").as_uri())
    visit.wait_until("'cnnviz' in window")
    return visit


@pytest.mark.parametrize("name", HEADED)
def test_of_networks_that_end_in_a_mean_every_answer_is_exact(name, browser, tmp_path) -> None:
    model, photo = untrained(name), cnnviz.Shapes()[3].image
    made = explore(model, photo)
    assert made.exact
    visit = opened(browser, made, tmp_path)
    check_maps(model, photo, visit, made.layers)
    layer = made.layers[-1]
    seen = cnnviz.capture(model, photo, layers=[layer], gradients=False)
    key = seen.activations.resolve(layer)
    changed = seen.activations[key].clone()
    muted = [int(k) for k in changed[0].flatten(1).mean(1).argsort(descending=True)[:5]]
    changed[:, muted] = 0.0
    wanted = ForwardFromLayer(model, seen.batch.tensor, key)(changed)[0].numpy()
    found = visit.page.evaluate(
        "(muted) => [...cnnviz.arithmetic.scoresWith(cnnviz.app.data.scores.values, "
        "cnnviz.app.data.layers.at(-1), new Map(muted.map((c) => [c, 0])))]",
        muted,
    )
    means = seen.activations[key].flatten(2).mean(2)[0, muted].abs().sum().item()
    rows = np.array(visit.page.evaluate("[...cnnviz.app.data.layers.at(-1).row.values]"))
    before = seen.logits[0].abs().max().item()
    assert (np.abs(np.array(found) - wanted) <= 0.51 * means * rows + 1e-5 * before).all()
    assert visit.complaints == []
    visit.leave()


def test_the_page_of_squeezenet_is_small_and_right(
    shared_weights, shared, browser, tmp_path, monkeypatch
):
    # Answers with a channel muted are held against the network elsewhere. They take 1% of the page,
    # and the fifteen classes more that it has 12%.
    monkeypatch.setattr(subject, "MUTED", 2)
    monkeypatch.setattr(what_if, "_affordable", lambda macs: 2)
    model = cnnviz.load("squeezenet1_0")
    (photo,) = (shared / "images").glob("*koala*")
    made = explore(model, photo)
    assert len(made.layers) == 4
    assert made.size <= 1_738_000
    assert made.error < 0.01
    visit = opened(browser, made, tmp_path)
    check_maps(model, photo, visit, made.layers)
    assert visit.page.inner_text("#verdict").startswith("koala")
    assert visit.complaints == []
    visit.leave()
