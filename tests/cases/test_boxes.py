"""Detectors: which box is explained, by what score, beside references made by hand."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import cnnviz
from cnnviz import Box, Model, Preprocessing, Region, capture
from cnnviz.errors import LayerError, ModelError, NothingFoundError, TargetError, UsageError
from cnnviz.models.detections import overlap, read_detections
from tests.helpers.detectors import (
    NAMES,
    UNIT,
    Answering,
    Grid,
    OneByOne,
    Pyramid,
    TwoStage,
    boxes_of_grid,
    photos,
)
from tests.helpers.each_case import each_case

Numbers = NDArray[np.float64]


def grid(**options: Any) -> Model:
    return Model(Grid(), decode=boxes_of_grid, preprocessing=UNIT, categories=NAMES, **options)


def pyramid(**options: Any) -> Model:
    return Model(Pyramid(**options), preprocessing=UNIT, categories=NAMES)


# The score, by hand and in double precision.


def sigmoid(values: Numbers) -> Numbers:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def iou(one: Numbers, other: Numbers) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (one, other)]
    return float(common / (sum(areas) - common))


def cells(raw: Numbers) -> list[tuple[Numbers, Numbers]]:
    """Return every cell of a grid as a box and its scores, one formula after the other."""
    found = []
    for row in range(raw.shape[1]):
        for column in range(raw.shape[2]):
            x, y, w, h, sure, *classes = raw[:, row, column]
            middle = 8.0 * np.array([column + sigmoid(x), row + sigmoid(y)])
            half = 8.0 * np.exp(np.array([w, h]))
            found.append(
                (
                    np.concatenate([middle - half, middle + half]),
                    sigmoid(sure) * sigmoid(np.array(classes)),
                )
            )
    return found


def by_hand(network: nn.Module, x: torch.Tensor, label: int, box: Numbers) -> float:
    with torch.no_grad():
        raw = copy.deepcopy(network).double()(x.double())[0].numpy()
    return max(iou(found, box) * scores[label] for found, scores in cells(raw))


def test_the_score_is_the_largest_overlap_times_score_and_so_is_its_gradient() -> None:
    model, x = grid(), photos()
    wanted = np.array([10.0, 6.0, 33.0, 25.0])
    held = capture(model, x, layers="body.5", target=Box("dog", tuple(wanted)))
    assert held.scores.item() == pytest.approx(by_hand(model.module, x, 1, wanted), rel=1e-5)
    assert held.targets == ("dog in the box 10.0, 6.0, 33.0, 25.0",)
    flat = held.input_gradient.flatten()
    steps = flat.abs().argsort(descending=True)[[0, 1, 5, 20, 100]]
    for place in steps.tolist():
        ends = []
        for step in (1e-4, -1e-4):
            moved = x.double().flatten()
            moved[place] += step
            ends.append(by_hand(model.module, moved.view(x.shape), 1, wanted))
        assert flat[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=2e-3)


def test_overlap_has_a_gradient_wherever_boxes_meet_and_none_where_they_are_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(40, 4, generator=generator, dtype=torch.float64)
    boxes = torch.cat([corners[:, :2], corners[:, :2] + 0.1 + corners[:, 2:]], 1)
    box = torch.tensor([0.4, 0.3, 1.2, 0.9], dtype=torch.float64)
    expected = [iou(one.numpy(), box.numpy()) for one in boxes]
    np.testing.assert_allclose(overlap(boxes, box), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(lambda b: overlap(b, box), boxes.requires_grad_())
    same = box[None].clone().requires_grad_()
    (slope,) = torch.autograd.grad(overlap(same, box).sum(), same)
    assert slope.abs().max() < 1e-12
    assert not overlap(box[None] + 5.0, box).any()


def test_a_class_stands_for_its_best_box_and_nothing_for_the_best_of_all() -> None:
    model, x = grid(), photos(2)
    with torch.no_grad():
        raw = copy.deepcopy(model.module).double()(x.double()).numpy()
    for target, label in (("bird", 2), (1, 1), ("0", 0), (np.int64(1), 1)):
        held = capture(model, x, layers="body.5", target=target)
        for n in range(2):
            box, scores = max(cells(raw[n]), key=lambda found: float(found[1][label]))
            assert held.scores[n].item() == pytest.approx(scores[label], rel=1e-5)
            asked = held.resolved_targets[n].asked
            assert asked.label == label
            np.testing.assert_allclose(asked.box, box, atol=1e-3)
    best = capture(model, x, layers="body.5")
    highest = [max(float(scores.max()) for _, scores in cells(each)) for each in raw]
    np.testing.assert_allclose(best.scores, highest, rtol=1e-5)
    one_each = capture(model, x, layers="body.5", target=["cat", Box(2, (0, 0, 30, 30))])
    assert [each.asked.label for each in one_each.resolved_targets] == [0, 2]


def test_a_box_without_a_class_is_that_of_the_detection_it_overlaps_most() -> None:
    model, x = pyramid(), photos()
    found = cnnviz.predictions(capture(model, x, layers="stem.1", gradients=False), 3)
    for rank in range(3):
        held = capture(model, x, layers="stem.1", target=Box(None, tuple(found.boxes[0, rank])))
        assert held.resolved_targets[0].asked.label == found.classes[0, rank]
        assert held.scores.item() == pytest.approx(found.probabilities[0, rank], rel=1e-5)


@pytest.mark.parametrize("make", [grid, pyramid])
def test_how_much_the_explained_box_overlaps_the_one_asked_for_is_told(make: Any) -> None:
    model, x = make(), photos()
    plain = capture(model, x, layers="stages", gradients=False)
    found, scores = plain.detections[0].boxes.numpy(), plain.detections[0].scores_of(2).numpy()
    left, top, right, bottom = found[scores.argmax()].tolist()
    asked = np.array([left - 0.4 * (right - left), top, right - 0.7 * (right - left), bottom])
    overlaps = [iou(one, asked) for one in found]
    best = int(np.argmax([a * b for a, b in zip(overlaps, scores, strict=True)]))
    assert overlaps[best] < 0.95
    target = Box(2, tuple(asked))
    held = capture(model, x, layers="stages", target=target)
    resolved: Any = held.resolved_targets[0]
    assert resolved.overlap == pytest.approx(overlaps[best], rel=1e-5)
    np.testing.assert_allclose(resolved.nearest, found[best], rtol=1e-5)
    said = f"overlap with the one asked for is {overlaps[best]:.2g} (intersection over union)."
    heatmaps = [
        cnnviz.cam(held),
        cnnviz.attribute(model, x, "saliency", target=target),
        cnnviz.occlusion(model, x, target=target, window=16, stride=16),
    ]
    for heatmap in heatmaps:
        assert said in heatmap.caption()
    itself = capture(model, x, layers="stages", target=Box(2, tuple(found[best])))
    best_of_class = capture(model, x, layers="stages", target=2)
    for one in (itself, best_of_class):
        assert "intersection over union" not in cnnviz.cam(one).caption()


# Pixels of the photo.


def test_boxes_are_told_and_asked_for_in_pixels_of_the_photo() -> None:
    preprocessing = Preprocessing(48, (40, 56), (0.0,) * 3, (1.0,) * 3)
    model = Model(Pyramid(), preprocessing=preprocessing, categories=NAMES)
    photo = (photos(1, 90, 150)[0].permute(1, 2, 0) * 255).byte().numpy()
    held = capture(model, [photo], layers="stem.1", gradients=False)
    found = cnnviz.predictions(held, 4)
    assert isinstance(found, cnnviz.views.predictions.PredictedBoxes)
    # 90 x 150 px become 48 x 80, of which the middle 40 x 56 are seen.
    scale = np.array([150 / 80, 90 / 48] * 2)
    inner = held.detections[0].boxes[held.detections[0].scores.argsort(descending=True)[:4]]
    outer = (inner.numpy() + np.array([12.0, 4.0] * 2)) * scale
    np.testing.assert_allclose(found.boxes[0], outer, atol=1e-3)
    for rank in range(4):
        target = Box(int(found.classes[0, rank]), tuple(found.boxes[0, rank]))
        asked = capture(model, [photo], layers="stem.1", target=target)
        assert asked.scores.item() == pytest.approx(found.probabilities[0, rank], rel=1e-4)
    with pytest.raises(TargetError, match=r"outside the photo of 150 x 90 px"):
        capture(model, [photo], layers="stem.1", target=Box("cat", (0, 91, 10, 99)))


# What cannot be explained is said.


def test_nothing_found_is_a_sentence_with_the_threshold_that_may_be_lowered() -> None:
    x = photos()
    with pytest.raises(
        NothingFoundError, match=r"does not find anything in image 0.*score_thresh \(now 0.99\)"
    ):
        capture(pyramid(score_thresh=0.99), x, layers="stem.1")
    model = pyramid()
    held = capture(model, x, layers="stem.1", gradients=False)
    missing = next(k for k in range(3) if not (held.detections[0].labels == k).any())
    with pytest.raises(
        NothingFoundError, match=rf"not find '{NAMES[missing]}'.*of other classes it finds \d+ box"
    ):
        capture(model, x, layers="stem.1", target=NAMES[missing])
    empty = cnnviz.predictions(capture(pyramid(score_thresh=0.99), x, layers=(), gradients=False))
    assert "nothing found" in empty.summary()
    assert empty.table().rows == ()
    assert len(empty.draw().axes) == 1


@each_case(
    ("target", "message"),
    [
        (Box("cat", (200.0, 0.0, 300.0, 20.0)), "outside the photo of 64 x 48"),
        (Box("cat", (30.0, 10.0, 20.0, 20.0)), "is no box"),
        (Box("cow", (0.0, 0.0, 20.0, 20.0)), "no class 'cow'"),
        (Box(7, (0.0, 0.0, 20.0, 20.0)), "no class 7"),
        (Box(2, (63.0, 47.0, 63.1, 47.1)), "overlaps the box.*The best is at"),
        (cnnviz.Contrast(0, 1), "A Contrast was asked for"),
        (Region("bird"), "boxes without masks"),
    ],
)
def test_a_box_that_cannot_be_asked_for_is_refused(target: Any, message: str) -> None:
    model = Model(TwoStage(), preprocessing=UNIT, categories=NAMES)
    if "overlaps" in message:
        target = Box(int(capture(model, photos(), layers=()).detections[0].labels[0]), target.box)
    with pytest.raises(TargetError, match=message):
        capture(model, photos(), layers="body.1", target=target)


def test_a_box_of_a_network_of_classes_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with pytest.raises(TargetError, match=r"A box of 'x' was asked for"):
        capture(network, photos(), layers="0", target=Box("x", (0, 0, 9, 9)))


# Forms of output.


def _nested(found: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the same numbers of boxes for each image, as tensors of the whole batch."""
    return {key: torch.stack([one[key][:3] for one in found]) for key in found[0]}


FORMS = {
    "as torchvision": lambda found: found,
    "a tuple": tuple,
    "without labels": lambda found: [{k: one[k] for k in ("boxes", "scores")} for one in found],
    "one dict": _nested,
    "labels called classes": lambda found: [
        {"boxes": one["boxes"], "scores": one["scores"], "classes": one["labels"]} for one in found
    ],
    "a score for each class": lambda found: [
        {
            "boxes": one["boxes"],
            "scores": torch.nn.functional.one_hot(one["labels"], 3) * one["scores"][:, None],
        }
        for one in found
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_boxes_gives_the_same_score(form: str) -> None:
    x = photos(2)
    plain = capture(Model(TwoStage(), preprocessing=UNIT), x, layers="body.1")
    network = Answering(TwoStage(), FORMS[form])
    held = capture(Model(network, preprocessing=UNIT), x, layers="network.body.1")
    np.testing.assert_allclose(held.scores, plain.scores, rtol=1e-6)
    np.testing.assert_allclose(held.input_gradient, plain.input_gradient, rtol=1e-4, atol=1e-8)
    assert "boxes" in held.provenance.output


@each_case(
    ("form", "message"),
    [
        (lambda found: [{"boxes": one["boxes"]} for one in found], r"scores of 6 boxes are none"),
        (lambda found: [one | {"boxes": one["boxes"] / 64.0} for one in found], "first pixel"),
        (lambda found: [one | {"boxes": one["boxes"][:, :3]} for one in found], r"not \[D, 4\]"),
        (lambda found: [one | {"labels": one["labels"][:2]} for one in found], "with 2 labels"),
        (lambda found: found * 2, "boxes of 2 images for 1"),
    ],
)
def test_boxes_that_cannot_be_read_are_refused_with_what_is_taken(form: Any, message: str) -> None:
    network = Answering(TwoStage(), form)
    with pytest.raises(TargetError, match=rf"{message}.*decode="):
        capture(Model(network, preprocessing=UNIT), photos(), layers="network.body.1")


def test_normalised_boxes_are_read_once_decode_says_how() -> None:
    x, size = photos(), torch.tensor([64.0, 48.0] * 2)
    network = Answering(
        TwoStage(), lambda found: [one | {"boxes": one["boxes"] / size} for one in found]
    )
    model = Model(
        network,
        preprocessing=UNIT,
        decode=lambda found: [one | {"boxes": one["boxes"] * size} for one in found],
    )
    plain = capture(Model(TwoStage(), preprocessing=UNIT), x, layers="body.1")
    held = capture(model, x, layers="network.body.1")
    assert held.scores.item() == pytest.approx(plain.scores.item(), rel=1e-6)
    np.testing.assert_allclose(
        held.detections[0].boxes, plain.detections[0].boxes, rtol=1e-5, atol=1e-5
    )


def test_decode_declares_boxes_and_nothing_else() -> None:
    with pytest.raises(UsageError, match="declared as classes"):
        Model(Grid(), decode=boxes_of_grid, output="classes")
    with pytest.raises(UsageError, match="decode is a str"):
        Model(Grid(), decode="boxes")  # type: ignore[arg-type]
    loaded = cnnviz.load(Grid(), decode=boxes_of_grid)
    assert loaded.output == cnnviz.OutputKind.BOXES
    with pytest.raises(TargetError, match="decode returns a tensor"):
        capture(Model(Grid(), decode=lambda output: output), photos(), layers="body.1")


def test_images_of_a_batch_may_differ_in_how_many_boxes_they_have() -> None:
    model, x = pyramid(score_thresh=0.55), photos(3)
    held = capture(model, x, layers="stem.1")
    counts = [len(found) for found in held.detections]
    assert len(set(counts)) > 1
    for n in range(3):
        alone = capture(model, x[n : n + 1], layers="stem.1")
        assert held.scores[n].item() == pytest.approx(alone.scores.item(), rel=1e-5)
        np.testing.assert_allclose(
            held.gradients["stem.1"][n], alone.gradients["stem.1"][0], rtol=1e-3, atol=1e-8
        )
    found = cnnviz.predictions(held, max(counts))
    assert len(found.table().rows) == sum(counts)
    rows = [row for row in found.table().rows if row[0] == "image 1"]
    assert [row[1] for row in rows] == list(range(1, counts[1] + 1))
    held_boxes = [box for box in found.to_json()["boxes"][1] if box != [None] * 4]
    assert len(held_boxes) == counts[1]


def test_a_network_that_takes_its_images_in_turn_has_a_map_of_each() -> None:
    x = photos(2)
    whole = capture(pyramid(), x, layers="stages")
    turn = Model(OneByOne(Pyramid()), preprocessing=UNIT, categories=NAMES)
    held = capture(turn, x, layers="stages")
    assert "one after the other" in " ".join(held.provenance.notes)
    np.testing.assert_allclose(
        cnnviz.cam(held).maps[0], cnnviz.cam(whole).maps[0], rtol=1e-3, atol=1e-7
    )


def test_what_no_gradient_reaches_is_no_empty_map() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Pyramid()

        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> Any:
            return self.network(x)

    with pytest.raises((TargetError, ModelError), match="differentiable"):
        capture(Model(Cut().eval(), preprocessing=UNIT), photos(), layers="network.stem.1")


def test_masks_of_instances_are_explained_by_a_region() -> None:
    model = Model(TwoStage(masks=True), preprocessing=UNIT, categories=NAMES)
    x = photos()
    found = read_detections(model, model.forward(x))[0]
    found = type(found)(*(part if part is None else part.detach() for part in vars(found).values()))
    assert found.masks is not None
    label = int(found.labels[0])
    held = capture(model, x, layers="body.5", target=Region(label))
    best = int(found.scores_of(label).argmax())
    wanted = (found.masks[best] > 0.5).double()
    values = []
    for mask, score in zip(found.masks.double(), found.scores_of(label), strict=True):
        common = (mask * wanted).sum()
        values.append(float(common / (mask.sum() + wanted.sum() - common) * score))
    assert held.scores.item() == pytest.approx(max(values), rel=1e-5)
    assert held.gradients["body.5"].any()


def test_a_layer_of_region_crops_is_refused_by_name() -> None:
    model = Model(TwoStage(), preprocessing=UNIT)
    held = capture(model, photos(), layers=["region_head.1", "body.5"])
    with pytest.raises(LayerError, match=r"region_head.1.*crops of regions"):
        cnnviz.cam(held, "region_head.1")
    assert held.pyramid == ("body.5",)
