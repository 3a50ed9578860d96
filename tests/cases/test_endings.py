"""What a network ends in, and which way of the gradient there is none on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import CnnvizError, TargetError
from cnnviz.models import Model
from tests.helpers import further_networks as made
from tests.helpers.further_networks import Net, body, classify, conv, seeded


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def plain(scores: Any = classify, tail: Any = None, **layers: Any) -> Net:
    return seeded(Net(scores, tail, **(layers or body())))


def by_parts(given: torch.Tensor) -> torch.Tensor:
    return F.normalize(F.normalize(given.view(-1, 2, 2), dim=2).flatten(1))


NORMALISED = {
    "F.normalize": F.normalize,
    "a division": lambda y: y / y.norm(dim=1, keepdim=True).clamp(min=1e-6),
    "a product": lambda y: y * y.square().sum(1, keepdim=True).rsqrt(),
    "an expanded length": lambda y: y / y.norm(dim=1, keepdim=True).expand_as(y),
    "parts first": by_parts,
    "a view after it": lambda y: F.normalize(y).view(-1, 4),
}


@pytest.mark.parametrize("form", NORMALISED)
def test_a_normalised_embedding_is_explained_as_the_same_without(form: str) -> None:
    x = images()
    without = Model(plain(), output="embedding")
    network = plain(tail=NORMALISED[form])
    for method in ("gradcam", "hirescam"):
        expected = cnnviz.cam(cnnviz.capture(without, x, layers="b"), method=method).maps[0]
        found = cnnviz.cam(cnnviz.capture(network, x, layers="b"), method=method).maps[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
        assert np.abs(expected).max() > 1e-3
    expected = cnnviz.attribute(without, x, "saliency").maps[0]
    np.testing.assert_allclose(
        cnnviz.attribute(network, x, "saliency").maps[0], expected, rtol=1e-4
    )


def test_the_numbers_of_a_normalised_embedding_are_those_it_returns() -> None:
    network, x = plain(tail=F.normalize), images()
    returned = network(x).detach()
    found = cnnviz.predictions(cnnviz.capture(network, x, layers=(), gradients=False), k=4)
    expected = returned.gather(1, torch.from_numpy(found.classes))
    np.testing.assert_allclose(found.logits, expected, atol=1e-6)
    held = cnnviz.capture(network, x, layers="b", target=cnnviz.Value(2))
    np.testing.assert_allclose(held.scores, returned[:, 2], atol=1e-6)


def test_rows_scaled_to_another_length_are_classes() -> None:
    network = plain(tail=lambda y: 5 * y / y.norm(dim=1, keepdim=True))
    held = cnnviz.capture(network, images(), layers="b")
    assert held.target_classes == tuple(network(images()).argmax(1).tolist())
    np.testing.assert_allclose(held.logits, network(images()).detach(), rtol=1e-5)


def test_an_image_compared_with_itself_has_no_map() -> None:
    network, x = plain(), images(1)
    model = Model(network, output="embedding")
    held = cnnviz.capture(model, x, layers="b", target=cnnviz.Similarity(x))
    with pytest.raises(TargetError, match="compared with itself"):
        cnnviz.cam(held)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is going to be left behind.
        unseen = torch.jit.trace(plain(tail=F.normalize), x)
    with pytest.raises(TargetError, match="compared with itself"):
        cnnviz.attribute(unseen, x, "saliency")


def test_the_logarithm_of_a_sigmoid_has_the_probabilities_of_labels() -> None:
    for tail in (F.logsigmoid, nn.LogSigmoid(), lambda y: y.sigmoid().log()):
        network, x = plain(tail=tail), images()
        found = cnnviz.predictions(cnnviz.capture(network, x, layers="b"), k=4)
        expected = network(x).detach().exp().gather(1, torch.from_numpy(found.classes))
        np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)


@pytest.mark.parametrize("tail", [lambda y: y.argmax(1), lambda y: y > 0], ids=["index", "bool"])
def test_whole_numbers_are_answers_and_no_scores(tail: Any) -> None:
    network, x = plain(tail=tail), images()
    for view in (
        lambda: cnnviz.capture(network, x),
        lambda: cnnviz.occlusion(network, x, window=8, stride=8),
        lambda: cnnviz.invariance(network, x, "b", steps=3),
        lambda: cnnviz.gradient_flow(network, x),
    ):
        with pytest.raises(TargetError, match="answers and no scores"):
            view()


def test_what_cancels_but_for_rounding_is_zero() -> None:
    """A softmax over all places does not change when all of them rise."""
    network = plain(made.attended, **body(), weigh=conv(6, 1))
    held = cnnviz.capture(network, images(), layers=["a", "weigh"])
    assert not cnnviz.cam(held, "weigh").maps[0].any()
    assert cnnviz.cam(held, "a").maps[0].any()


def test_two_heads_end_their_stages_where_the_one_explained_leads() -> None:
    layers = {**body(), "first": nn.Linear(6, 4)}
    for member, layer in (("0", "a"), ("1", "b")):
        model = Model(plain(made.two_heads, **layers), member=member)
        assert cnnviz.cam(cnnviz.capture(model, images(), layers="stages")).layers == (layer,)


def decades(network: nn.Module) -> float:
    return float(cnnviz.gradient_flow(network, images(), remedies=False).decades)


def test_a_gradient_that_is_turned_around_has_the_same_size() -> None:
    assert decades(plain(made.reversed_gradient)) == pytest.approx(decades(plain()), abs=1e-6)


def test_a_backward_hook_of_its_own_counts() -> None:
    network = plain()
    network.b.register_full_backward_hook(lambda layer, below, above: (below[0] * 0.5,))
    assert decades(network) == pytest.approx(decades(plain()) + np.log10(0.5), abs=1e-6)


def test_a_network_in_inference_mode_is_counted_and_seen_like_any() -> None:
    network, other, x = plain(made.inferred), plain(), images()
    one, two = cnnviz.architecture(network, 16), cnnviz.architecture(other, 16)
    assert one.sums()["macs"] == two.sums()["macs"] > 0
    fields = [
        [None if call.receptive_field is None else call.receptive_field.describe() for call in each]
        for each in (one.layers, two.layers)
    ]
    assert fields[0] == fields[1]
    seen = [
        cnnviz.capture(each, x, layers="stages", gradients=False).activations["b"]
        for each in (network, other)
    ]
    torch.testing.assert_close(*seen)
    for view in (cnnviz.capture, cnnviz.gradient_flow):
        with pytest.raises(CnnvizError, match="differentiable"):
            view(network, x)


def test_a_network_that_maps_over_its_images_is_counted() -> None:
    found = cnnviz.architecture(plain(made.mapped), 16)
    assert found.sums()["macs"] == cnnviz.architecture(plain(), 16).sums()["macs"]


class Mixing(Net):
    """Its images lie under one another in the statistics of a norm."""

    def forward(self, x: torch.Tensor) -> Any:
        found = super().forward(F.batch_norm(x, None, None, training=True))
        return found if self.training else found.softmax(1)


def test_several_images_that_run_alone_are_followed_each() -> None:
    network, x = seeded(Mixing(classify, **body())), images()
    together = cnnviz.invariance(network, x, "b", steps=3)
    for place in range(2):
        alone = cnnviz.invariance(network, x[place : place + 1], "b", steps=3)
        np.testing.assert_allclose(together.original[place], alone.original[0], rtol=1e-6)
        np.testing.assert_allclose(together.answers[:, place], alone.answers[:, 0], rtol=1e-6)
        expected = network(x[place : place + 1]).detach().max()
        assert together.original[place] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("form", ["some classes", "half precision", "in another order", "a list"])
def test_shares_are_those_that_the_network_returns(form: str) -> None:
    ends: dict[str, Any] = {
        "some classes": lambda y: torch.cat([y.softmax(1)[:, :3], y.softmax(1)[:, 3:]], 1),
        "half precision": lambda y: y.softmax(1).half(),
        "in another order": lambda y: y.softmax(1).flip(1),
        "a list": lambda y: [y.softmax(1)],
    }
    network, x = plain(tail=ends[form]), images()
    returned = network(x)[0] if form == "a list" else network(x)
    found = cnnviz.predictions(cnnviz.capture(network, x, layers="b"), k=4)
    expected = returned.detach().double().gather(1, torch.from_numpy(found.classes))
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-3)


def test_some_of_the_classes_of_a_softmax_are_no_softmax() -> None:
    network, x = plain(tail=lambda y: y.softmax(1)[:, 1:3]), images()
    held = cnnviz.capture(network, x, layers="b")
    np.testing.assert_allclose(held.logits, network(x).detach(), rtol=1e-5)
    assert "a guess" in cnnviz.predictions(held).caption()


def overwrites(n: Any, x: torch.Tensor) -> torch.Tensor:
    maps = n.a(x)
    squashed = maps.tanh()
    squashed.mul_(2)
    return n.head(made.pooled(n.b(squashed)))


@pytest.mark.parametrize(
    "view",
    [
        cnnviz.capture,
        cnnviz.attribute,
        cnnviz.gradient_flow,
        cnnviz.gradient_whiteness,
        lambda network, x: cnnviz.receptive_field(network, x, "b"),
        lambda network, x: cnnviz.deconvnet(network, x, "b"),
    ],
    ids=["capture", "attribute", "gradient_flow", "whiteness", "receptive_field", "deconvnet"],
)
def test_a_network_that_autograd_refuses_is_a_sentence(view: Any) -> None:
    with pytest.raises(CnnvizError, match="No gradient can be sent through"):
        view(plain(overwrites), images())


@pytest.mark.parametrize("sign", [1, -1])
def test_the_drop_of_a_value_below_that_of_a_blank_image_is_a_number(sign: int) -> None:
    network, x = plain(lambda n, x: sign * classify(n, x), **body(1)), images()
    model = Model(network, output="value")
    found = cnnviz.faithfulness(model, x, random=2, measures=("drop",), seed=0)
    heatmap = cnnviz.cam(cnnviz.capture(model, x, layers="stages"))
    assert found.drop is not None
    for place, photo in enumerate(x):
        shown = F.interpolate(
            torch.from_numpy(heatmap.shown()[None, place : place + 1]), (16, 16), mode="bilinear"
        )
        values = photo * (shown[0] / shown.max().clamp(min=1e-30))
        blank = photo.mean((1, 2), keepdim=True).expand_as(photo)
        score, kept, empty = (float(network(one[None]).detach()) for one in (photo, values, blank))
        expected = max(score - kept, 0) / abs(score - empty)
        drop = next(one for one in found.drop.measures() if one.key == "average_drop")
        assert drop.values[place] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_report_tells_of_a_call_that_the_answer_does_not_lead_to() -> None:
    def named(n: Any, x: torch.Tensor) -> made.Named:
        return made.Named(classify(n, x), made.features(n, x))

    report = cnnviz.report(plain(named), images(1), sections="cam")
    (section,) = report.sections
    assert "does not depend on b#1" in " ".join(map(str, section.notes))
    assert section.pictures
