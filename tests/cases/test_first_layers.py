"""The channels and the size that a network takes are found, whatever stands in it first."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnviz
from cnnviz.errors import ModelChangedError
from cnnviz.models.input_trials import find_input
from tests.helpers.architectures import tiny_network


class _Net(nn.Module):
    """A network whose forward is a function, and whose first registered layer is the head."""

    def __init__(self, forward: Callable[..., torch.Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self._forward = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._forward(self, x)


def _pooled(maps: torch.Tensor) -> torch.Tensor:
    return maps.relu().mean((2, 3))


def _coordinates(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    rows = torch.linspace(0, 1, x.shape[2]).view(1, 1, -1, 1).expand(len(x), 1, *x.shape[2:])
    return _pooled(net.c(torch.cat([x, rows, rows.transpose(2, 3)], 1)))


def _two_parts(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return _pooled(net.a(x[:, :3]) + net.b(x[:, 3:4]))


def _by_value(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return _pooled(net.a(x)) if float(x.detach().sum()) > 1e9 else net.fc(net.b(x).flatten(1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "the head is registered first": (
        lambda: _Net(
            lambda n, x: _pooled(n.head(n.stem(x))),
            head=nn.Conv2d(8, 3, 1),
            stem=nn.Conv2d(3, 8, 3),
        ),
        (3, 224),
    ),
    "makes a colour image grey itself": (
        lambda: _Net(lambda n, x: _pooled(n.c(x.mean(1, keepdim=True))), c=nn.Conv2d(1, 8, 3)),
        (3, 224),
    ),
    "repeats a grey image": (
        lambda: _Net(lambda n, x: _pooled(n.c(x.repeat(1, 3, 1, 1))), c=nn.Conv2d(3, 8, 3)),
        (1, 224),
    ),
    "channels by groups": (
        lambda: nn.Sequential(nn.Conv2d(6, 12, 3, groups=3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        (6, 224),
    ),
    "channels in two parts": (
        lambda: _Net(_two_parts, a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(1, 4, 3)),
        (4, 224),
    ),
    "coordinates beside the channels": (
        lambda: _Net(_coordinates, c=nn.Conv2d(5, 4, 3)),
        (3, 224),
    ),
    "a first normalisation": (
        lambda: nn.Sequential(
            nn.BatchNorm2d(5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2)
        ),
        (5, 224),
    ),
    "one linear layer over all pixels": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 20 * 20, 8), nn.ReLU(), nn.Linear(8, 3)),
        (3, 20),
    ),
    "patches through a linear layer": (
        lambda: _Net(
            lambda n, x: n.p(F.unfold(x, 4, stride=4).transpose(1, 2)).mean(1), p=nn.Linear(16, 4)
        ),
        (1, 224),
    ),
    "grey digits": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(392, 10)
        ),
        (1, 28),
    ),
    "a size that nobody has": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 2, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36 * 36, 10)
        ),
        (3, 73),
    ),
    "a large size": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 2, 7, stride=7), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 90 * 90, 3)
        ),
        (3, 630),
    ),
    "looks at values": (
        lambda: _Net(_by_value, a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 2, 1), fc=nn.Linear(2048, 3)),
        (3, 32),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_and_size_are_found(name: str) -> None:
    make, (channels, side) = NETWORKS[name]
    network = make()
    model = cnnviz.Model(network)
    assert model.channels == channels
    # A stride takes several sides alike.
    assert model.input_shape[1] in range(side, side + (7 if side == 630 else 2))
    network.eval()(torch.rand(1, *model.input_shape))
    assert cnnviz.capture(model, torch.rand(1, *model.input_shape), layers=()).logits.shape[0] == 1


_RUN: list[nn.Module] = []
"""Not in a closure, which is put back with what a network holds."""


def test_a_network_is_not_run_to_find_its_input() -> None:
    """A copy is: no count, buffer, attribute, mode or random state of the network changes."""

    def counted(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        net.kept = x.sum()
        _RUN.append(net)
        return _pooled(net.bn(net.c(x)) + torch.rand(1))

    network = _Net(counted, c=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4)).train()
    before = copy.deepcopy(network.state_dict())
    state = torch.random.get_rng_state()
    assert cnnviz.Model(network).channels == 3
    assert _RUN
    assert all(run is not network for run in _RUN)
    assert not hasattr(network, "kept")
    assert network.training
    assert network.bn.training
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value)


def test_a_network_that_keeps_what_cannot_be_copied() -> None:
    network = tiny_network()
    network.kept = network(torch.rand(1, 3, 8, 8, requires_grad=True)).sum() * 2
    network.lock = (value for value in ())
    assert find_input(network) is not None


def test_a_layer_that_is_made_at_the_first_call_is_a_sentence() -> None:
    class Grow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Conv2d(3, 4, 3)
            self.fc: nn.Module | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = self.c(x).flatten(1)
            if self.fc is None:
                self.fc = nn.Linear(flat.shape[1], 2)
            return self.fc(flat)

    network = Grow()
    image = torch.rand(1, 3, 16, 16)
    made = "own forward built 'fc', which it did not have before"
    with pytest.raises(ModelChangedError, match=made):
        cnnviz.capture(network, image, layers="c")
    told = cnnviz.Preprocessing(16, (16, 16), (0.0,) * 3, (1.0,) * 3)
    for view in (
        cnnviz.architecture,
        lambda model: cnnviz.capture(model, cnnviz.images.sample_photo()),
    ):
        with pytest.raises(ModelChangedError, match=made):
            view(cnnviz.Model(network, preprocessing=told))
    with pytest.raises(ModelChangedError, match=made):
        cnnviz.capture(network, cnnviz.images.sample_photo())
    assert network.fc is None
    network = Grow()
    network(image)
    assert cnnviz.capture(network, image, layers="c").logits.shape == (1, 2)


def test_a_single_pixel_is_drawn() -> None:
    image = torch.rand(1, 3, 1, 1)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6, 3))
    assert cnnviz.deconvnet(network, image, "0", top=2).figure() is not None
    assert cnnviz.top_activations(network, image, "0", top=1).figure() is not None


def test_what_holds_on_to_the_network_does_not_change_it() -> None:
    network = _Net(lambda n, x: _pooled(n.closed(x)), bn=nn.BatchNorm2d(3), c=nn.Conv2d(3, 4, 3))
    network.closed = lambda x: network.c(network.bn(x) + 1)
    network.train()
    assert cnnviz.Model(network).channels == 3
    assert not network.bn.running_mean.any()
    assert int(network.bn.num_batches_tracked) == 0
    assert network.bn.training
