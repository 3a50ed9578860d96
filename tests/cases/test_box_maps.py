"""Maps of one box of a detector, and everything else that is made for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

import cnnviz
from cnnviz import Box, Capture, Model, capture
from cnnviz.errors import TargetError
from cnnviz.images.baselines import baseline_images
from cnnviz.models.detections import overlap
from cnnviz.passes.call_order import call_order
from cnnviz_cli.app import app
from tests.helpers.detectors import NAMES, UNIT, Grid, Pyramid, TwoStage, boxes_of_grid, photos
from tests.helpers.undrawn import undrawn

QUICK = {"measures": ("curves", "drop"), "random": 2, "steps": 4}


def pyramid(score_thresh: float = 0.3) -> Model:
    return Model(Pyramid(score_thresh), preprocessing=UNIT, categories=NAMES)


def some_box(held: Capture, rank: int = 2) -> Box:
    found = cnnviz.predictions(held, rank + 1)
    assert isinstance(found, cnnviz.views.predictions.PredictedBoxes)
    left, top, right, bottom = found.boxes[0, rank].tolist()
    return Box(int(found.classes[0, rank]), (left, top, right, bottom))


# Which layers are maps, and of what part of the image.


def test_the_levels_that_the_heads_read_are_the_pyramid() -> None:
    held = capture(pyramid(), photos(), layers="stages")
    assert held.pyramid == ("smooth.0", "smooth.1")
    assert list(held.activations) == ["stem.1", "stem.3", "smooth.0", "smooth.1"]
    grid = capture(Model(Grid(), decode=boxes_of_grid), photos(), layers="stages")
    # The head is what boxes are read from, and no stage.
    assert list(grid.activations) == ["body.1", "body.3", "body.5"]
    assert grid.pyramid == ("body.5",)
    two = call_order(Model(TwoStage()), photos())
    assert two.stages() == ("body.1", "body.3", "body.5")
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    assert capture(plain, photos(), layers="0").pyramid == ()


class Necked(nn.Module):
    """Two levels joined by a neck, and one head on what it returns."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.fine, self.coarse = nn.Conv2d(3, 6, 4, 4), nn.Conv2d(6, 6, 2, 2)
        self.neck = Neck(form)
        self.grid = Grid()
        self.head = nn.Conv2d(6, 8, 2, 2)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.fine(x).relu()
        coarse = self.coarse(fine).relu()
        joined = self.neck([fine, coarse]) if self.form == "list" else self.neck(fine, coarse)
        answer: torch.Tensor = self.head(joined["fine"] if self.form == "list" else joined)
        return answer


class Neck(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.mix = form, nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, *maps: Any) -> Any:
        fine, coarse = maps[0] if self.form == "list" else maps
        mixed = self.mix(fine + F.interpolate(coarse, scale_factor=2.0))
        return {"fine": mixed} if self.form == "list" else mixed


@pytest.mark.parametrize("form", ["list", "two arguments"])
def test_what_a_neck_takes_is_no_pyramid(form: str) -> None:
    held = capture(Model(Necked(form), decode=boxes_of_grid), photos(), layers="stages")
    assert held.pyramid == ("neck.mix",)
    assert "head" not in list(held.activations)


class Functional(Grid):
    """The same grid, with its activations called as functions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.body[::2]:
            x = F.relu(layer(x))
        answer: torch.Tensor = self.head(x)
        return answer


def test_activations_called_as_functions_leave_a_detector_its_maps() -> None:
    module = Functional()
    held = capture(Model(module, decode=boxes_of_grid), photos(), layers="stages")
    assert list(held.activations) == ["body.0", "body.2", "body.4"], "the head is no stage"
    assert held.pyramid == ("body.4",)
    found = cnnviz.cam(held, relu=False)
    assert found.layers == ("body.4",)
    weights = held.gradient_maps("body.4").mean((2, 3))[:, :, None, None]
    whole = (weights * held.activation_maps("body.4")).sum(1)
    np.testing.assert_allclose(found.maps[0], whole, rtol=1e-4, atol=1e-9)


class Scaled(nn.Module):
    """Two levels read as a list, one of them scaled on the way as that of SSD is."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 6, 4, 4), nn.Conv2d(6, 6, 2, 2)
        self.head = ListHead()
        self.eval()

    def forward(self, x: torch.Tensor) -> Any:
        fine = self.fine(x)
        coarse = self.coarse(fine)
        return self.head([20.0 * F.normalize(fine), coarse])


class ListHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList([nn.Conv2d(6, 1, 1), nn.Conv2d(6, 1, 1)])

    def forward(self, maps: list[torch.Tensor]) -> Any:
        scores = [one(m).flatten(1) for one, m in zip(self.each, maps, strict=True)]
        every = torch.cat(scores, 1).sigmoid()
        sides = torch.arange(1, every.shape[1] + 1)[:, None] * torch.tensor([0.0, 0.0, 1.0, 1.0])
        return [{"boxes": sides, "scores": one} for one in every]


def test_a_level_that_was_scaled_on_the_way_is_one_all_the_same() -> None:
    held = capture(Model(Scaled(), preprocessing=UNIT), photos(), layers="stages")
    assert held.pyramid == ("fine", "coarse")
    assert cnnviz.cam(held).layers == ("pyramid of 2 levels",)


def test_maps_on_a_canvas_are_cut_to_the_image() -> None:
    # 40 x 52 px become 80 x 104 on a canvas of 96 x 128; at a stride of 8 that is 10 x 13 of 12 x
    # 16 positions, at 16 it is 5 x 6.5 of 6 x 8.
    model, x = pyramid(), photos(1, 40, 52)
    held = capture(model, x, layers="stages")
    fine, coarse = held.layout("smooth.0"), held.layout("smooth.1")
    for layout, cell in ((fine, 8), (coarse, 16)):
        rows, columns = layout.size
        np.testing.assert_allclose(
            layout.extent, ((0.0, rows * cell / 80), (0.0, columns * cell / 104)), rtol=1e-12
        )
    found = cnnviz.cam(held, "smooth.0", relu=False)
    assert found.maps[0].shape == (1, 10, 13)
    weights = held.gradient_maps("smooth.0").mean((2, 3))[:, :, None, None]
    whole = (weights * held.activation_maps("smooth.0")).sum(1)
    np.testing.assert_allclose(found.maps[0], whole[:, :10, :13], rtol=1e-4, atol=1e-9)
    assert "larger canvas" in found.caption()


def test_a_bright_spot_lies_under_its_own_place_on_a_canvas() -> None:
    model, x = pyramid(), torch.full((1, 3, 40, 52), 0.5)
    x[0, :, 30:34, 42:46] = 1.0
    held = capture(model, x, layers="stages", target=lambda out: out[0]["scores"].sum()[None])
    found = cnnviz.cam(held, "stem.1", method="eigencam")
    row, column = found.peak()
    assert 27 <= row <= 36
    assert 39 <= column <= 48


# The levels joined.


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
@pytest.mark.parametrize("relu", [True, False])
def test_the_levels_are_summed_as_they_are(method: str, relu: bool) -> None:
    model, x = pyramid(), photos()
    # One box of each level, so that both have evidence.
    target = lambda out: torch.stack([one["scores"].sum() for one in out])  # noqa: E731
    held = capture(model, x, layers="stages", target=target)
    found = cnnviz.cam(held, method=method, relu=relu)
    total = torch.zeros(1, 12, 16)
    for level in ("smooth.0", "smooth.1"):
        a, g = held.activations[level], held.gradients[level]
        weights = g.mean((2, 3), keepdim=True) if method == "gradcam" else g.relu()
        one = (weights * a).sum(1, keepdim=True)
        one = one.relu() if relu else one
        assert one.any()
        total += F.interpolate(one, (12, 16), mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(found.maps[0], total, rtol=1e-4, atol=1e-7)
    assert found.layers == ("pyramid of 2 levels",)
    assert "summed as they are" in found.caption()
    assert "smooth.0 and smooth.1" in found.caption()
    assert ("weighs whole channels" in found.caption()) == (method == "gradcam")


def test_layercam_of_a_box_lies_where_its_head_looks() -> None:
    model, x = pyramid(), photos()
    held = capture(model, x, layers="stages", gradients=False)
    for rank in range(0, 40, 8):
        target = some_box(held, rank)
        found = cnnviz.cam(capture(model, x, layers="stages", target=target), method="layercam")
        left, top, right, bottom = target.box
        heat = found.on_photo()
        if not heat.any():
            continue
        row, column = found.peak()
        # The head sees two positions to each side of the one that the box comes from.
        assert left - 24 <= column <= right + 24
        assert top - 24 <= row <= bottom + 24
        assert found.asked_boxes[0] == pytest.approx(target.box)


def test_faithfulness_makes_the_summed_map_again() -> None:
    model, x = pyramid(), photos()
    target = some_box(capture(model, x, layers=(), gradients=False))
    heatmap = cnnviz.cam(capture(model, x, layers="stages", target=target))
    found = cnnviz.faithfulness(model, x, heatmap, target=target, **QUICK)
    assert found.unit == "score"
    held = capture(model, x, layers=(), target=target)
    np.testing.assert_allclose(found.scores, held.scores.double(), rtol=1e-6)
    made = cnnviz.faithfulness(model, x, "gradcam", target=target, **QUICK)
    for key, values in found.arrays().items():
        # Between the two a fast copy comes in, which rounds otherwise.
        within = 1e-5 * np.abs(values).max(initial=0.0, where=np.isfinite(values))
        np.testing.assert_allclose(made.arrays()[key], values, rtol=0, atol=within)
    named = "Give what it explains as target="
    with pytest.raises(TargetError, match=named):
        cnnviz.faithfulness(model, x, heatmap, **QUICK)


def test_occlusion_of_a_box_is_what_hiding_squares_takes_from_it() -> None:
    model, x = pyramid(), photos()
    target = some_box(capture(model, x, layers=(), gradients=False))
    found = cnnviz.occlusion(model, x, 16, 16, target=target)
    fill = baseline_images(UNIT, x, "mean")
    wanted = torch.tensor(target.box)

    def score(image: torch.Tensor) -> float:
        with torch.no_grad():
            (one,) = model.module(image)
        values = overlap(one["boxes"], wanted) * one["scores"] * (one["labels"] == target.label)
        return float(values.max()) if len(values) else 0.0

    for row in range(3):
        for column in range(4):
            hidden = x.clone()
            part = (..., slice(16 * row, 16 * row + 16), slice(16 * column, 16 * column + 16))
            hidden[part] = fill[part]
            assert found.drops[0, row, column] == pytest.approx(
                score(x) - score(hidden), rel=1e-4, abs=1e-6
            )


def test_what_is_left_when_nothing_is_found_any_more_is_a_score_of_zero() -> None:
    model, x = pyramid(0.66), photos()
    held = capture(model, x, layers="stages")
    with torch.no_grad():
        assert not len(model.module(torch.full_like(x, 0.5))[0]["scores"])
    assert held.resolved_targets[0].score(model.forward(torch.full_like(x, 0.5))).item() == 0.0
    found = cnnviz.attribute(model, x, "integrated_gradients", steps=8, baseline="mean")
    assert np.isfinite(found.maps[0]).all()


def test_attributions_of_a_box_add_up_to_its_score() -> None:
    model = Model(Grid(), decode=boxes_of_grid, preprocessing=UNIT, categories=NAMES)
    x = photos()
    target = some_box(capture(model, x, layers=(), gradients=False))
    found = cnnviz.attribute(model, x, "integrated_gradients", target, steps=64)
    held = capture(model, x, layers=(), target=target)
    blank = held.resolved_targets[0].score(model.forward(baseline_images(UNIT, x, "blur")))
    rise = held.scores.item() - blank.item()
    assert float(found.maps[0].sum()) == pytest.approx(rise, rel=0.05)
    saliency = cnnviz.attribute(model, x, "saliency", target)
    np.testing.assert_allclose(
        saliency.maps[0], held.input_gradient.abs().amax(1), rtol=1e-4, atol=1e-8
    )


# Views and reports.


def test_boxes_are_drawn_and_told_with_their_values(tmp_path: Path) -> None:
    from matplotlib.patches import Rectangle

    held = capture(pyramid(), photos(2), layers=(), gradients=False)
    found = cnnviz.predictions(held, 4)
    assert isinstance(found, cnnviz.views.predictions.PredictedBoxes)
    for panel, boxes in zip(found.draw().axes, found.boxes, strict=True):
        drawn = {
            (*patch.get_xy(), patch.get_width(), patch.get_height())
            for patch in panel.patches
            if isinstance(patch, Rectangle)
        }
        assert drawn == {(b[0], b[1], b[2] - b[0], b[3] - b[1]) for b in boxes.tolist()}
        assert len(panel.texts) == 4
    order = held.detections[0].scores.argsort(descending=True)[:4]
    np.testing.assert_allclose(found.boxes[0], held.detections[0].boxes[order], rtol=1e-6)
    np.testing.assert_allclose(found.to_json()["boxes"][0], found.boxes[0])
    text = found.save(tmp_path / "boxes.csv").read_text()
    assert text.splitlines()[0] == (
        "image,rank,class,index,score,left (px),top (px),right (px),bottom (px)"
    )
    assert len(text.splitlines()) == 1 + 2 * 4
    heatmap = cnnviz.cam(capture(pyramid(), photos(), layers="stages"))
    left = heatmap.asked_boxes[0][0]  # type: ignore[index]
    corners = [p.get_x() for p in heatmap.draw().axes[0].patches if isinstance(p, Rectangle)]
    assert left in corners


def test_boxes_of_many_photos_go_onto_pages_with_their_own() -> None:
    found = cnnviz.predictions(capture(pyramid(), photos(7), layers=(), gradients=False), 2)
    pages = found.sheets(9.0)
    assert [len(page.images) for page in pages] == [4, 3]
    np.testing.assert_array_equal(np.concatenate([page.boxes for page in pages]), found.boxes)
    assert pages[1].images == found.images[4:]
    assert max(page.figure().get_size_inches()[1] for page in pages) <= 9.0
    assert found.sheets(100.0) == (found,)


def test_gradient_flow_sends_back_a_sign_for_the_score_of_each_box() -> None:
    found = cnnviz.gradient_flow(pyramid(), photos(2))
    assert "score of each of" in found.caption()
    with pytest.raises(TargetError, match="finds no box in these images"):
        cnnviz.gradient_flow(pyramid(0.99), photos())


def test_a_report_on_a_detector_and_on_one_that_finds_nothing(tmp_path: Path) -> None:
    report = cnnviz.report(pyramid(), photos(), "predictions,cam")
    by_key = {section.key: section for section in report.sections}
    assert by_key["cam"].pictures[0].title == "The levels of the pyramid, together"
    assert "in the box" in by_key["cam"].lead[0]
    assert len(by_key["predictions"].tables[0].rows) == 10
    assert report.answers[0].guesses[0].category in NAMES
    with undrawn():
        report.save(tmp_path / "one")
    sections = "predictions,feature-maps,cam,gradient-flow"
    empty = cnnviz.report(pyramid(0.99), photos(), sections)
    by_key = {section.key: section for section in empty.sections}
    for key in ("cam", "gradient_flow"):
        assert by_key[key].lead == ("Left out.",)
    assert "score_thresh (now 0.99)" in by_key["cam"].notes[0]
    assert "finds nothing" in by_key["predictions"].lead[0]
    assert by_key["feature_maps"].pictures
    with pytest.raises(TargetError, match="does not find 'dog'"):
        cnnviz.report(pyramid(0.99), photos(), "cam", target="dog")


FACTORY = """
import torch
from tests.helpers.detectors import Grid, boxes_of_grid as decode
from cnnviz import Preprocessing

def make():
    network = Grid()
    network.preprocessing = Preprocessing(48, (48, 64), (0.0,) * 3, (1.0,) * 3)
    return network
"""


def test_the_command_line_explains_a_box_of_a_network_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(FACTORY)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    pixels = (photos(1, 96, 128)[0].permute(1, 2, 0) * 255).byte().numpy()
    Image.fromarray(pixels).save("photo.png")
    network = ["--model", "net.py:make", "--categories", "names.txt", "--quiet"]

    def run(*arguments: str, code: int = 0) -> str:
        found = CliRunner().invoke(app, [arguments[0], "photo.png", *arguments[1:], *network])
        assert found.exit_code == code, found.output
        return found.output + str(found.exception or "")

    told = run("predictions", "--out", "found.json", "--k", "2")
    assert "bird" in told
    boxes = json.loads((tmp_path / "found.json").read_text())["boxes"][0]
    named = ",".join(f"{value:.2f}" for value in boxes[1])
    with undrawn():
        told = run("cam", "--box", named, "--out", "map.png")
        assert "bird in the box" in told
        told = run("cam", "--box", named, "--target", "cat", "--out", "map.png")
        assert "cat in the box" in told
        assert "dog in the box" in run("occlude", "--target", "dog", "--out", "map.png")
    assert "Give four numbers" in run("cam", "--box", "1,2,3", code=1)


# torchvision's own.


def test_a_detector_of_torchvision_by_name_needs_nothing_but_its_name() -> None:
    model = cnnviz.load("ssdlite320_mobilenet_v3_large", "random")
    assert model.preprocessing.describe() == "scaled to 0..1"
    assert model.categories is not None
    assert model.categories[18] == "dog"
    held = capture(model, photos(1, 60, 90), layers="stages")
    assert len(held.pyramid) == 6
    found = cnnviz.cam(held)
    assert found.layers == ("pyramid of 5 levels",)
    assert found.maps[0].shape == (1, 20, 20)
    (detected,) = model.module(photos(1, 60, 90))
    assert held.scores.item() == pytest.approx(float(detected["scores"].max().detach()), rel=1e-5)
    # Given as a module it is fed the same, since it normalises by itself.
    assert Model(model.module).preprocessing == model.preprocessing
