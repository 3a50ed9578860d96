"""The surfaces of 56 layers: the page has the kept numbers, and they show the contrast."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnviz.views.loss_landscape import LossLandscape, loss_landscape
from tests.helpers.architectures import tiny_network

DOCS = Path(__file__).parents[2] / "docs"
STORED, OF_IMAGES = "stored statistics", "statistics of the images"


@pytest.fixture(scope="module")
def networks():
    return json.loads((DOCS / "images" / "skip-surfaces.json").read_text("utf-8"))["networks"]


@pytest.fixture(scope="module")
def any_landscape() -> LossLandscape:
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return loss_landscape(tiny_network(), images, points=3)


@pytest.mark.parametrize("norms", [STORED, OF_IMAGES])
@pytest.mark.parametrize("name", ["plain-56", "resnet-56"])
def test_what_is_told_of_a_surface_is_that_of_its_losses(
    networks, any_landscape: LossLandscape, name: str, norms: str
) -> None:
    kept = networks[name][norms]
    places = np.array(kept["places"])
    surface = dataclasses.replace(
        any_landscape, x=places, y=places, losses=np.array(kept["losses"])
    )
    assert surface.minima == kept["local minima"]
    # The losses are kept with four decimals.
    assert surface.concave == pytest.approx(kept["curved downwards"], abs=0.05)
    assert surface.losses.max() == pytest.approx(kept["highest loss"])
    page = (DOCS / "skip-connections.md").read_text("utf-8")
    assert f"| {kept['local minima']} | {100.0 * kept['curved downwards']:.0f}% |" in page


def test_without_skips_the_surface_is_rugged_and_with_them_smooth(networks) -> None:
    plain, residual = (networks[name][STORED] for name in ("plain-56", "resnet-56"))
    assert plain["local minima"] >= 10
    assert residual["local minima"] == 1
    assert min(plain["local minima of each line"]) > max(residual["local minima of each line"])
    plain_bent, residual_bent = (
        np.mean(each["curved downwards of each line"]) for each in (plain, residual)
    )
    assert plain_bent > 2.0 * residual_bent
    assert plain["curved downwards"] > 2.0 * residual["curved downwards"]


def test_the_page_has_the_minima_over_the_training() -> None:
    kept = json.loads((DOCS / "images" / "skip-surfaces-over-training.json").read_text("utf-8"))
    page = (DOCS / "skip-connections.md").read_text("utf-8")
    for name, of_network in kept.items():
        for steps, found in of_network.items():
            minima = (
                ", ".join(map(str, found[norms]["local minima of each line"]))
                for norms in (STORED, OF_IMAGES)
            )
            share = f"{100.0 * found['held-out right']:.1f}%"
            assert f"(`{name}`) | {int(steps):,} | {share} | {' | '.join(minima)} |" in page


def test_both_files_agree_on_what_both_hold(networks) -> None:
    kept = json.loads((DOCS / "images" / "skip-surfaces-over-training.json").read_text("utf-8"))
    for name, drawn in networks.items():
        for norms in (STORED, OF_IMAGES):
            one, other = (
                each["local minima of each line"]
                for each in (drawn[norms], kept[name]["600"][norms])
            )
            assert one == other
