"""Signals and volumes moved, stretched and turned, against moves by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import ndimage

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.images.array_scene import ArrayScene
from tests.helpers.array_networks import NETWORKS, build
from tests.helpers.each_case import each_case


@each_case("amount", [0.0, 3.0, -2.5, 9.0])
@each_case("shape", [(2, 17), (1, 7, 4, 5)])
def test_a_move_is_linear_between_places_and_mirrored_beyond(
    shape: tuple[int, ...], amount: float
) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found, beyond = ArrayScene(values).moved(amount)
    away = (0.0, amount, *(0.0,) * (len(shape) - 2))
    wanted = ndimage.shift(values.astype(np.float64), away, order=1, mode="mirror")
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    places = np.arange(shape[1]) - amount
    assert beyond == pytest.approx(((places < -0.5) | (places > shape[1] - 0.5)).mean())


@each_case("factor", [0.5, 1.0, 1.8])
def test_a_signal_is_stretched_about_its_middle(factor: float) -> None:
    values = np.random.default_rng(1).normal(size=(1, 21)).astype(np.float32)
    found, beyond = ArrayScene(values).enlarged(factor)
    places = 10.0 + (np.arange(21) - 10.0) / factor
    wanted = ndimage.map_coordinates(values[0].astype(float), [places], order=1, mode="mirror")
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)
    assert (beyond > 0) == (factor < 1)


def test_each_slice_of_a_volume_is_turned_and_enlarged() -> None:
    values = np.random.default_rng(2).normal(size=(2, 3, 8, 8)).astype(np.float32)
    quarter, beyond = ArrayScene(values).turned(90.0)
    np.testing.assert_allclose(quarter, np.rot90(values, axes=(2, 3)), atol=1e-4)
    assert beyond == 0.0
    twice, _ = ArrayScene(values).enlarged(3.0)
    # The middle of four pixels is that of the slice.
    np.testing.assert_allclose(
        twice[:, :, 3:5, 3:5].mean((2, 3)), values[:, :, 3:5, 3:5].mean((2, 3)), atol=1e-4
    )


@pytest.mark.parametrize("name", ["signal", "volume"])
def test_distances_and_answers_are_those_of_moves_by_hand(name: str) -> None:
    network, x = build(name)
    found = cnnviz.invariance(network, x, "0", 1, shift=0.5, steps=5)
    kinds = ("translation", "scale", "rotation")
    assert found.kinds == (kinds[:2] if name == "signal" else kinds)
    assert found.distances.shape == (len(found.kinds), 1, 2, 5)
    twin = copy.deepcopy(network).double()
    for step, amount in enumerate(found.values[0]):
        away = (0, 0, amount, *(0,) * (x.ndim - 3))
        shifted = torch.from_numpy(ndimage.shift(x.double().numpy(), away, order=1, mode="mirror"))
        with torch.no_grad():
            apart = (twin[0](shifted) - twin[0](x.double())).flatten(1).norm(dim=1)
            answers = twin(shifted).softmax(1)[:, 1]
        np.testing.assert_allclose(found.distances[0, 0, :, step], apart, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.answers[0, :, step], answers, rtol=1e-4)
    # As it is: in the middle of the moves, and at the beginning of the others.
    assert np.allclose(found.distances[0, :, :, 2], 0.0, atol=1e-6)
    assert np.allclose(found.distances[1, :, :, 0], 0.0, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_is_moved_and_told_in_its_words(name: str) -> None:
    network, x = build(name)
    found = cnnviz.invariance(network, x, steps=3)
    told = f"{found.summary()} {found.caption()}"
    if x.ndim == 3:
        assert "stretched" in told
        assert "rotated" not in told
    else:
        assert "each of its slices is scaled" in told
    assert not {"pixels", "px", "photo", "image"} & set(told.replace("mirror image", "").split())
    if name in ("signal", "parted"):
        figure = found.figure()
        figure.draw_without_rendering()
        assert len(figure.axes) == len(found.kinds) * (2 + len(found.layers))


def test_a_signal_is_not_turned() -> None:
    network, x = build("signal")
    with pytest.raises(UsageError, match="A signal cannot be rotated"):
        cnnviz.invariance(network, x, rotation=90.0)
