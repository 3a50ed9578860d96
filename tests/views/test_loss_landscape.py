"""The view of a loss landscape: brute force, resumption, and what it draws and tells."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import TargetError, UsageError
from cnnviz.gradients.landscape import random_direction
from cnnviz.models import Model
from cnnviz.results import drawing
from cnnviz.views.loss_landscape import loss_landscape
from cnnviz.views.pictures.loss_landscape import levels
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state
from tests.helpers.undrawn import undrawn

LABELS = [1, 0, 3]


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def brute(module: nn.Module, point: tuple[float, ...], seed: int) -> float:
    """Return the loss of a double-precision copy moved by hand, in the mode that trains."""
    moved = copy.deepcopy(module).double()
    with torch.no_grad():
        for place, coordinate in enumerate(point):
            for name, step in random_direction(module, seed + place).steps.items():
                moved.get_parameter(name).add_(coordinate * step.double())
        for layer in moved.modules():
            layer.training = isinstance(layer, nn.BatchNorm2d)
        return float(F.cross_entropy(moved(images().double()), torch.tensor(LABELS)))


def test_a_surface_is_that_of_copies_moved_by_hand() -> None:
    module = tiny_network()
    before = state(module)
    found = loss_landscape(module, images(), LABELS, points=5, reach=0.8, seed=3)
    assert state(module) == before
    assert found.losses.shape == found.shares.shape == (5, 5)
    np.testing.assert_allclose(found.x, [-0.8, -0.4, 0.0, 0.4, 0.8])
    for row, column in [(0, 0), (2, 2), (1, 4), (4, 0), (2, 3)]:
        wanted = brute(module, (float(found.x[column]), float(found.y[row])), 3)
        assert found.losses[row, column] == pytest.approx(wanted, rel=1e-5)
    assert found.centre == found.losses[2, 2]


def test_a_line_is_that_of_copies_moved_by_hand() -> None:
    module = lasting_network()
    found = loss_landscape(module, images(), LABELS, dimensions=1, points=7, seed=2)
    assert found.dimensions == 1
    wanted = [brute(module, (float(x),), 2) for x in found.x]
    np.testing.assert_allclose(found.losses[0], wanted, rtol=1e-5)


def test_the_line_is_the_middle_of_the_surface() -> None:
    line = loss_landscape(lasting_network(), images(), LABELS, dimensions=1, points=5)
    surface = loss_landscape(lasting_network(), images(), LABELS, points=5)
    np.testing.assert_allclose(surface.losses[2], line.losses[0], rtol=1e-5)


@each_case(
    ("end", "output"),
    [
        (nn.Softmax(1), "classes"),
        (nn.LogSoftmax(1), "classes"),
        (nn.Sigmoid(), "labels"),
        (nn.Identity(), "classes"),
    ],
)
def test_what_ends_with_its_softmax_or_sigmoid_is_not_given_another(end, output) -> None:
    module = tiny_network()
    plain, ended = (
        loss_landscape(
            Model(each, output=output), images(), dimensions=1, points=3, batch_norm="keep"
        )
        for each in (nn.Sequential(module, nn.Identity()), nn.Sequential(module, end))
    )
    np.testing.assert_allclose(ended.losses, plain.losses, rtol=1e-5)
    assert ended.centre == pytest.approx(ended.own_loss, rel=1e-5)


def test_batch_norms_may_keep_what_they_store() -> None:
    module = tiny_network()
    with torch.no_grad():
        module[4].running_var.fill_(1e-4)
        wanted = float(F.cross_entropy(module(images()), torch.tensor(LABELS)))
    kept = loss_landscape(module, images(), LABELS, points=3, batch_norm="keep")
    assert kept.centre == pytest.approx(wanted, rel=1e-5)
    assert "keep the statistics that the network stores" in kept.caption()
    calibrated = loss_landscape(module, images(), LABELS, points=3)
    assert calibrated.own_loss == pytest.approx(wanted, rel=1e-5)
    assert calibrated.centre != pytest.approx(wanted, rel=1e-3)
    assert f"the network itself has a loss of {wanted:.3g}" in calibrated.caption()


def test_batch_norms_that_saw_no_data_are_named_when_they_are_kept() -> None:
    found = loss_landscape(lasting_network(), images(), points=3, batch_norm="keep")
    assert "The batch norm '4' has never seen data" in found.caption()


def test_without_labels_the_own_answers_count_and_the_caption_says_so() -> None:
    module = tiny_network()
    found = loss_landscape(module, images(), points=3)
    with torch.no_grad():
        answers = module(images()).argmax(1).tolist()
    assert found.own_share == 1.0
    assert "the network's own answers count as right" in found.caption()
    same = loss_landscape(module, images(), answers, points=3)
    np.testing.assert_array_equal(found.losses, same.losses)


def test_labels_by_name() -> None:
    named = Model(lasting_network(), categories=["cat", "dog", "emu", "yak"])
    found = loss_landscape(named, images(), ["dog", "cat", "yak"], points=3)
    np.testing.assert_array_equal(
        found.losses, loss_landscape(lasting_network(), images(), LABELS, points=3).losses
    )
    with pytest.raises(TargetError, match="no class 'dgo'"):
        loss_landscape(named, images(), "dgo", points=3)


def test_a_run_goes_on_from_its_folder_and_never_from_another_networks(tmp_path) -> None:
    module, seen = tiny_network(), []

    def stops(done: int, total: int, what: str) -> None:
        seen.append(done)
        if done > 3:
            raise KeyboardInterrupt

    before = state(module)
    with pytest.raises(KeyboardInterrupt):
        loss_landscape(module, images(), points=3, state=tmp_path, progress=stops)
    assert state(module) == before
    assert 0 < len(list(tmp_path.rglob("0*.json"))) < 9
    found = loss_landscape(module, images(), points=3, state=tmp_path)
    whole = loss_landscape(module, images(), points=3)
    np.testing.assert_array_equal(found.losses, whole.losses)
    (folder,) = tmp_path.iterdir()
    for name, change in {
        "weights": {"model": tiny_network(seed=1)},
        "images": {"images": images(2)},
        "labels": {"labels": LABELS},
        "seed": {"seed": 1},
        "reach": {"reach": 0.5},
        "batch norms": {"batch_norm": "keep"},
    }.items():
        arguments = {"model": module, "images": images(), "points": 3, **change}
        other = loss_landscape(**arguments, state=tmp_path)
        fresh = loss_landscape(**arguments)
        np.testing.assert_array_equal(other.losses, fresh.losses, err_msg=name)
    assert len(list(tmp_path.iterdir())) == 7
    assert folder in tmp_path.iterdir()


def test_the_model_is_left_alone_in_training_mode_and_inside_inference_mode() -> None:
    module = tiny_network().train()
    module[0].weight.requires_grad_(False)
    before = state(module)
    with torch.inference_mode():
        inside = loss_landscape(module, images(), points=3)
    assert state(module) == before
    outside = loss_landscape(module, images(), points=3)
    np.testing.assert_array_equal(inside.losses, outside.losses)


def test_minima_are_counted_inside_the_border() -> None:
    found = loss_landscape(lasting_network(), images(), points=5)
    values = found.losses.copy()
    values[:] = 2.0
    values[1, 1] = values[3, 3] = 1.0
    values[0, 4] = 0.0
    values[2, 4] = np.inf
    object.__setattr__(found, "losses", values)
    assert found.minima == 2
    line = loss_landscape(lasting_network(), images(), dimensions=1, points=5)
    object.__setattr__(line, "losses", np.array([[0.0, 2.0, 1.0, 3.0, 2.0]]))
    assert line.minima == 1


def test_the_share_that_curves_downwards_is_that_of_a_hessian_worked_out_by_hand() -> None:
    found = loss_landscape(lasting_network(), images(), points=9)
    x, y = np.meshgrid(found.x, found.y)
    # A saddle along the diagonals curves downwards everywhere, which neither axis shows.
    for values, share in [(x * y, 1.0), (x**2 + y**2, 0.0), (x**2 - 0.5 * y**2, 1.0)]:
        assert dataclasses.replace(found, losses=1.0 + values).concave == share
    # The cubic has the second derivatives 6 x and 2: it bends downwards to the left of 0.
    assert dataclasses.replace(found, losses=x**3 + y**2).concave == pytest.approx(3 / 7)
    rough = np.random.default_rng(0).random((9, 9)) + 1.0
    least = []
    for i, j in np.ndindex(7, 7):
        near = rough[i : i + 3, j : j + 3]
        across, along = near[1, 0] + near[1, 2], near[0, 1] + near[2, 1]
        mixed = (near[2, 2] + near[0, 0] - near[2, 0] - near[0, 2]) / 4.0
        twice = 2.0 * near[1, 1]
        least.append(np.linalg.eigvalsh([[across - twice, mixed], [mixed, along - twice]])[0])
    share = float(np.mean(np.array(least) < 0.0))
    assert 0.0 < share < 1.0
    assert dataclasses.replace(found, losses=rough).concave == pytest.approx(share)


def test_what_curves_downwards_is_counted_where_it_is_known() -> None:
    line = loss_landscape(lasting_network(), images(), dimensions=1, points=7)
    bent = np.array([[3.0, 1.0, 2.0, 2.5, 4.0, np.inf, 1.0]])
    assert dataclasses.replace(line, losses=bent).concave == pytest.approx(1 / 3)
    flat = dataclasses.replace(line, losses=np.full((1, 7), 2.3))
    assert flat.concave == 0.0
    lost = dataclasses.replace(line, losses=np.full((1, 7), np.nan))
    assert np.isnan(lost.concave)
    assert "downwards" not in lost.summary()
    assert "downwards at 0%" in flat.summary()


def test_levels_are_logarithmic_where_losses_span_a_decade() -> None:
    edges, logarithmic = levels(np.array([[0.01, 1.0], [np.inf, 0.5]]))
    assert logarithmic
    assert (edges[0], edges[-1]) == (0.01, 1.0)
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(100.0) / (len(edges) - 1))
    assert levels(np.array([0.0, 0.02, 3.0]))[0][0] == 0.02
    edges, logarithmic = levels(np.array([1.0, 2.0]))
    assert not logarithmic
    assert (edges[0], edges[-1]) == (1.0, 2.0)
    assert levels(np.array([1.5, 1.5]))[0].tolist() == pytest.approx([1.4985, 1.5015])
    assert levels(np.array([np.nan]))[0].tolist() == [0.0, 1.0]


def test_the_pictures_draw_the_losses_with_the_network_marked() -> None:
    surface = loss_landscape(lasting_network(), images(), points=5)
    flat = surface.figure().axes[0]
    (mark,) = [line for line in flat.lines if line.get_marker() == "x"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (0.0, 0.0)
    assert "filter changes by its own norm" in flat.get_xlabel()
    assert [text.xy for text in flat.texts if text.get_text() == "the network as it is"] == [
        (0.0, 0.0)
    ]
    line = loss_landscape(lasting_network(), images(), dimensions=1, points=5)
    upper = line.figure().axes[0]
    drawn = [each for each in upper.lines if len(each.get_xdata()) == 5]
    np.testing.assert_array_equal(drawn[0].get_ydata(), line.losses[0])
    (named,) = upper.texts
    assert named.xy == (0.0, line.centre)


def test_the_labels_of_the_surface_lie_inside_the_figure() -> None:
    found = loss_landscape(lasting_network(), images(), points=5)
    steep = dataclasses.replace(found, losses=np.geomspace(0.1, 1e6, 25).reshape(5, 5))
    figure = steep.figure()
    figure.draw_without_rendering()
    hilly = figure.axes[1]
    for axis in (hilly.xaxis, hilly.yaxis, hilly.zaxis):
        box = axis.label.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_losses_that_are_not_finite_are_grey_and_counted() -> None:
    network = tiny_network()
    with torch.no_grad():
        [*network.parameters()][-2].mul_(1e36)
    found = loss_landscape(network, images(), points=3, reach=1000, batch_norm="keep")
    assert int((~np.isfinite(found.losses)).sum()) > 0
    assert f"At {int((~np.isfinite(found.losses)).sum())} points it is not" in found.caption()
    found.figure().draw_without_rendering()
    line = loss_landscape(network, images(), points=3, reach=1000, batch_norm="keep", dimensions=1)
    line.figure().draw_without_rendering()


@each_case(
    ("arguments", "message"),
    [
        ({"dimensions": 3}, "dimensions cannot be 3"),
        ({"points": 4}, "4 points a side do not have the network in their middle"),
        ({"points": 1}, "points cannot be 1"),
        ({"reach": 0.0}, "reach cannot be 0"),
        ({"reach": float("nan")}, "reach cannot be nan"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"batch_norm": "drop"}, "treated as 'drop'"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loss_landscape(lasting_network(), images(), **arguments)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_it_fits_into_the_column_of_a_paper(tmp_path, dimensions) -> None:
    found = loss_landscape(lasting_network(), images(), LABELS, dimensions=dimensions, points=5)
    # What `width="85mm"` looks for is looked for in tests/results; so high will do.
    size = "85x51mm" if dimensions == 1 else "85x84mm"
    with undrawn():
        found.save(tmp_path / "a.png", size=size, font_size=7, title=False, dpi=72)
    narrow = drawing.new_figure(4.3, 4.0)
    found.figure(figure=narrow)
    names = [axes.name for axes in narrow.axes]
    assert "3d" not in names, "the same numbers twice have no room there"
    assert ("3d" in [axes.name for axes in found.figure().axes]) == (dimensions == 2)
    if dimensions == 2:
        panel, _ = narrow.axes
        narrow.draw_without_rendering()
        assert panel.get_window_extent().width > 0.5 * 4.3 * narrow.dpi
