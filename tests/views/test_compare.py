"""Networks of which it is known how alike they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnviz
from cnnviz.course.cka import MinibatchCKA, gram
from cnnviz.errors import ImageError, LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.results import drawing
from cnnviz.views.compare import compare
from cnnviz.views.pictures.compare import _two_lines
from tests.helpers.architectures import lasting_network
from tests.helpers.state import state

PLAIN = Preprocessing(None, (16, 16), (0.0,) * 3, (1.0,) * 3)
DARK = Preprocessing(None, (12, 12), (0.5,) * 3, (0.25,) * 3)
NAMES = ("red", "green", "blue")
PHOTOS = list(np.random.default_rng(0).integers(0, 256, (22, 16, 16, 3), np.uint8))


class Brightest(nn.Module):
    """A network whose answer is the channel with the largest mean, or the smallest."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1, bias=False)
        self.pool = nn.AvgPool2d(4)
        with torch.no_grad():
            self.first.weight.copy_(sign * torch.eye(3)[:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 8.0 * self.pool(self.first(x)).mean((2, 3))


def network(sign: float = 1.0, names: tuple[str, ...] | None = NAMES, **more: object) -> Model:
    given = {"preprocessing": PLAIN, "name": f"brightest {sign:+g}"} | more
    return Model(Brightest(sign).eval(), categories=names, output="classes", **given)


def write_folder(folder: Path) -> Path:
    for channel, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 60, (16, 16, 3), np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_the_matrix_is_that_of_the_maps_taken_by_hand() -> None:
    one, two = network(), Model(lasting_network(), preprocessing=DARK, name="tiny")
    layers = [name for name, part in two.module.named_modules() if isinstance(part, nn.Conv2d)]
    before = state(one.module), state(two.module)
    found = compare(
        one, PHOTOS, two, layers=["first", "pool"], other_layers=layers, batch_size=8, examples=2
    )
    assert (state(one.module), state(two.module)) == before
    assert found.batch_sizes.tolist() == [8, 7, 7]
    assert (found.counted, found.seen) == (22, 22)
    wanted = MinibatchCKA(2, len(layers))
    for block in np.array_split(np.arange(22), 3):
        kernels = []
        for model, names in ((one, ["first", "pool"]), (two, layers)):
            # Each network is given the photos as it takes them.
            held = cnnviz.capture(
                model, [PHOTOS[place] for place in block], layers=names, gradients=False
            )
            kernels.append([gram(held.activations[name].flatten(1)) for name in names])
        wanted.add(*kernels)
    np.testing.assert_allclose(found.cka, wanted.values(), atol=1e-5)
    assert "3 minibatches of 7 to 8 images" in found.caption()
    assert "whole map" in found.caption()
    found.figure().draw_without_rendering()


def test_a_network_is_like_itself_and_answers_alike() -> None:
    found = compare(network(), PHOTOS, network(), layers="first,pool", examples=1)
    np.testing.assert_allclose(np.diag(found.cka), 1.0, atol=1e-9)
    assert found.agreement == 1.0
    assert found.names[0] != found.names[1]
    # All weights the other way about: the same features, and other answers.
    other = compare(network(), PHOTOS, network(-1.0), layers="first,pool", examples=1)
    np.testing.assert_allclose(other.cka, found.cka, atol=1e-9)
    assert other.agreement == 0.0
    assert "same answer to 0% of 22 images" in other.summary()


def test_classes_are_compared_by_their_names(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos")
    found = compare(network(), folder, network(-1.0))
    assert found.accuracies == (1.0, 0.0)
    assert found.truths == ("blue", "blue", "blue")
    assert found.example_right == ((True, False),) * 3
    assert "Right by the labels of the data: 9 of 9 by brightest +1" in found.caption()
    turned = network(names=("blue", "red", "green"), name="turned")
    found = compare(network(), folder, turned, examples=1)
    assert (found.agreement, found.accuracies[1]) == (0.0, 0.0)
    # Names that the two do not share, and that the data do not have, are not compared.
    strange = network(names=("a", "b", "c"), name="strange")
    found = compare(network(), folder, strange, examples=1)
    assert np.isnan(found.agreement)
    assert np.isnan(found.accuracies[1])
    assert found.example_right == ((True, None),)
    assert "no classes in common" in found.caption()
    found.figure().draw_without_rendering()


def test_without_another_network_it_is_the_same_before_training() -> None:
    shown = torch.rand(9, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    module = lasting_network()
    found = compare(module, shown, examples=1, seed=3)
    assert found.names[1].endswith("(redrawn, seed 3)")
    assert found.provenance.seed == 3
    assert found.cka.shape == (len(found.layers),) * 2
    assert not np.allclose(found.cka, compare(module, shown, examples=1, seed=4).cka)


def test_too_few_images_have_answers_and_no_cka() -> None:
    found = compare(network(), PHOTOS[:3], network(-1.0))
    assert np.isnan(found.cka).all()
    assert found.counted == 0
    assert "no CKA was measured: it takes 4 images or more" in found.summary()
    assert "takes 4 images" in found.caption()
    (axes,) = found.figure().axes
    assert axes.get_xlabel() == "No CKA was measured: it takes 4 images or more."


def test_a_pair_without_cka_is_explained_in_the_picture() -> None:
    shown = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = compare(lasting_network(), shown, examples=1)
    whole = found.figure().axes[0].get_xlabel()
    assert "the same for all images" not in whole
    lacking = replace(found, cka=np.where(np.eye(*found.cka.shape) > 0.0, np.nan, found.cka))
    said = lacking.figure().axes[0].get_xlabel()
    assert said == f"{whole}\n–: a layer is the same for all images"
    nothing = replace(found, cka=np.full(found.cka.shape, np.nan))
    assert "a layer is the same for all images" in nothing.figure().axes[0].get_xlabel()


def test_what_cannot_be_read_is_left_out_of_both(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos")
    (folder / "red" / "0.png").write_bytes(b"nothing")
    found = compare(network(), folder, network(-1.0), examples=1)
    assert (found.seen, found.counted) == (8, 8)
    assert any("1 image could not be read" in note for note in found.provenance.notes)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(ImageError):
        compare(network(), folder, network(-1.0))


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="batch_size cannot be 4"):
        compare(network(), PHOTOS, network(), batch_size=4)
    with pytest.raises(UsageError, match="2 other networks"):
        compare(network(), PHOTOS, [network(), network()])
    with pytest.raises(LayerError):
        compare(network(), PHOTOS, network(), layers="nowhere")
    signals = nn.Sequential(nn.Conv1d(1, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    with pytest.raises(UsageError, match="takes signals"):
        compare(network(), PHOTOS, signals)
    sizes = [np.zeros((16, 16, 3), np.uint8), *[np.ones((20, 24, 3), np.uint8)] * 4]
    free = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(UsageError, match="several sizes in first"):
        compare(network(preprocessing=free), sizes, network(), layers="first")


def test_each_call_of_a_layer_that_is_called_twice_is_compared() -> None:
    class Twice(Brightest):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(self.first(x).relu())

    model = Model(Twice().eval(), preprocessing=PLAIN, output="classes")
    found = compare(model, PHOTOS, network(), layers="conv", other_layers="pool,first", examples=1)
    assert found.layers == ("first#0", "first#1")
    assert found.other_layers == ("first", "pool"), "in the order of the calls"
    one = compare(model, PHOTOS, network(), layers="first#1", other_layers="first", examples=1)
    assert one.cka[0, 0] == pytest.approx(found.cka[1, 0])


def test_a_network_of_unknown_preparation_is_prepared_as_the_one_it_is_compared_with() -> None:
    one = network()
    found = compare(one, PHOTOS, Brightest().eval(), layers=["first"])
    np.testing.assert_allclose(found.cka, 1.0, atol=1e-9)
    (told,) = [remark for remark in found.provenance.notes if "prepared" in remark]
    assert told.startswith("not all is said")
    assert "as those of brightest +1" in told
    # What is known of the other, or read off it, stays its own.
    known = compare(one, PHOTOS, network(preprocessing=DARK), layers=["first"])
    assert known.cka[0, 0] < 1 - 1e-6
    assert not any("prepared" in remark for remark in known.provenance.notes)


def test_two_checkpoints_are_told_apart_above_their_answers() -> None:
    names = [f"net (checkpoint of-a-long-run-step-{step}.safetensors)" for step in (0, 46)]
    first, last = (_two_lines(name, 18) for name in names)
    assert first != last
    assert all(len(lines) == 2 and max(map(len, lines)) <= 18 for lines in (first, last))
    assert _two_lines("shapes-plain", 18) == ["shapes-plain"]
    assert _two_lines("shapes-plain (redrawn)", 18) == ["shapes-plain", "(redrawn)"]


def test_names_above_two_columns_of_answers_stand_apart_on_a_slide() -> None:
    names = ("squeezenet1_0 (IMAGENET1K_V1)", "squeezenet1_0 (redrawn, seed 0)")
    shown = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = replace(compare(lasting_network(), shown, examples=3), names=names)
    figure = found.figure(figure=drawing.new_figure(10.0, 5.0))
    figure.draw_without_rendering()
    first, second = figure.axes[1].texts[:2]
    room = second.get_window_extent().x0 - first.get_window_extent().x1
    assert room > 0.1 * figure.dpi
    # So do the names of classes below them, however little height there is.
    long = replace(found, example_classes=(("Greater Swiss Mountain dog", "drake"),) * 3)
    long.figure(figure=(low := drawing.new_figure(10.0, 4.0))).draw_without_rendering()
    answers = low.axes[1].texts[2:]
    for left, right in zip(answers[::2], answers[1::2], strict=True):
        assert left.get_window_extent().x1 < right.get_window_extent().x0
