"""A vector that nobody has said the meaning of: an embedding where it is features, else a guess."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import TargetError


class _Block(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.more = nn.Conv2d(width, width, 3, padding=1)
        self.again = nn.BatchNorm2d(width)
        self.skip = nn.Conv2d(channels, width, 1, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.again(self.more(self.norm(self.conv(x)).relu()))
        return (inside + self.skip(x)).relu()


class _Net(nn.Module):
    def __init__(self, tail: Callable[[torch.Tensor], torch.Tensor], **head: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.early, self.late, self.tail = _Block(3, 8), _Block(8, 12), tail
        for name, module in head.items():
            self.add_module(name, module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.late(self.early(x))
        for module in list(self.children())[2:]:
            maps = module(maps)
        return self.tail(maps)


def _mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean((2, 3))


FEATURES = {
    "a mean of the last maps": lambda: _Net(_mean),
    "the last maps, flattened": lambda: _Net(lambda maps: maps.flatten(1)),
    "two poolings side by side": lambda: _Net(lambda m: torch.cat([_mean(m), m.amax((2, 3))], 1)),
    "a layer norm": lambda: _Net(_mean, norm=nn.GroupNorm(1, 12)),
    "a gate": lambda: _Net(lambda maps: _mean(maps * maps.sigmoid())),
}
SCORES = {
    "a linear layer": lambda: _Net(lambda y: y, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(),
                                   fc=nn.Linear(12, 12)),
    "a convolution": lambda: _Net(_mean, conv=nn.Conv2d(12, 5, 1)),
    "a product": lambda: _Net(lambda maps: _mean(maps) @ torch.ones(12, 12)),
    "distances": lambda: _Net(lambda maps: -torch.cdist(_mean(maps), torch.ones(12, 12))),
}  # fmt: skip


@pytest.mark.parametrize("made", FEATURES)
def test_features_are_an_embedding_in_every_view(made: str) -> None:
    model, photo = cnnviz.Model(FEATURES[made]().eval()), torch.rand(1, 3, 16, 16)
    held = cnnviz.capture(model, photo, layers="stages")
    assert held.targets == ("its own embedding",)
    # The last stage holds features as the others do, and not maps of classes.
    assert list(held.activations)[-1] in ("late", "norm")
    found = cnnviz.predictions(held)
    assert (found.kind, found.provenance.output[:24]) == ("embedding", "an embedding (a guess: i")
    assert "--output" in found.provenance.output
    bare = cnnviz.Model(FEATURES[made]().eval())
    seen = cnnviz.capture(bare, photo, layers=(), gradients=False)
    assert seen.provenance.output == found.provenance.output


@pytest.mark.parametrize("made", SCORES)
def test_what_a_layer_makes_is_taken_for_classes_by_a_guess(made: str) -> None:
    model = cnnviz.Model(SCORES[made]().eval())
    found = cnnviz.predictions(cnnviz.capture(model, torch.rand(1, 3, 16, 16), layers=()))
    assert found.kind == "classes"
    assert "a guess: its shape is [N," in found.provenance.output


def test_a_width_of_its_own_behind_a_normalisation_is_left_open() -> None:
    network = _Net(_mean, conv=nn.Conv2d(12, 5, 1), norm=nn.BatchNorm2d(5))
    held = cnnviz.capture(cnnviz.Model(network.eval()), torch.rand(1, 3, 16, 16), layers=())
    assert "yet it comes out of a normalisation" in held.provenance.output
    named = cnnviz.Model(network, categories=list("abcde"))
    assert (
        "guess" not in cnnviz.capture(named, torch.rand(1, 3, 16, 16), layers=()).provenance.output
    )


def test_more_axes_than_an_image_has_are_no_map_of_classes() -> None:
    def anchors(maps: torch.Tensor) -> torch.Tensor:
        return maps.unflatten(1, (3, 4)).permute(0, 1, 3, 4, 2)

    with pytest.raises(TargetError, match=r"\[1, 3, 4, 4, 4\] for 1 image, not \[N, classes\]"):
        cnnviz.capture(cnnviz.Model(_Net(anchors).eval()), torch.rand(1, 3, 16, 16), layers="conv")


def test_a_class_on_few_places_of_a_map_is_not_on_none() -> None:
    def maps(x: torch.Tensor) -> torch.Tensor:
        found = torch.zeros(1, 2, 64, 64) + 0 * x.mean()
        found[:, 0] = 1.0
        found[:, 1, 5, 5] = 2.0 + x.mean()
        return found

    held = cnnviz.capture(cnnviz.Model(_Net(maps).eval()), torch.rand(1, 3, 16, 16), layers="conv")
    assert "(< 0.1% of the map" in held.targets[0]
