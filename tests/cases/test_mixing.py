"""Networks whose images change each other's answers, or that answer differently each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import TargetError
from cnnviz.images import Preprocessing
from cnnviz.passes.batch_size import rows_at_once, rows_that_fit
from cnnviz.passes.independence import independence
from tests.helpers.each_case import each_case
from tests.helpers.state import state
from tests.helpers.undrawn import undrawn

AS_GIVEN = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)


class Base(nn.Module):
    """Two convolutions and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(3, 6, 3, padding=1)
        self.two = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.two(self.between(self.one(x)).relu()).relu()
        return self.head(x.mean((2, 3)))


class NoStatistics(Base):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(6, track_running_stats=False)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


class BatchContrast(Base):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0, keepdim=True) * 0.5


class BatchMaximum(Base):
    """Scales by the largest value of all images."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.abs().max()


class FirstAsReference(Base):
    """Compares all images with the first, whose own answer no other changes."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x - x[:1] * 0.5


class LargestAsReference(Base):
    """Compares all images with the largest, which is one of them."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x - x[x.detach().flatten(1).norm(dim=1).argmax()] * 0.5


class TrainsItself(Base):
    """Puts its batch norm into training mode in its own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(6)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        self.norm.train()
        return self.norm(x)


class Branch(Base):
    """Takes another way for a dark batch, as code for one image does."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x * 3.0 if float(x.detach().mean()) > -0.05 else -x


class Attends(Base):
    """Mixes the rows by attention over the wrong axis."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.two(self.one(x).relu()).relu().mean((2, 3))
        return self.head(self.attention(x[:, None], x[:, None], x[:, None])[0][:, 0])


class OneAtATime(Base):
    """Is written for one image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) != 1:
            raise ValueError("one image at a time")
        return super().forward(x)


class OneAfterTheOther(Base):
    """Goes through the images of a batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([super(OneAfterTheOther, self).forward(one[None]) for one in x])


MIXING = [
    NoStatistics,
    BatchContrast,
    BatchMaximum,
    FirstAsReference,
    LargestAsReference,
    TrainsItself,
    Branch,
    Attends,
    OneAtATime,
    OneAfterTheOther,
]


class Grouped(Base):
    """Normalises each image by itself, which is no mixing."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return F.group_norm(x, 2)


class Guards(Base):
    """Looks at values only to refuse what is not finite."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        assert not bool(x.isnan().any())
        return F.instance_norm(x)


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(5))


def model(kind: type[Base]) -> cnnviz.Model:
    return cnnviz.Model(kind().eval(), preprocessing=AS_GIVEN)


@pytest.mark.parametrize("kind", [Base, Grouped, Guards])
def test_images_that_do_not_mix_run_together(kind: type[Base]) -> None:
    subject = model(kind)
    found = independence(subject, images())
    assert (found.alone, found.mixing, found.repeating) == (False, "", "")
    assert rows_at_once(subject, images()) > 1
    assert subject.findings == ()


@each_case("kind", MIXING)
def test_images_that_mix_run_alone_and_it_is_said(kind: type[Base]) -> None:
    subject = model(kind)
    before = state(subject.module)
    assert rows_at_once(subject, images()) == 1
    assert rows_that_fit(subject, images()) == 1
    assert any("image" in sentence for sentence in subject.findings)
    assert subject.provenance().notes == subject.findings
    assert state(subject.module) == before


def score(kind: type[Base], x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([kind().eval()(one[None]) for one in x])


@pytest.mark.parametrize("kind", MIXING)
def test_a_capture_of_several_is_that_of_each(kind: type[Base]) -> None:
    every = cnnviz.capture(model(kind), images(), layers="one,two", target=[1, 2, 0])
    for place, target in enumerate([1, 2, 0]):
        single = images()[place : place + 1]
        one = cnnviz.capture(model(kind), single, layers="one,two", target=target)
        assert torch.equal(every.logits[place], one.logits[0])
        assert every.targets[place] == one.targets[0]
        assert torch.equal(every.input_gradient[place], one.input_gradient[0])
        for layer in ("one", "two"):
            assert torch.equal(every.activations[layer][place], one.activations[layer][0])
            assert torch.equal(every.gradients[layer][place], one.gradients[layer][0])
    assert any("alone" in note or "one image" in note for note in every.provenance.notes)


@pytest.mark.parametrize("kind", MIXING)
def test_occlusion_is_that_of_one_square_at_a_time(kind: type[Base]) -> None:
    found = cnnviz.occlusion(model(kind), images(1), 6, 6, fill="black", target=1)
    plain = float(score(kind, images(1))[0, 1])
    for row in range(2):
        for column in range(2):
            hidden = images(1)
            hidden[:, :, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 0.0
            drop = plain - float(score(kind, hidden)[0, 1])
            assert found.drops[0, row, column] == pytest.approx(drop, abs=1e-6)


@pytest.mark.parametrize("method", ["integrated_gradients", "guided_gradcam", "smoothgrad"])
@pytest.mark.parametrize("kind", [NoStatistics, BatchContrast])
def test_attributions_are_those_of_each(kind: type[Base], method: Any) -> None:
    every = cnnviz.attribute(model(kind), images(2), method, target=1, steps=4)
    if method != "smoothgrad":  # Its noise is drawn for one image after the other.
        for place in range(2):
            single = images(2)[place : place + 1]
            one = cnnviz.attribute(model(kind), single, method, target=1, steps=4)
            np.testing.assert_allclose(every.maps[0][place], one.maps[0][0], atol=1e-7)
    else:
        one = cnnviz.attribute(model(kind), images(2)[:1], method, target=1, steps=4)
        np.testing.assert_allclose(every.maps[0][0], one.maps[0][0], atol=1e-7)


def test_integrated_gradients_are_those_of_one_step_at_a_time() -> None:
    from captum.attr import IntegratedGradients

    x = images(1)
    found = cnnviz.attribute(model(NoStatistics), x, target=1, steps=8, baseline="black")
    right = IntegratedGradients(NoStatistics().eval()).attribute(
        x, torch.zeros_like(x), target=1, n_steps=8, internal_batch_size=1
    )
    np.testing.assert_allclose(found.maps[0][0], right.sum(1)[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", [NoStatistics, BatchMaximum])
def test_the_strongest_patches_are_those_of_each_image(kind: type[Base]) -> None:
    found = cnnviz.top_activations(model(kind), images(4), "two", top=1)
    network, peaks = kind().eval(), []
    with torch.no_grad():
        for one in images(4):
            peaks.append(network.two(network.between(network.one(one[None])).relu()).amax((2, 3)))
    right = torch.cat(peaks).amax(0).numpy()
    np.testing.assert_allclose(found.values[:, 0], right, rtol=1e-5)


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
@pytest.mark.parametrize("kind", [NoStatistics, OneAfterTheOther])
def test_methods_of_many_variants_are_those_of_one_at_a_time(kind: type[Base], method: Any) -> None:
    held = cnnviz.capture(model(kind), images(1), layers="two", target=1)
    found = cnnviz.cam(held, "two", method).maps[0][0]
    maps, network = held.activations["two"][0], kind().eval()
    weights = torch.zeros(6)
    for channel in range(6):
        with torch.no_grad():
            if method == "scorecam":
                mask = maps[channel] - maps[channel].min()
                weights[channel] = network(images(1) * (mask / mask.max())[None, None])[0, 1]
            else:
                without = maps.clone()
                without[channel] = 0.0
                left = network.head(without.relu()[None].mean((2, 3)))[0, 1]
                weights[channel] = (held.scores[0] - left) / held.scores[0].abs()
    weights = weights.softmax(0) if method == "scorecam" else weights
    right = (weights[:, None, None] * maps).sum(0).numpy()
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-6)


def test_crops_of_a_network_that_goes_through_its_images_are_sent_back_one_at_a_time() -> None:
    found = cnnviz.deconvnet(model(OneAfterTheOther), images(), "two", rule="gradient")
    right = cnnviz.deconvnet(model(Base), images(), "two", rule="gradient")
    np.testing.assert_allclose(found.signals, right.signals, atol=1e-6)


@each_case("kind", [NoStatistics, BatchContrast, BatchMaximum, TrainsItself])
def test_mixing_is_found_on_an_image_of_nearly_one_grey(kind: type[Base]) -> None:
    assert independence(model(kind), 0.5 + 0.001 * images()).alone


def test_two_images_that_ran_one_by_one_have_an_answer_and_scores_each() -> None:
    subject, two = model(OneAtATime), images(2)
    held = cnnviz.capture(subject, two, layers=(), gradients=False)
    for image in range(2):
        answer, row = held.answer(image)
        assert row == 0
        torch.testing.assert_close(answer, subject.module(two[image : image + 1]))
    each = [subject.module(two[image : image + 1])[0, 1 + image] for image in range(2)]
    torch.testing.assert_close(held.scored([1, 2]).values, torch.stack(each))


def test_that_mixing_could_not_be_measured_is_told() -> None:
    class Once(Base):
        """Fails in its second pass alone."""

        passes = 0

        def between(self, x: torch.Tensor) -> torch.Tensor:
            self.passes += 1
            if self.passes == 2:
                raise KeyError("gone")
            return x

    found = independence(model(Once), images())
    assert found.alone
    assert found.mixing == (
        "Whether images change each other's answers could not be measured, so each ran alone: "
        f"Once fails on an input [1, 3, 12, 12]: KeyError: 'gone' ({Path(__file__).name}, line "
        f"{Once.between.__code__.co_firstlineno + 3})."
    )


@pytest.mark.parametrize("kind", [BatchContrast, OneAtATime, Base])
def test_pictures_of_units_made_together_are_those_of_each(kind: type[Base]) -> None:
    def made(units: str, diverse: int = 1) -> cnnviz.FeatureVisualization:
        return cnnviz.feature_visualization(model(kind), units, steps=3, size=12, diverse=diverse)

    together = made("two:0,1")
    for place, unit in enumerate(together.units):
        alone = made(unit)
        np.testing.assert_allclose(together.pictures[place], alone.pictures[0], atol=1e-5)
        np.testing.assert_allclose(together.end[place], alone.end[0], rtol=1e-5)
    several = made("two:0", diverse=2)
    assert several.pictures[0].shape == (2, 3, 12, 12)
    assert not np.allclose(*several.pictures[0])


class AlwaysDrops(Base):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 0.5)


class Noisy(Base):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.5 * torch.randn_like(x)


class NumpyNoise(Base):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(np.random.rand())  # noqa: NPY002


ASKED: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "cam": lambda m, x: cnnviz.cam(cnnviz.capture(m, x, layers="two", target=1)),
    "predictions": lambda m, x: cnnviz.predictions(cnnviz.capture(m, x, layers=())),
    "attribute": lambda m, x: cnnviz.attribute(m, x, target=1, steps=3),
    "occlusion": lambda m, x: cnnviz.occlusion(m, x, 6, 6, target=1),
    "deconvnet": lambda m, x: cnnviz.deconvnet(m, x, "two", top=1),
    "loss_landscape": lambda m, x: cnnviz.loss_landscape(m, x, [1], dimensions=1, points=3),
    "gradient_flow": lambda m, x: cnnviz.gradient_flow(m, x),
    "faithfulness": lambda m, x: cnnviz.faithfulness(
        m, x, target=1, measures=("curves",), steps=4, random=2
    ),
}


# Dropout draws by torch, as noise does.
RANDOM = [(kind, ask) for kind in (AlwaysDrops, NumpyNoise) for ask in ASKED] + [(Noisy, "cam")]


@pytest.mark.parametrize(("kind", "ask"), RANDOM)
def test_a_random_network_answers_the_same_twice_and_it_is_said(kind: type[Base], ask: str) -> None:
    first = ASKED[ask](model(kind), images(1))
    torch.rand(7)
    np.random.rand(3)  # noqa: NPY002
    second = ASKED[ask](model(kind), images(1))
    for name, values in first.arrays().items():
        np.testing.assert_array_equal(values, second.arrays()[name])
    (told,) = [note for note in first.provenance.notes if "random numbers" in note]
    assert "standard deviation" in told
    assert "seed 0" in told


def test_the_spread_that_is_told_is_that_over_seeds() -> None:
    subject = model(AlwaysDrops)
    cnnviz.capture(subject, images(1), layers=(), gradients=False)
    answers = []
    for seed in range(8):
        torch.manual_seed(seed)
        with torch.no_grad():
            answers.append(subject.module(images(1)).double())
    every = torch.stack(answers)
    share = float(every.std(0).max() / every.abs().max())
    assert f"{share:.1%} of the largest" in subject.findings[0]


def test_occlusion_of_a_random_network_compares_like_with_like() -> None:
    found = cnnviz.occlusion(model(Noisy), images(1), 6, 6, fill="black", target=1)
    network, x = Noisy().eval(), images(1)

    def seeded(y: torch.Tensor) -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            return float(network(y)[0, 1])

    hidden = x.clone()
    hidden[:, :, :6, :6] = 0.0
    assert found.drops[0, 0, 0] == pytest.approx(seeded(x) - seeded(hidden), abs=1e-6)


GENERATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], float], Callable[[Any], Any]]] = {
    "torch": (
        torch.Generator,
        lambda g: float(torch.rand(1, generator=g)),
        lambda g: g.get_state(),
    ),
    "numpy": (
        lambda: np.random.default_rng(1),
        lambda g: float(g.random()),
        lambda g: g.bit_generator.state["state"],
    ),
    "older numpy": (
        lambda: np.random.RandomState(1),
        lambda g: float(g.random_sample()),
        lambda g: g.get_state()[2],
    ),
    "python": (lambda: random.Random(1), lambda g: g.random(), lambda g: g.getstate()),
}
"""What makes a generator, draws from it, and returns its state."""


Draw = Callable[[], float]


class Apart:
    """No module, with attributes of its own."""

    def __init__(self, held: Any) -> None:
        self.held = held


@dataclass(slots=True)
class Slotted:
    """Keeps its one attribute in no dictionary."""

    held: Any


def in_a_hook(network: nn.Module, generator: Any, draw: Callable[[Any], float]) -> Draw:
    network.get_submodule("one").register_forward_hook(
        lambda layer, given, output: output * (1 + draw(generator))
    )
    return lambda: 0.0


def of_the_class(network: nn.Module, generator: Any, draw: Callable[[Any], float]) -> Draw:
    type(network).own = generator  # type: ignore[assignment]
    return lambda: draw(type(network).own)


OF_THE_FILE: Any = None


def a_name_of_the_file(network: nn.Module, generator: Any, draw: Callable[[Any], float]) -> Draw:
    global OF_THE_FILE
    OF_THE_FILE = generator
    return lambda: draw(OF_THE_FILE)


def held_as(wrap: Callable[[Any], Any], take: Callable[[Any], Any]) -> Callable[..., Draw]:
    """Return what has a network hold a generator in something, and draw from it there."""

    def hold(network: nn.Module, generator: Any, draw: Callable[[Any], float]) -> Draw:
        network.own = wrap(generator)
        return lambda: draw(take(network.own))

    return hold


HOLDERS: dict[str, Callable[[nn.Module, Any, Callable[[Any], float]], Draw]] = {
    "an attribute": held_as(lambda g: g, lambda own: own),
    "a list": held_as(lambda g: [g], lambda own: own[0]),
    "a tuple": held_as(lambda g: (1, g), lambda own: own[1]),
    "a deep nest": held_as(lambda g: {"a": [([{"b": (g,)}],)]}, lambda o: o["a"][0][0][0]["b"][0]),
    "an object": held_as(Apart, lambda own: own.held),
    "a slot": held_as(Slotted, lambda own: own.held),
    "a partial": held_as(lambda g: partial(min, g), lambda own: own.args[0]),
    "a default": held_as(lambda g: lambda held=g: held, lambda own: own()),
    "a closure": lambda network, generator, draw: lambda: draw(generator),
    "a hook": in_a_hook,
    "the class": of_the_class,
    "the file": a_name_of_the_file,
}
"""What has a network hold a generator, and returns how it draws from it."""


# Where a generator is held does not hang on its kind: two kinds of each, and each in half of them.
HELD = [
    (kind, within)
    for place, within in enumerate(HOLDERS)
    for each, kind in enumerate(GENERATORS)
    if (place + each) % 2 == 0 or within == "an attribute"
]


@pytest.mark.parametrize(("kind", "within"), HELD)
def test_a_generator_of_the_networks_own_is_put_back(kind: str, within: str) -> None:
    make, draw, state = GENERATORS[kind]
    generator = make()

    class Own(Base):
        def __init__(self) -> None:
            super().__init__()
            self.draw = HOLDERS[within](self, generator, draw)

        def between(self, x: torch.Tensor) -> torch.Tensor:
            return x * (0.5 + self.draw())

    network = model(Own)
    before = state(generator)
    first, again = (cnnviz.capture(network, images(1)).logits for _ in range(2))
    now = state(generator)
    assert torch.equal(before, now) if kind == "torch" else before == now
    assert torch.equal(first, again), "each pass begins with the same draws"
    if within == "an attribute":
        found = independence(network, images())
        assert found.alone
        assert "keeps something of one pass for the next" in found.repeating


def test_a_generator_without_a_state_is_told_to_differ() -> None:
    class Asks(Base):
        def __init__(self) -> None:
            super().__init__()
            self.own = random.SystemRandom()

        def between(self, x: torch.Tensor) -> torch.Tensor:
            return x * (0.5 + self.own.random())

    found = independence(model(Asks), images())
    assert "each time" in found.repeating
    # It differs in a batch as well, of which nothing follows.
    assert found.mixing.startswith("Whether images of a batch change each other's answers could")


def test_a_network_that_remembers_the_pass_before_is_told() -> None:
    class Remembers(Base):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("average", torch.zeros(6, 1, 1))

        def between(self, x: torch.Tensor) -> torch.Tensor:
            self.average = 0.5 * self.average + 0.5 * x.mean((0, 2, 3))[:, None, None]
            return x - self.average

    found = independence(model(Remembers), images(1))
    assert found.alone
    assert "keeps something of one pass" in found.repeating


def test_a_report_says_so_on_its_first_screen(tmp_path: Path) -> None:
    report = cnnviz.report(model(AlwaysDrops), images(1), sections="photo,predictions,cam")
    assert any("random numbers" in note for note in report.notes)
    with undrawn():
        report.save(tmp_path / "r")
    held = json.loads((tmp_path / "r" / "report.json").read_text("utf-8"))
    assert any("random numbers" in note for note in held["notes"])


class Rows(nn.Module):
    """Gives so many rows of scores whatever it is asked, or so many for each image."""

    def __init__(self, rows: int, *, each: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows, self.each = rows, each
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        found = self.conv(x).mean((2, 3))
        if self.each:
            return found.repeat_interleave(self.rows, 0)
        return found.mean(0).expand(self.rows, -1)


class Member(Rows):
    def forward(self, x: torch.Tensor) -> Any:
        return {"logits": super().forward(x), "loss": x.mean()}


class Unbatched(Rows):
    """Takes the axis of the images away."""

    def forward(self, x: torch.Tensor) -> Any:
        return self.conv(x).mean((2, 3))[0]


class Map(Rows):
    def forward(self, x: torch.Tensor) -> Any:
        return self.conv(x).mean(0).expand(self.rows, -1, -1, -1)


class Softmax(Rows):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x).softmax(1)


NOT_ROWS: list[Callable[[], nn.Module]] = [
    lambda: Rows(2),
    lambda: Rows(2, each=True),
    lambda: Member(2),
    lambda: Unbatched(1),
    lambda: Map(2),
    lambda: Softmax(2),
]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("make", NOT_ROWS)
def test_rows_that_are_not_one_for_each_image_are_no_scores(
    make: Callable[[], nn.Module], count: int
) -> None:
    network = make().eval()
    held = cnnviz.capture(network, images(count), layers="conv", gradients=False)
    assert len(held.activations["conv"]) == count
    with pytest.raises(TargetError, match=r"no logits: the network returns .* for \d image"):
        cnnviz.predictions(held)
    with pytest.raises(TargetError, match=r"not \[N, classes\]"):
        cnnviz.capture(network, images(count), layers="conv")
    with pytest.raises(TargetError, match=r"not \[N, classes\]"):
        cnnviz.occlusion(network, images(count), 6, 6)


@pytest.mark.parametrize("count", [1, 3])
def test_a_callable_makes_scores_of_what_has_no_row_for_each_image(count: int) -> None:
    held = cnnviz.capture(
        Rows(2, each=True).eval(),
        images(count),
        layers="conv",
        target=lambda output: output[::2, 1],
    )
    wanted = Rows(1, each=True)(images(count))[:, 1]
    torch.testing.assert_close(held.scores, wanted.detach())
    with pytest.raises(TargetError, match="no logits"):
        _ = held.logits


def test_an_embedded_reference_is_one_row() -> None:
    target = cnnviz.Similarity(np.zeros((12, 12, 3), np.uint8))
    with pytest.raises(TargetError, match=r"for 1 image, not \[N, classes\]"):
        cnnviz.capture(
            cnnviz.Model(Rows(2).eval(), preprocessing=AS_GIVEN, output="embedding"),
            images(2),
            layers="conv",
            target=target,
        )


class Widening(Base):
    """Answers dark images with fewer scores."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)[:, : 4 if float(x.mean()) > 0.3 else 3]


def test_scores_of_different_lengths_are_not_joined() -> None:
    both = torch.cat([images(1), images(1) * 0.1])
    held = cnnviz.capture(Widening().eval(), both, layers="one", gradients=False)
    with pytest.raises(TargetError, match=r"no logits: .* the same number of scores"):
        _ = held.logits
