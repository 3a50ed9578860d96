"""Networks that were made up to break what was built: the right answer, or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

import cnnviz
from cnnviz.errors import CnnvizError, LayerError
from cnnviz.models.outputs import read_output
from tests.helpers import further_networks as made
from tests.helpers.further_networks import Net, Right, body, classify, conv, features, pooled
from tests.helpers.state import state


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def right(scores: Any, kind: str, layer: str | None, *, tail: Any = None, **layers: Any) -> Any:
    return lambda: Right(made.seeded(Net(scores, tail, **(layers or body()))), kind, layer)


def changed(change: Callable[[Net], object], layer: str = "b") -> Callable[[], Right]:
    def build() -> Right:
        network = made.seeded(Net(classify, **body()))
        change(network)
        return Right(network.eval(), "classes", layer)

    return build


def standardised(layer: nn.Conv2d) -> nn.Conv2d:
    class Standardised(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return self._conv_forward(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)

    found = Standardised(layer.in_channels, layer.out_channels, 3, padding=1)
    found.load_state_dict(layer.state_dict())
    return found


def blurred(n: Any, x: torch.Tensor) -> torch.Tensor:
    maps = F.pad(n.a(x).relu(), (1, 1, 1, 1), mode="reflect")
    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16).expand(6, 1, 3, 3)
    return n.head(pooled(n.b(F.conv2d(maps, kernel, stride=2, groups=6)).relu()))


def conditioned(n: Any, x: torch.Tensor) -> torch.Tensor:
    maps = n.a(x).relu()
    return n.head(pooled(n.b(n.norm(maps) * (1 + n.gate(pooled(maps)))[..., None, None]).relu()))


def ghost(n: Any, x: torch.Tensor) -> torch.Tensor:
    maps = n.a(x).relu()
    return n.head(pooled(n.b(torch.cat([maps, n.cheap(maps).relu()], 1)).relu()))


NETWORKS: dict[str, Callable[[], Right]] = {
    # Loops, routes and weights that the image makes.
    "convolution over time": right(
        made.recurrent, "classes", "b#2", **{**body(), "b": conv(12, 6)}
    ),
    "ConvLSTM": right(made.lstm, "classes", "b#1", **{**body(), "b": conv(12, 24)}),
    "mixture of experts, routed": right(made.routed, "classes", "a", **made.experts()),
    "mixture of experts, weighted": right(made.mixed, "classes", "experts.2", **made.experts()),
    "deep equilibrium": right(made.equilibrium, "classes", "a"),
    "hypernetwork": right(made.hyper, "classes", "a", **body(), h=nn.Linear(6, 6 * 6 * 9)),
    "images that leave early": right(
        made.per_image, "classes", "a", **body(), first=nn.Linear(6, 4)
    ),
    # Other grids of places.
    "coordinates as channels": right(
        made.coordinates, "classes", "b", **{**body(), "a": conv(5, 6)}
    ),
    "wavelets": right(made.haar, "classes", "b", **{**body(), "a": conv(12, 6), "b": conv(24, 6)}),
    "octave convolution": right(
        made.octave,
        "classes",
        "down",
        **{**body(), "a": conv(3, 6), "low": conv(3, 6), "up": conv(6, 6), "down": conv(6, 6)},
    ),
    "polar coordinates": right(made.polar, "classes", None),
    "space to depth": right(
        lambda n, x: classify(n, F.pixel_unshuffle(x, 2)),
        "classes",
        "b",
        **{**body(), "a": conv(12, 6)},
    ),
    "overlapping patches": right(
        made.overlapping, "classes", "b", **{**body(), "e": nn.Linear(75, 6)}
    ),
    "tokens pruned": right(made.pruned_tokens, "classes", "m1", **made.of_tokens()),
    "tokens merged": right(made.merged_tokens, "classes", "m1", **made.of_tokens()),
    "tokens masked": right(made.masked_tokens, "classes", "m2", **made.of_tokens()),
    "mirrored copies in the batch": right(made.mirrored_copies, "classes", None),
    "crops in the batch": right(made.crops, "classes", None),
    "pooled by attention": right(made.attended, "classes", "a", **body(), weigh=conv(6, 1)),
    "attention everywhere": right(
        made.everywhere, "classes", "b", **body(), q=conv(6, 4, 1), k=conv(6, 4, 1)
    ),
    "its own crop": right(lambda n, x: classify(n, x[:, :, 4:12, 2:14]), "classes", "b"),
    "its own size": right(lambda n, x: classify(n, F.interpolate(x, (11, 11))), "classes", "b"),
    "blur pooling": right(blurred, "classes", "b"),
    "ghost module": right(
        ghost, "classes", "b", **{**body(), "cheap": conv(6, 6, groups=6), "b": conv(12, 6)}
    ),
    "norm with a gate": right(
        conditioned, "classes", "b", **body(), norm=nn.InstanceNorm2d(6), gate=nn.Linear(6, 6)
    ),
    # Answers.
    "named tuple": right(
        lambda n, x: made.Named(classify(n, x), features(n, x)),
        "classes",
        "b#0",
    ),
    "list of two heads": right(made.two_heads, "classes", "a", **body(), first=nn.Linear(6, 4)),
    "hierarchical softmax": right(
        made.hierarchical, "classes", "b", **body(6), first=nn.Linear(6, 2)
    ),
    "ordinal": right(made.ordinal, "classes", "b", **body(1), steps=nn.Parameter(torch.zeros(4))),
    "temperature": right(
        lambda n, x: classify(n, x) / 0.02, "classes", "b", tail=lambda y: y.softmax(1)
    ),
    "sigmoid of two": right(classify, "labels", "b", tail=torch.sigmoid, **body(2)),
    "logarithm of a sigmoid": right(classify, "labels", "b", tail=F.logsigmoid),
    "logarithm after a sigmoid": right(classify, "labels", "b", tail=lambda y: y.sigmoid().log()),
    "normalised embedding": right(classify, "embedding", "b", tail=F.normalize),
    "embedding of normalised parts": right(
        classify,
        "embedding",
        "b",
        tail=lambda y: F.normalize(F.normalize(y.view(-1, 3, 4), dim=2).flatten(1)),
        **body(12),
    ),
    "normalised by hand": right(
        classify, "embedding", "b", tail=lambda y: y / y.norm(dim=1, keepdim=True)
    ),
    "transcription": right(
        made.captions, "", None, a=conv(3, 6), r=nn.GRU(6, 5), head=nn.Linear(5, 7)
    ),
    "places of keypoints": right(made.places, "", None),
    "depth": right(lambda n, x: features(n, x).mean(1), "", None),
    "the index of a class": right(classify, "", None, tail=lambda y: y.argmax(1)),
    "yes or no": right(classify, "", None, tail=lambda y: y > 0),
    "an array": right(classify, "", None, tail=lambda y: y.detach().numpy()),
    "nothing": right(classify, "", None, tail=lambda y: None),
    "U-Net": right(
        made.unet,
        "class-map",
        "up",
        a=conv(3, 6),
        b=conv(6, 8),
        up=nn.ConvTranspose2d(8, 6, 2, 2),
        out=nn.Conv2d(12, 3, 1),
    ),
    # Gradients.
    "gradient reversal": right(made.reversed_gradient, "classes", "b"),
    "straight-through estimator": right(made.straight_through, "classes", "b"),
    "inference mode": right(made.inferred, "", None),
    "frozen backbone": right(lambda n, x: n.head(pooled(made.frozen(n, x))), "", None),
    "vmap": right(made.mapped, "classes", None),
    "backward hook of its own": changed(
        lambda n: n.b.register_full_backward_hook(lambda *given: (given[1][0] * 0.5,))
    ),
    "forward hooks of its own": changed(
        lambda n: (
            n.a.register_forward_hook(lambda layer, given, output: output * 2),
            n.register_forward_hook(lambda layer, given, output: output / 10),
        )
    ),
    # Weights.
    "double": changed(lambda n: n.double()),
    "half": changed(lambda n: n.half()),
    "channels last": changed(lambda n: n.to(memory_format=torch.channels_last)),
    "pruned": changed(lambda n: prune.l1_unstructured(n.a, "weight", 0.5)),
    "spectral norm": changed(lambda n: nn.utils.parametrizations.spectral_norm(n.b)),
    "weights standardised": changed(lambda n: setattr(n, "b", standardised(n.b))),
    "layer under an odd name": right(
        lambda n, x: n.head(pooled(n.d["<b>ä, #2</b>"](n.a(x).relu()).relu())),
        "classes",
        "d.<b>ä, #2</b>",
        **body(),
        d=nn.ModuleDict({"<b>ä, #2</b>": conv(6, 6)}),
    ),
}


PARTS = {"its own crop": (slice(2, 6), slice(1, 7))}
"""Where maps lie in what is shown, of networks that cut out a part of the image."""


def answer(network: Net, x: torch.Tensor) -> torch.Tensor:
    """Return the scores of images, or the embedding as it was before it was normalised."""
    found = network(x) if network.tail is None else network.scores(network, x)
    return (
        found.logits if isinstance(found, tuple) else found[0] if isinstance(found, list) else found
    )


def explained(network: Net, x: torch.Tensor, index: int | None) -> torch.Tensor:
    found = answer(network, x)[0]
    own = found.detach() / found.detach().norm()
    return found @ own if index is None else found[index]


def gradcam_by_hand(right: Right, x: torch.Tensor, index: int | None) -> np.ndarray:
    held: list[torch.Tensor] = []
    name, call = str(right.layer), "0"
    if name not in dict(right.network.named_modules()):
        name, _, call = name.rpartition("#")
    layer = right.network.get_submodule(name)
    with_copy = layer.register_forward_hook(lambda module, given, output: held.append(output))
    score = explained(right.network, x, index)
    with_copy.remove()
    own = held[int(call)]
    (gradient,) = torch.autograd.grad(score, own)
    maps = [one.detach().float() for one in (own, gradient)]
    if own.ndim == 3:
        maps = [one.transpose(1, 2).unflatten(2, (4, 4)) for one in maps]
    return (maps[0] * maps[1].mean((2, 3), keepdim=True)).sum(1)[0].numpy()


def drops_by_hand(network: Net, x: torch.Tensor, index: int | None) -> np.ndarray:
    own = answer(network, x)[0].detach()
    own, found = own / own.norm(), []
    for row in (0, 8):
        for column in (0, 8):
            hidden = x.clone()
            hidden[:, :, row : row + 8, column : column + 8] = x.mean((2, 3), keepdim=True)
            change = (answer(network, x) - answer(network, hidden))[0].detach()
            found.append(float(change @ own if index is None else change[index]))
    return np.array(found).reshape(2, 2)


def kept(network: Net, view: Callable[[], Any]) -> Any:
    """Return what a view gives, or the sentence it refuses with; the network is as before."""
    before = state(network)
    try:
        found = view()
    except CnnvizError as error:
        found = error
    assert state(network) == before
    return found


def close(found: object, expected: object, network: Net) -> None:
    rounding = 2e-2 if next(network.parameters()).dtype == torch.half else 1e-4
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, atol=rounding * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_right_or_a_sentence(name: str) -> None:
    case = NETWORKS[name]()
    network, x = case.network, images().to(next(case.network.parameters()).dtype)
    held = kept(network, lambda: cnnviz.capture(network, x, layers="stages"))
    for view in (
        lambda: cnnviz.architecture(network, 16),
        lambda: cnnviz.gradient_flow(network, x, remedies=False),
    ):
        kept(network, view)
    hidden = kept(network, lambda: cnnviz.occlusion(network, x[:1], window=8, stride=8))
    if not case.kind:
        assert isinstance(held, CnnvizError)
        return
    assert read_output(held.model, network(x)).kind == case.kind
    if case.kind == "class-map":
        assert cnnviz.cam(held).layers == (case.layer,)
        return
    for place, index in enumerate(held.target_classes):
        close(held.logits[place], answer(network, x[place : place + 1])[0].detach(), network)
        if case.kind == "classes":
            assert index == int(answer(network, x[place : place + 1])[0].argmax())
    close(hidden.drops[0], drops_by_hand(network, x[:1], held.target_classes[0]), network)
    if case.layer is None:
        with pytest.raises(LayerError):
            cnnviz.cam(held)
        return
    heatmap = kept(network, lambda: cnnviz.cam(held))
    assert heatmap.layers == (case.layer,)
    for place, index in enumerate(held.target_classes):
        expected = gradcam_by_hand(case, x[place : place + 1], index)
        found = heatmap.maps[0][place]
        if name in PARTS:
            assert not np.delete(found, np.r_[PARTS[name][0]], 0).any()
            assert not np.delete(found, np.r_[PARTS[name][1]], 1).any()
            found = found[PARTS[name]]
        close(found, expected, network)
