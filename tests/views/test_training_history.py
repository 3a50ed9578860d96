"""Checkpoints of which it is known how far each layer is from its end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import cnnviz
from cnnviz.errors import CheckpointError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.views.pictures.training_history import _layout
from cnnviz.views.training_history import training_history
from tests.helpers.state import state

PLAIN = Preprocessing(None, (16, 16), (0.0,) * 3, (1.0,) * 3)
PHOTOS = list(np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), np.uint8))
STEPS = (0.8, 0.3, 0.05, 0.0)
"""How far the weights of the deeper layers are from the end, as a share of these."""


def module(seed: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    made = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return made.eval()


def model() -> Model:
    return Model(module(5), preprocessing=PLAIN, output="classes", name="net")


def write(folder: Path) -> list[nn.Sequential]:
    """Write four epochs: the first layer is there at once, the others come nearer step by step."""
    networks = []
    for epoch, far in zip((1, 2, 9, 10), STEPS, strict=True):
        made = module()
        with torch.no_grad():
            for layer in (made[3], made[7]):
                layer.weight.mul_(1.0 + far)
        torch.save(made.state_dict(), folder / f"epoch-{epoch}.pth")
        networks.append(made)
    return networks


def inputs() -> torch.Tensor:
    return torch.from_numpy(np.stack(PHOTOS)).permute(0, 3, 1, 2).double() / 255.0


def by_hand(first: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the CKA with HSIC_1 as Song et al. 2012 write it, in eq. 5."""

    def hsic(k: NDArray[np.float64], m: NDArray[np.float64]) -> float:
        n, one = len(k), np.ones(len(k))
        middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return float(np.trace(k @ m) + middle - 2.0 / (n - 2) * (one @ k @ m @ one))

    one, two = (values @ values.T for values in (first, other))
    np.fill_diagonal(one, 0.0)
    np.fill_diagonal(two, 0.0)
    return hsic(one, two) / np.sqrt(hsic(one, one) * hsic(two, two))


def test_changes_and_similarity_are_those_taken_by_hand(tmp_path: Path) -> None:
    networks = write(tmp_path)
    wrapped = model()
    before = state(wrapped.module)
    found = training_history(wrapped, PHOTOS, tmp_path, layers="1,4,7")
    assert state(wrapped.module) == before
    assert found.checkpoints == tuple(f"epoch-{epoch}.pth" for epoch in (1, 2, 9, 10))
    assert found.labels == ("1", "2", "9", "10")
    assert (found.epochs.tolist(), found.unit, found.found) == ([1, 2, 9, 10], "epoch", 4)
    assert found.weighted == ("0", "3", "7")
    np.testing.assert_allclose(found.changes, [[0.0] * 4, STEPS, STEPS], atol=1e-6)
    for row, layer in enumerate(("1", "4", "7")):
        with torch.no_grad():
            outputs = [
                made.double()[: int(layer) + 1](inputs()).flatten(1).numpy() for made in networks
            ]
        wanted = [by_hand(one, outputs[-1]) for one in outputs]
        np.testing.assert_allclose(found.cka[row], wanted, atol=1e-5, err_msg=layer)
    assert found.batch_sizes.tolist() == [9]
    np.testing.assert_array_equal(found.weights_settled, [1, 9, 9])
    assert found.weights_order == pytest.approx(2.0 / np.sqrt(3 * 2))


def write_settling(folder: Path, depth: int) -> Model:
    """Write an epoch for each layer, in which it comes to its end, and return the network."""
    layers = [nn.Conv2d(3, 3, 1) for _ in range(depth)]
    made = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    end = {name: value.clone() for name, value in made.state_dict().items()}
    for epoch in range(depth + 1):
        with torch.no_grad():
            for place, layer in enumerate(layers):
                layer.weight.copy_(end[f"{place}.weight"] * (1.9 if epoch <= place else 1.0))
        torch.save({"state_dict": made.state_dict()}, folder / f"epoch-{epoch}.ckpt")
    return Model(made, preprocessing=PLAIN, output="classes", name="net")


def test_checkpoints_named_one_by_one_keep_their_order(tmp_path: Path) -> None:
    wrapped = write_settling(tmp_path, 3)
    # From the highest number to the lowest: the order is that of the files.
    for epoch in range(4):
        (tmp_path / f"epoch-{epoch}.ckpt").rename(tmp_path / f"left-{3 - epoch}.ckpt")
    files = [tmp_path / f"left-{left}.ckpt" for left in range(3, -1, -1)]
    named = training_history(wrapped, PHOTOS[0], files)
    assert named.weights_settled.tolist() == [2, 1, 0]
    assert named.weights_order == 1.0
    assert "the deeper, the earlier" not in named.summary()


@pytest.mark.parametrize(("depth", "told"), [(3, False), (5, True)])
def test_layers_that_settle_in_turn_are_told_so_if_they_are_enough(
    tmp_path: Path, depth: int, told: bool
) -> None:
    wrapped = write_settling(tmp_path, depth)
    # One photo: no CKA, and the weights are told.
    found = training_history(wrapped, PHOTOS[0], tmp_path)
    assert np.isnan(found.cka).all()
    assert found.weights_settled.tolist() == list(range(1, depth + 1))
    assert found.weights_order == 1.0
    assert found.weights_order_chance == pytest.approx(2 / (120 if told else 6))
    assert (
        "weights are within 10% of the last from epoch 1 on at layer 0, at the last alone at layer "
        f"{depth - 1}"
    ) in found.summary()
    assert ("the deeper, the later (Kendall's tau of depth and time +1.00, chance 0.017)"
            in found.summary()) is told  # fmt: skip
    assert ("no order of depth that 3 layers could show" in found.summary()) is not told
    assert "No CKA was measured: it takes 4 images" in found.caption()


def test_a_layer_that_told_no_images_apart_at_first_settled_later(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        made = module(5)
        with torch.no_grad():
            made[3].weight.mul_(float(epoch > 1))
        torch.save(made.state_dict(), tmp_path / f"epoch-{epoch}.pth")
    found = training_history(model(), PHOTOS, tmp_path, layers="1,4")
    assert np.isfinite(found.cka).tolist() == [[True] * 3, [False, True, True]]
    assert found.settled.tolist() == [1.0, 2.0]
    assert "from epoch 1 on at layer 1, from epoch 2 on at layer 4" in found.summary()
    assert "At some checkpoint 4 gives the same for all images" in found.caption()
    # Nothing is known of one that is constant at the end.
    last = np.array([[1.0, 1.0, 1.0], [np.nan] * 3])
    assert np.isnan(replace(found, cka=last).settled).tolist() == [False, True]


def test_of_one_photo_feature_maps_are_shown_and_kernels_as_they_are(tmp_path: Path) -> None:
    networks = write(tmp_path)
    found = training_history(model(), PHOTOS[0], tmp_path, top=2)
    assert (found.rule, [one.layer for one in found.units]) == ("", ["1", "4"])
    np.testing.assert_allclose(
        found.kernels, [made[0].weight.detach().numpy() for made in networks], atol=0
    )
    norms = np.linalg.norm(found.kernels[-1].reshape(5, -1), axis=1)
    assert list(found.shown_kernels) == np.argsort(-norms)[:2].tolist()
    deep = found.units[1]
    with torch.no_grad():
        maps = [made[:5](inputs()[:1].float())[0].numpy() for made in networks]
    strongest = np.argsort(-maps[-1].max((1, 2)), kind="stable")[:2]
    assert list(deep.channels) == strongest.tolist()
    for epoch, wanted in enumerate(maps):
        np.testing.assert_allclose(deep.cells[:, epoch], wanted[strongest], atol=1e-5)
        np.testing.assert_allclose(
            deep.activations[:, epoch], wanted[strongest].max((1, 2)), atol=1e-5
        )


def test_of_many_images_the_strongest_activation_is_sent_back(tmp_path: Path) -> None:
    networks = write(tmp_path)
    found = training_history(model(), PHOTOS, tmp_path, layers="4", top=3)
    (units,) = found.units
    assert found.rule == "deconvnet"
    for epoch, made in enumerate(networks):
        with torch.no_grad():
            peaks = made[:5](inputs().float()).amax((2, 3)).numpy()
        for row, channel in enumerate(units.channels):
            image = int(peaks[:, channel].argmax())
            assert units.activations[row, epoch] == pytest.approx(peaks[image, channel], rel=1e-4)
            if peaks[image, channel] > 0.0:
                assert units.images[row][epoch] == f"image {image}"
    # The pictures are those that top_activations draws.
    alone = cnnviz.top_activations(
        Model(networks[-1], preprocessing=PLAIN), PHOTOS, "4", units.channels, k=1
    )
    np.testing.assert_array_equal(units.cells[:, -1], alone.projections[:, 0])


def test_a_unit_that_is_not_active_has_no_number_and_the_picture_is_drawn(tmp_path: Path) -> None:
    for epoch, bias in ((1, -99.0), (2, 0.5)):
        made = module()
        with torch.no_grad():
            made[3].bias.fill_(bias)
        torch.save(made.state_dict(), tmp_path / f"epoch-{epoch}.pt")
    found = training_history(model(), PHOTOS, tmp_path, layers="1,4")
    assert (found.units[1].activations[:, 0] == 0.0).all()
    assert (found.units[1].cells[:, 0] == found.units[1].cells[0, 0, 0, 0]).all(), "one grey"
    # All images are the same to it: there is nothing to compare.
    assert np.isnan(found.cka[1, 0])
    assert found.settled[1] == 2.0, "what tells no images apart is not yet what it is at the end"
    found.figure().draw_without_rendering()
    held = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert held["settled"] == [1.0, 2.0]
    assert held["cka"][1][0] is None
    assert held["units"][1]["layer"] == "4"


def test_the_share_of_right_answers_is_counted_where_labels_are_known(tmp_path: Path) -> None:
    class Always(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)
            self.bias = nn.Parameter(torch.zeros(10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x).mean((1, 2, 3))[:, None] * 0.0 + self.bias

    made = Always().eval()
    for epoch, place in ((1, 0), (2, 3)):
        with torch.no_grad():
            made.bias.zero_()
            made.bias[place] = 5.0
        torch.save(made.state_dict(), tmp_path / f"{epoch}.pth")
    shapes = cnnviz.Shapes(split="held-out")
    labels = np.array([shapes[place].label for place in range(12)])
    names = cnnviz.load().categories
    wrapped = Model(made, categories=names, preprocessing=PLAIN, output="classes")
    found = training_history(wrapped, "shapes", tmp_path, layers=["conv"], count=12)
    np.testing.assert_allclose(found.accuracies, [(labels == 0).mean(), (labels == 3).mean()])
    assert found.labelled == 12
    assert "right answers to 12 labelled images" in found.caption()


def test_without_checkpoints_it_is_the_network_before_and_after(tmp_path: Path) -> None:
    found = training_history(model(), PHOTOS, seed=3)
    assert found.checkpoints == ("redrawn", "as it is")
    assert found.provenance.seed == 3
    assert "2 checkpoints, redrawn to as it is" in found.summary()
    np.testing.assert_array_equal(found.changes[:, -1], 0.0)
    assert (found.changes[:, 0] > 0.5).all()


def test_the_fewer_checkpoints_the_larger_the_cells_and_one_photo_has_no_empty_panel(
    tmp_path: Path,
) -> None:
    write(tmp_path)
    few, many = training_history(model(), PHOTOS), training_history(model(), PHOTOS, tmp_path)
    longer = replace(few, epochs=np.arange(12))
    assert _layout(longer)[1] < _layout(few)[1]
    assert _layout(few)[0] == 1 + len(few.units)
    assert many.figure().get_suptitle() == "net, 4 checkpoints, epoch 1 → epoch 10"
    panels = few.figure().axes
    assert len(panels) - len(training_history(model(), PHOTOS[0]).figure().axes) == 1
    labels = panels[0].get_legend_handles_labels()[1]
    assert "settled: 0.9 or more" in labels


def test_what_cannot_be_used_is_refused_by_name_before_any_work(tmp_path: Path) -> None:
    write(tmp_path)
    torch.save(nn.Conv2d(3, 5, 5).state_dict(), tmp_path / "epoch-3.pth")
    seen: list[int] = []

    def note(done: int, total: int, what: str) -> None:
        seen.append(done)

    with pytest.raises(CheckpointError, match=r"epoch-3\.pth"):
        training_history(model(), PHOTOS, tmp_path, progress=note)
    assert not seen
    few = training_history(model(), PHOTOS, tmp_path, epochs=[1, 10])
    assert few.epochs.tolist() == [1, 10]
    assert "2 of 5 checkpoints" in few.caption()
    for wrong in ({"most": 1}, {"top": 0}, {"batch_size": 4}, {"alike": 0.0}, {"rule": "none"}):
        with pytest.raises(UsageError):
            training_history(model(), PHOTOS, tmp_path, **wrong)
    signals = nn.Sequential(nn.Conv1d(1, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    with pytest.raises(UsageError, match="takes signals"):
        training_history(signals, PHOTOS, tmp_path)
