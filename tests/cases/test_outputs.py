"""Networks of every kind of output, beside references that are computed by hand in numpy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz import Capture, Model, OutputKind, Region, Similarity, Value, capture
from cnnviz.errors import TargetError, UsageError
from cnnviz.models.outputs import read_output, scores_of
from cnnviz.passes.targets import Contrast
from tests.helpers.each_case import each_case

SIDE = 24
QUICK = {"measures": ("curves", "drop"), "random": 2, "steps": 4}


def images(count: int = 1, seed: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, SIDE, SIDE, generator=generator)


def body(outputs: int, *, width: int = 6, bias: float = 0.0, scale: float = 1.0) -> nn.Sequential:
    """Return a seeded network [N, 3, H, W] to [N, outputs]."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, outputs),
        )
    with torch.no_grad():
        made[4].weight.mul_(scale)
        made[4].bias.add_(bias)
    return made.eval()


def raw(network: nn.Module, x: torch.Tensor) -> NDArray[np.float64]:
    """Return what a network answers, by a copy of it in double precision."""
    with torch.no_grad():
        return np.asarray(copy.deepcopy(network).double()(x.double()).numpy())


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


class Headed(nn.Module):
    """A convolution, what it leads to, and something at the end."""

    def __init__(self, outputs: int, tail: nn.Module, scale: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.body = body(outputs, scale=scale, bias=bias)
        self.tail = tail

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.body(x))


# One logit.


def one_and_two(scale: float = 200.0) -> tuple[nn.Sequential, nn.Sequential]:
    """Return a classifier of one logit z, and the same one of two, (0, z)."""
    one = body(1, scale=scale)
    two = nn.Sequential(*one[:4], nn.Linear(6, 2)).eval()
    with torch.no_grad():
        two[4].weight.zero_()
        two[4].bias.zero_()
        two[4].weight[1] = one[4].weight[0]
        two[4].bias[1] = one[4].bias[0]
    return one, two


def test_a_classifier_of_one_logit_agrees_with_the_same_of_two() -> None:
    one, two = one_and_two()
    x = images(2)
    single, double = Model(one, output="logit"), Model(two)
    for index in (0, 1):
        ours, theirs = (
            cnnviz.faithfulness(model, x, "gradcam", target=1, **QUICK)
            for model in (single, double)
        )
        for key, values in theirs.arrays().items():
            np.testing.assert_allclose(ours.arrays()[key], values, rtol=0, atol=1e-7)
        assert [v.passed for v in ours.verdicts] == [v.passed for v in theirs.verdicts]
        moved, wanted = (
            cnnviz.invariance(model, x, "1", target=index, steps=3) for model in (single, double)
        )
        np.testing.assert_allclose(moved.probabilities, wanted.probabilities, rtol=0, atol=1e-7)
    found = cnnviz.predictions(capture(single, x, layers="1"), 2)
    p = sigmoid(raw(one, x)[:, 0])
    by_class = np.take_along_axis(found.probabilities, found.classes.argsort(1), 1)
    np.testing.assert_allclose(by_class, np.stack([1 - p, p], 1), atol=1e-7)


def test_the_negative_class_is_minus_the_logit() -> None:
    one, _ = one_and_two()
    model, x = Model(one, output="logit", categories=["cat", "dog"]), images()
    z = float(raw(one, x)[0, 0])
    negative = capture(model, x, layers="1", target="cat")
    positive = capture(model, x, layers="1", target=1)
    assert negative.targets == ("cat",)
    assert negative.scores.item() == pytest.approx(-z, rel=1e-6)
    assert positive.scores.item() == pytest.approx(z, rel=1e-6)
    np.testing.assert_allclose(negative.input_gradient, -positive.input_gradient)
    own = capture(model, x, layers="1")
    assert own.target_classes == (int(z > 0),)


@pytest.mark.parametrize("shape", ["[N, 1]", "[N]"])
def test_one_number_is_a_value_unless_something_tells_more(shape: str) -> None:
    tail = nn.Flatten(0) if shape == "[N]" else nn.Identity()
    network, x = Headed(1, tail, bias=37.2), images(2)
    held = capture(network, x, layers="body.1")
    found = cnnviz.predictions(held)
    values = raw(network, x).ravel()
    np.testing.assert_allclose(found.logits[:, 0], values, rtol=1e-6)
    assert np.isnan(found.probabilities).all()
    assert (found.kind, found.rule) == (OutputKind.VALUE, "none")
    assert "%" not in found.summary()
    assert "a guess" in found.caption()
    assert "output=" in found.caption()
    assert "a guess" in held.provenance.output
    with pytest.raises(TargetError, match=r"no value 1.*Declare output='logit'"):
        capture(network, x, layers="body.1", target=1)
    for declared in (
        Model(network, output="logit"),
        Model(network, categories=["no", "yes"]),
        Model(Headed(1, nn.Sequential(nn.Sigmoid(), tail))),
    ):
        assert cnnviz.predictions(capture(declared, x, layers="body.1")).kind == OutputKind.LOGIT


def test_one_name_names_the_positive_class_or_the_value() -> None:
    network, x = body(1), images()
    logit = Model(network, output="logit", categories=["defect"])
    assert set(cnnviz.predictions(capture(logit, x, layers="1")).names[0]) == {
        "defect",
        "not defect",
    }
    value = cnnviz.predictions(capture(Model(network, categories=["age"]), x, layers="1"))
    assert value.names == (("age",),)
    assert np.isnan(value.probabilities).all()


@pytest.mark.parametrize("squeeze", ["all", "last"])
def test_one_image_may_come_back_without_any_axis(squeeze: str) -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            p = torch.sigmoid(self.body(x))
            return p.squeeze() if squeeze == "all" else p.squeeze(-1)

    x = images()
    z = float(raw(body(1), x)[0, 0])
    held = capture(Squeezed(), x, layers="body.1", target=1)
    assert held.scores.item() == pytest.approx(z, rel=1e-5)
    found = cnnviz.predictions(held, 2)
    assert found.kind == OutputKind.LOGIT
    assert max(found.probabilities[0]) == pytest.approx(max(sigmoid(np.array([z, -z]))), rel=1e-6)


# Labels.


@pytest.mark.parametrize("inside", [False, True])
def test_labels_have_a_sigmoid_each_and_only_one(inside: bool) -> None:
    plain = Headed(5, nn.Identity(), scale=8.0, bias=1.0)
    network = Headed(5, nn.Sigmoid() if inside else nn.Identity(), scale=8.0, bias=1.0)
    x = images(2)
    z = raw(plain, x)
    model = Model(network, output=None if inside else "labels")
    held = capture(model, x, layers="body.1", target=[3, 1])
    found = cnnviz.predictions(held)
    p = sigmoid(z)
    np.testing.assert_allclose(found.probabilities, -np.sort(-p, 1), atol=1e-6)
    assert found.kind == OutputKind.LABELS
    assert found.rule == ("as given" if inside else "sigmoid")
    np.testing.assert_allclose(held.scores, z[[0, 1], [3, 1]], rtol=1e-5)
    trusted = cnnviz.faithfulness(model, x, "gradcam", target=[3, 1], **QUICK)
    np.testing.assert_allclose(trusted.probabilities, p[[0, 1], [3, 1]], atol=1e-6)
    moved = cnnviz.invariance(model, x, "body.1", target=[3, 1], steps=3)
    np.testing.assert_allclose(moved.original, p[[0, 1], [3, 1]], atol=1e-6)


def test_probabilities_kept_off_their_ends_are_still_those_of_a_sigmoid() -> None:
    class Clamped(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sigmoid().clamp(1e-6, 1 - 1e-6)

    found = cnnviz.predictions(capture(Headed(3, Clamped()), images(), layers="body.1"))
    assert found.kind == OutputKind.LABELS
    z = raw(Headed(3, nn.Identity()), images())
    np.testing.assert_allclose(found.probabilities, -np.sort(-sigmoid(z), 1), atol=1e-6)


def test_scores_of_one_position_are_those_of_the_image() -> None:
    convolutional = nn.Sequential(nn.Conv2d(3, 5, SIDE), nn.ReLU(), nn.Conv2d(5, 4, 1)).eval()
    x = images(2)
    held = capture(convolutional, x, layers="0")
    wanted = raw(convolutional, x)[:, :, 0, 0]
    np.testing.assert_allclose(held.logits, wanted, atol=1e-6)
    assert held.target_classes == tuple(wanted.argmax(1).tolist())
    softened = nn.Sequential(*convolutional, nn.Softmax(1)).eval()
    before = capture(softened, x, layers="0")
    np.testing.assert_allclose(before.scores, held.scores, rtol=1e-6)


def test_a_mean_of_two_softmaxes_is_taken_as_the_probabilities_that_it_is() -> None:
    class Ensemble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = Headed(3, nn.Softmax(1), 9.0), Headed(3, nn.Softmax(1), -4.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.one(x) + self.two(x)) / 2

    network, x = Ensemble(), images()
    found = cnnviz.predictions(capture(network, x, layers="one.body.1"))
    assert found.rule == "as given"
    np.testing.assert_allclose(found.probabilities, -np.sort(-raw(network, x), 1), atol=1e-6)
    assert "as the network returns them" in found.provenance.output


def test_an_autoencoder_returns_a_picture_and_no_classes() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1), nn.Sigmoid()
    )
    held = capture(network, images(), layers="1")
    found = cnnviz.predictions(held)
    assert found.kind == OutputKind.VALUE
    assert held.scores.item() == pytest.approx(raw(network, images())[0, 0].mean(), rel=1e-6)


# A softmax or a sigmoid inside the network.


class Functional(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "method":
            return x.softmax(-1)
        if self.how == "log":
            return F.log_softmax(x, dim=1)
        if self.how == "in place":
            return x.clone().sigmoid_()
        if self.how == "reshaped":
            return torch.softmax(x[:, :, None, None], 1).flatten(1)
        return torch.special.expit(x)


def attributed(held: Capture, method: Any) -> NDArray[Any]:
    return cnnviz.attribute(held.model, images(), method, steps=8).maps[0]


EXPLAINED: dict[str, Callable[[Capture], NDArray[Any]]] = {
    "scorecam": lambda held: cnnviz.cam(held, method="scorecam").maps[0],
    "ablationcam": lambda held: cnnviz.cam(held, method="ablationcam").maps[0],
    "saliency": partial(attributed, method="saliency"),
    "integrated_gradients": partial(attributed, method="integrated_gradients"),
    "deeplift": partial(attributed, method="deeplift"),
    "occlusion": lambda held: cnnviz.occlusion(held.model, images(), window=8, stride=8).drops,
}
CLOSE = {"scorecam": (1e-4, 1e-5), "ablationcam": (1e-4, 1e-5), "occlusion": (1e-3, 1e-3)}
"""How near the two have to come, relative and absolute; of others, by how steep the score is."""


@cache
def without_activation() -> Capture:
    return capture(Headed(4, nn.Identity(), 900.0), images(), layers="body.0")


@cache
def explained_without_activation(method: str) -> NDArray[Any]:
    return EXPLAINED[method](without_activation())


@pytest.mark.parametrize(
    "tail",
    [
        nn.Softmax(1),
        nn.LogSoftmax(1),
        nn.Sigmoid(),
        *map(Functional, ("method", "log", "in place", "reshaped", "special")),
    ],
    ids=str,
)
def test_the_score_before_a_saturated_activation_is_explained(tail: nn.Module) -> None:
    network, wanted = Headed(4, tail, 900.0), without_activation()
    ours = capture(network, images(), layers="body.0")
    assert ours.scores.item() == pytest.approx(wanted.scores.item())
    np.testing.assert_allclose(ours.input_gradient, wanted.input_gradient, rtol=1e-5, atol=1e-7)
    steep = float(wanted.input_gradient.abs().max())
    for method, explain in EXPLAINED.items():
        if method == "deeplift" and not isinstance(tail, (nn.Softmax, nn.Sigmoid)):
            continue
        found, right = explain(ours), explained_without_activation(method)
        close = CLOSE.get(method, (1e-3, 1e-3 * steep))
        np.testing.assert_allclose(found, right, rtol=close[0], atol=close[1])
    assert "inside the network" in ours.provenance.output
    assert cnnviz.predictions(ours).rule == "as given"


def test_a_saturated_softmax_that_was_not_seen_is_told_as_the_cause() -> None:
    class Hidden(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            powers = (x - x.amax(1, keepdim=True)).exp()
            return powers / powers.sum(1, keepdim=True)

    held = capture(Headed(4, Hidden(), 900.0), images(), layers="body.0")
    for heatmap in (
        cnnviz.cam(held),
        cnnviz.attribute(Headed(4, Hidden(), 900.0), images(), "saliency"),
    ):
        assert "probability of nearly 1" in heatmap.caption()
        assert "passes hardly any gradient back" in heatmap.caption()
        assert "changes with anything" not in heatmap.caption(), "nothing else was put in its place"
    unsure = cnnviz.cam(capture(Headed(4, Hidden()), images(), layers="body.0"))
    assert "nearly 1" not in unsure.caption()


def test_attention_inside_a_network_is_no_answer() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.conv(x).flatten(2).transpose(1, 2)
            weights = (tokens @ tokens.transpose(1, 2)).softmax(-1)
            gate = self.head.weight.mean().sigmoid()
            return self.head((weights @ tokens).mean(1)) * gate

    model, x = Model(Attending()), images()
    found = cnnviz.predictions(capture(model, x, layers="conv"))
    assert found.rule == "softmax"
    assert read_output(model, model.forward(x)).inside == ""


# Members.


class Several(nn.Module):
    """Returns features and logits in one of many forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head, self.other = nn.Linear(8, 4), nn.Linear(8, 7)

    def forward(self, x: torch.Tensor) -> object:
        features = self.conv(x).relu().mean((2, 3))
        logits, other = self.head(features), self.other(features)
        return {
            "features first": (features, logits),
            "logits first": (logits, features),
            "nested": {"cls": {"logits": logits}, "feat": [features]},
            "list": [features, [logits]],
            "named": {"embedding": features, "answer": logits},
            "heads": {"age": logits, "breed": other},
            "two in a tuple": (logits, other),
        }[self.form]


FORMS = [
    ("features first", "1", "0"),
    ("logits first", "0", "1"),
    ("nested", "cls.logits", "feat.0"),
    ("list", "1.0", "0"),
    ("named", "answer", "embedding"),
]


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize(("form", "taken", "left"), FORMS)
def test_the_member_that_the_others_lead_to_is_taken_and_told(
    form: str, taken: str, left: str, gradients: bool
) -> None:
    network, x = Several(form), images()
    held = capture(network, x, layers="conv", gradients=gradients)
    assert held.logits.shape == (1, 4)
    assert f"{taken!r} is explained, and not {left!r}" in " ".join(held.provenance.notes)
    declared = capture(Model(network, member=left), x, layers="conv", gradients=gradients)
    assert declared.logits.shape == (1, 8)


def test_of_two_heads_one_has_to_be_named() -> None:
    network, x = Several("heads"), images()
    with pytest.raises(TargetError, match=r"age.*breed.*member=") as refused:
        capture(network, x, layers="conv")
    assert "--member" in refused.value.option
    assert capture(Model(network, member="breed"), x, layers="conv").logits.shape == (1, 7)
    names = Model(network, categories=list("abcdefg"))
    assert capture(names, x, layers="conv").logits.shape == (1, 7)
    with pytest.raises(TargetError, match=r"no member 'bread'.*breed"):
        capture(Model(network, member="bread"), x, layers="conv")
    first = capture(Several("two in a tuple"), x, layers="conv")
    assert "'0' is explained, and not '1'" in " ".join(first.provenance.notes)


@pytest.mark.parametrize("gradients", [True, False])
def test_one_tensor_has_no_member(gradients: bool) -> None:
    model = Model(body(4), member="logits")
    with pytest.raises(TargetError, match=r"\[1, 4\], which has no member 'logits'.*Leave member="):
        _ = capture(model, images(), layers="1", gradients=gradients).logits
    model.member = None
    assert capture(model, images(), layers="1", gradients=gradients).logits.shape == (1, 4)


def test_what_was_taken_of_an_output_is_no_other_tensor() -> None:
    model = Model(Several("heads"), member="breed")
    held = capture(model, images(), layers="conv", gradients=False)
    assert len(held.predictions(7)[0]) == 7
    assert read_output(model, held.logits).member == "breed"


UNREAD: list[tuple[nn.Module, dict[str, Any], str, str]] = [
    (Several("heads"), {}, "can be told apart", "Say which member"),
    (Several("heads"), {"member": "bread"}, "has no member 'bread'", "Did you mean 'breed'"),
    (body(4), {"member": "0"}, "has no member '0'", "Leave member="),
    (body(4), {"output": "class-map"}, "declared as a map of classes, and is", "Declare another"),
    (body(4), {"output": "boxes"}, r"declared as boxes, and is a tensor \[2, 4\]", "Give decode="),
]


@pytest.mark.parametrize("case", UNREAD, ids=lambda case: str(case[1]))
def test_why_there_are_no_logits_comes_with_the_remedy_of_the_cause(case: Any) -> None:
    network, declared, why, remedy = case
    held = capture(Model(network, **declared), images(2), layers="conv", gradients=False)
    with pytest.raises(TargetError, match=f"holds no logits: .*{why}") as told:
        _ = held.logits
    assert told.value.remedy.startswith(remedy)
    # What was kept holds no frames, whose variables are as large as the batch.
    assert isinstance(held._output, TargetError)
    assert held._output.__traceback__ is None
    assert not held.detects


def test_declared_boxes_are_said_to_be_declared() -> None:
    held = capture(Model(body(4), output="boxes"), images(), layers="1", gradients=False)
    with pytest.raises(TargetError, match=r"no boxes: the output was declared as boxes, and is"):
        _ = held.detections
    with pytest.raises(TargetError, match=r"^The output was declared as boxes, which are no"):
        scores_of(held.model, held.returned)
    plain = capture(body(4), images(), layers="1", gradients=False)
    with pytest.raises(TargetError, match=r"no boxes\. Capture a network that returns boxes"):
        _ = plain.detections


def test_boxes_are_never_taken_for_classes() -> None:
    class Detecting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body(4)

        def forward(self, x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
            return [{"boxes": row[None], "scores": row[:1]} for row in self.body(x)]

    for gradients in (True, False):
        held = capture(
            Detecting(),
            images(2),
            layers="body.1",
            target=(lambda out: torch.stack([one["scores"][0] for one in out]))
            if gradients
            else None,
            gradients=gradients,
        )
        with pytest.raises(TargetError, match="no logits"):
            _ = held.logits
    with pytest.raises(TargetError, match=r"within the first pixel.*decode="):
        capture(Detecting(), images(2), layers="body.1")


# Values.


def test_values_are_explained_upwards_and_downwards() -> None:
    network, x = body(3, bias=5.0), images(2)
    model = Model(network, output="value", categories=["x", "y", "angle"])
    up = capture(model, x, layers="1", target=Value("angle"))
    down = capture(model, x, layers="1", target=Value(2, "below"))
    np.testing.assert_allclose(up.scores, raw(network, x)[:, 2], rtol=1e-6)
    np.testing.assert_allclose(down.input_gradient, -up.input_gradient)
    assert up.targets == ("angle", "angle")
    assert down.targets[0] != "angle"
    with pytest.raises(TargetError, match="no value 3"):
        capture(model, x, layers="1", target=3)
    with pytest.raises(TargetError, match="direction 'sideways'"):
        capture(model, x, layers="1", target=Value(0, "sideways"))  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["above", "below"])
def test_curves_of_values_are_on_the_scale_from_blank_to_photo(direction: str) -> None:
    network, x = body(2, bias=37.2), images()
    target: Any = Value(1, direction)  # type: ignore[arg-type]
    model = Model(network, output="value")
    found = cnnviz.faithfulness(model, x, "gradcam", target=target, **QUICK)
    assert found.unit == "score"
    assert np.isnan(found.probabilities).all()
    z, low = raw(network, x)[0, 1], raw(network, x * 0)[0, 1]
    sign = 1.0 if direction == "above" else -1.0
    assert found.scores[0] == pytest.approx(sign * z, rel=1e-6)
    assert found.curves is not None
    mean = found.curves.baselines.index("mean")
    assert found.curves.deletion[mean, 0, -1] == pytest.approx(0.0, abs=1e-6)
    assert found.curves.deletion[mean, 0, 0] == pytest.approx(sign * np.sign(z - low), abs=1e-6)
    assert "blank image" in found.caption()
    assert found.figure().axes[0].get_ylabel().startswith("score")


# Embeddings.


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = body(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.body(x), dim=1)


def test_a_similarity_is_the_cosine_with_a_reference() -> None:
    network, x, reference = body(12), images(2), images(1, seed=9)
    model = Model(network, output="embedding")
    a, b = raw(network, x), raw(network, reference)[0]
    cosine = a @ b / np.linalg.norm(a, axis=1) / np.linalg.norm(b)
    for given in (reference, torch.from_numpy(b), b.astype(np.float32)):
        held = capture(model, x, layers="1", target=Similarity(given))
        np.testing.assert_allclose(held.scores, cosine, atol=1e-6)
    moved = cnnviz.invariance(model, x, "1", target=Similarity(reference), steps=3)
    np.testing.assert_allclose(moved.original, cosine, atol=1e-6)
    trusted = cnnviz.faithfulness(model, x, "gradcam", target=Similarity(reference), random=1)
    np.testing.assert_allclose(trusted.scores, cosine, atol=1e-6)
    assert trusted.randomisation is not None
    compared = cnnviz.explanations(
        model, x[:1], ["gradcam"], target=Similarity(reference), checks=("curves",)
    )
    assert "similarity" in compared.target
    with pytest.raises(TargetError, match=r"a vector \[5\]"):
        capture(model, x, layers="1", target=Similarity(np.ones(5, np.float32)))


def test_an_embedding_is_noticed_and_explained_by_itself() -> None:
    network, x = Embedding(), images(2)
    held = capture(network, x, layers="body.1")
    assert held.targets == ("its own embedding",) * 2
    # Along itself a vector of length 1 has no gradient: it is what went into the normalisation.
    lengths = np.linalg.norm(raw(network.body, x), axis=1)
    np.testing.assert_allclose(held.scores, lengths, rtol=1e-5)
    found = cnnviz.predictions(held)
    assert found.kind == OutputKind.EMBEDDING
    assert np.isnan(found.probabilities).all()
    own = cnnviz.faithfulness(network, x, "saliency", **QUICK)
    np.testing.assert_allclose(own.scores, lengths, rtol=1e-5)


def test_a_callable_is_followed_by_its_score() -> None:
    network, x = body(5), images(2)
    found = cnnviz.faithfulness(network, x, "gradcam", target=lambda out: out[:, 2] ** 2, random=1)
    np.testing.assert_allclose(found.scores, raw(network, x)[:, 2] ** 2, rtol=1e-5)
    assert found.stability is not None
    held = cnnviz.cam(capture(network, x, layers="1", target=lambda out: out[:, 2]))
    with pytest.raises(TargetError, match=r"does not tell how it is scored.*target="):
        cnnviz.faithfulness(network, x, held, **QUICK)


# Maps of classes.


class Segmenting(nn.Module):
    def __init__(self, channels: int, tail: nn.Module | None = None) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.classify = nn.Conv2d(8, channels, 1)
        self.tail = tail or nn.Identity()
        with torch.no_grad():
            self.classify.bias.zero_()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.tail(F.interpolate(self.classify(self.features(x)), scale_factor=2))}


def test_a_region_has_the_mean_probability_of_its_positions() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Segmenting(4)
    x, model = images(), Model(network, categories=["__background__", "cat", "dog", "cow"])
    with torch.no_grad():
        out = network(x)["out"].double().numpy()[0]
    answer = out.argmax(0)
    counts = np.bincount(answer.ravel(), minlength=4)
    counts[0] = 0
    most = int(counts.argmax())
    held = capture(model, x, layers="features.0")
    assert held.targets[0].startswith(f"{model.category(most)} in a region, what it finds most of")
    assert held.scores.item() == pytest.approx(out[most][answer == most].sum(), rel=1e-5)
    named = capture(model, x, layers="features.0", target=model.category(most))
    assert named.scores.item() == pytest.approx(held.scores.item(), rel=1e-6)
    shares = np.exp(out) / np.exp(out).sum(0)
    found = cnnviz.faithfulness(model, x, "gradcam", layer="features.0", **QUICK)
    assert found.unit == "probability"
    assert found.probabilities[0] == pytest.approx(shares[most][answer == most].mean(), rel=1e-5)
    predicted = cnnviz.predictions(held)
    by_class = dict(zip(predicted.names[0], predicted.logits[0], strict=True))
    assert by_class[model.category(most)] == pytest.approx(counts[most] / answer.size)


@pytest.mark.parametrize("inside", [False, True])
def test_a_map_of_one_channel_has_two_sides(inside: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Segmenting(1, nn.Sigmoid() if inside else None)
    x = images()
    with torch.no_grad():
        z = network(x)["out"].double().numpy()[0, 0]
    z = np.log(z / (1 - z)) if inside else z
    mask = np.zeros((SIDE, SIDE), bool)
    mask[4:9, 10:20] = True
    positive = capture(network, x, layers="features.0", target=Region(1, mask))
    negative = capture(network, x, layers="features.0", target=Region("negative", mask))
    assert positive.scores.item() == pytest.approx(z[mask].sum(), rel=1e-3)
    assert negative.scores.item() == pytest.approx(-z[mask].sum(), rel=1e-3)
    found = cnnviz.faithfulness(network, x, "saliency", target=Region(1, mask), **QUICK)
    assert found.probabilities[0] == pytest.approx(sigmoid(z)[mask].mean(), rel=1e-4)


# Indices, declarations, and softmax classifiers as before.


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (np.int64(2), (2, 2)),
        (torch.tensor(3), (3, 3)),
        (np.array([0.0, 0.0, 1.0, 0.0, 0.0]), (2, 2)),
        (torch.tensor([False, True, False, False, False]), (1, 1)),
        (torch.tensor([4, 0]), (4, 0)),
        (np.array([1, 3]), (1, 3)),
        ([np.int64(1), torch.tensor(2)], (1, 2)),
        (torch.eye(5)[[3, 1]], (3, 1)),
        ([[0, 0, 0, 1, 0], [1, 0, 0, 0, 0]], (3, 0)),
    ],
)
def test_an_index_may_be_written_in_any_way(target: object, classes: tuple[int, int]) -> None:
    held = capture(body(5), images(2), layers="1", target=target)  # type: ignore[arg-type]
    assert held.target_classes == classes


@pytest.mark.parametrize("target", [np.array([0.5, 0.5, 0, 0, 0]), torch.tensor(1.5)])
def test_numbers_that_name_no_class_are_refused(target: object) -> None:
    with pytest.raises(TargetError, match="names no class"):
        capture(body(5), images(2), layers="1", target=target)  # type: ignore[arg-type]


@each_case(("outputs", "kind"), [(5, "logit"), (1, "classes"), (5, "class-map"), (5, "boxes")])
def test_a_declaration_that_does_not_fit_is_refused(outputs: int, kind: str) -> None:
    with pytest.raises(TargetError, match="was declared as"):
        capture(Model(body(outputs), output=kind), images(), layers="1")


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no kind of output 'lables'.*labels"):
        Model(body(2), output="lables")
    assert Model(body(2), output="CLASS_MAP").output == OutputKind.CLASS_MAP


def test_a_contrast_of_classes_is_a_score_and_their_sum_a_probability() -> None:
    network, x = body(4, scale=4.0), images()
    p = np.exp(raw(network, x)[0])
    p /= p.sum()
    both = cnnviz.faithfulness(network, x, "saliency", target="0 + 2", **QUICK)
    assert both.probabilities[0] == pytest.approx(p[0] + p[2], rel=1e-6)
    apart = cnnviz.faithfulness(network, x, "saliency", target=Contrast(0, 2), **QUICK)
    assert apart.unit == "score"
    assert apart.scores[0] == pytest.approx(float(np.log(p[0] / p[2])), rel=1e-4)


def test_classes_without_names_are_told_as_a_guess_and_with_names_are_known() -> None:
    network, x = body(3), images()
    assert "a guess" in cnnviz.predictions(capture(network, x, layers="1")).caption()
    named = cnnviz.predictions(capture(Model(network, categories=list("abc")), x, layers="1"))
    assert named.guess == ""
    assert named.provenance.output == "classes, one of which is right"
