"""Networks made to break what a fast copy assumes: they answer the same, on the copy or without."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils import checkpoint

import cnnviz
from cnnviz.passes.fast_model import FastModel, fast_model, outputs
from tests.helpers.foldable_networks import trained

Forward = Callable[[Any, torch.Tensor], Any]


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "always")


class Odd(nn.Module):
    """Two convolutions with their norms, and a forward of the test's."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.two, self.last = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.box = nn.Sequential(nn.Conv2d(6, 6, 1))
        self.head = nn.Linear(6, 4)
        self.register_buffer("steps", torch.zeros(()))
        self.count, self.seen = 0, {}
        self.own = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.own(self, x)

    def end(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(x.relu().mean((2, 3)))
        return found


def odd(forward: Forward, seed: int = 0) -> Odd:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Odd(forward)
    return trained(network, seed)  # type: ignore[return-value]


def plain(n: Any, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = n.end(n.last(n.two(n.norm(n.one(x)).relu())))
    return found


def photos(count: int = 2, seed: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def same(network: nn.Module, images: torch.Tensor | None = None, *, copied: bool) -> None:
    """Check that a network answers the same in cnnviz as alone, and whether on a copy."""
    model, images = cnnviz.load(network), photos() if images is None else images
    for _ in range(2):
        with torch.no_grad():
            expected = network(images)
        assert apart(outputs(model, images), expected) < 1e-5
    assert isinstance(fast_model(model, images, rows=1), FastModel) == copied


def _counts(n: Any, x: torch.Tensor) -> torch.Tensor:
    n.count += 1
    return plain(n, x * (1.0 if n.count % 2 else -1.0))


def _writes(n: Any, x: torch.Tensor) -> torch.Tensor:
    n.steps += 1.0
    return plain(n, x + n.steps)


def _remembers(n: Any, x: torch.Tensor) -> torch.Tensor:
    key = tuple(x.shape[2:])
    if key not in n.seen:
        n.seen[key] = torch.linspace(0, 1, x.shape[-1])
    return plain(n, x + n.seen[key])


def _functional(n: Any, x: torch.Tensor) -> torch.Tensor:
    norm = n.norm
    x = functional.batch_norm(
        n.one(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
    )
    found: torch.Tensor = n.end(n.last(n.two(x.relu())))
    return found


def _unhooked(n: Any, x: torch.Tensor) -> torch.Tensor:
    x = n.norm.forward(n.one.forward(x))
    found: torch.Tensor = n.end(n.last(n.two(x.relu())))
    return found


def _by_keyword(n: Any, x: torch.Tensor) -> torch.Tensor:
    x = n.norm(input=n.one(input=x))
    found: torch.Tensor = n.end(n.last(n.two(x.relu())))
    return found


def _in_halves(n: Any, x: torch.Tensor) -> torch.Tensor:
    before = n.one(x)
    after = n.norm(before)
    found: torch.Tensor = n.end(n.last(n.two(after + before[:, :, :1] * 0.1)))
    return found


def _by_transposition(n: Any, x: torch.Tensor) -> torch.Tensor:
    turned = n.one(x).transpose(2, 3)
    found: torch.Tensor = n.end(n.last(n.two(n.norm(turned.transpose(2, 3)))))
    return found


def _one_norm_for_both(n: Any, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = n.end(n.norm(n.two(n.norm(n.one(x)).relu_())))
    return found


def _one_layer_twice(n: Any, x: torch.Tensor) -> torch.Tensor:
    x = n.norm(n.one(x)).relu()
    found: torch.Tensor = n.end(n.last(n.two(n.last(n.two(x)).relu())))
    return found


def _same_layer_other_norm(n: Any, x: torch.Tensor) -> torch.Tensor:
    x = n.norm(n.one(x)).relu()
    found: torch.Tensor = n.end(n.last(n.two(n.norm(n.two(x)))))
    return found


def _by_layout(n: Any, x: torch.Tensor) -> torch.Tensor:
    x = n.norm(n.one(x))
    flat = x.view(len(x), 6, -1) if x.is_contiguous() else x.reshape(len(x), 6, -1)
    found: torch.Tensor = n.end(n.last(n.two(flat.reshape(x.shape))))
    return found


def _mapped(n: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.vmap(lambda image: plain(n, image[None])[0])(x)


def _called_with_others(n: Any, x: torch.Tensor) -> torch.Tensor:
    weights = {"weight": n.one.weight * 2.0, "bias": n.one.bias}
    return plain(n, x) + torch.func.functional_call(n.one, weights, (x,)).mean()


def _within_autocast(n: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return plain(n, x).float()


def _overwritten(n: Any, x: torch.Tensor) -> torch.Tensor:
    before = n.one(x)
    after = n.norm(before)
    before[:, :2].zero_()
    found: torch.Tensor = n.end(n.last(n.two(after)))
    return found


def _checkpointed(n: Any, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = checkpoint.checkpoint(
        lambda images: plain(n, images), x, use_reentrant=False
    )
    return found


def _by_number(n: Any, x: torch.Tensor) -> torch.Tensor:
    x = n.one(x)
    found: torch.Tensor = n.end(n.last(n.two((n.norm if len(x) % 2 else n.last)(x))))
    return found


@pytest.mark.parametrize(
    ("forward", "copied"),
    [
        (plain, True),
        (_mapped, False),
        (_called_with_others, False),
        (_within_autocast, True),
        (_overwritten, True),
        (_checkpointed, True),
        (_remembers, True),
        (_functional, True),
        (_unhooked, True),
        (_by_keyword, True),
        (_in_halves, True),
        (_by_transposition, True),
        (_one_norm_for_both, True),
        (_one_layer_twice, True),
        (_same_layer_other_norm, True),
        (_by_layout, True),
    ],
)
def test_a_forward_of_an_odd_kind_answers_the_same(forward: Forward, copied: bool) -> None:
    same(odd(forward), copied=copied)


@pytest.mark.parametrize("counts", [[2, 3, 2], [1, 4, 1], [3, 6]])
def test_another_norm_for_another_number_of_images_is_met(counts: list[int]) -> None:
    network = odd(_by_number)
    model = cnnviz.load(network)
    for count in counts:
        with torch.no_grad():
            assert apart(outputs(model, photos(count)), network(photos(count))) < 1e-5


@pytest.mark.parametrize("logits", [True, False])
def test_what_more_images_have_read_besides_is_met_in_a_capture(logits: bool) -> None:
    def forward(n: Any, x: torch.Tensor) -> torch.Tensor:
        before = n.one(x)
        after = n.norm(before)
        found: torch.Tensor = n.end(n.last(n.two(after + before if len(x) > 2 else after)))
        return found

    network = odd(forward)
    fast, exact = cnnviz.load(network), cnnviz.load(network, exact=True)
    assert isinstance(fast_model(fast, photos(), rows=1), FastModel)
    held, expected = (
        cnnviz.capture(model, photos(3), layers=["two"], gradients=False, logits=logits)
        for model in (fast, exact)
    )
    assert torch.equal(held.activations["two"], expected.activations["two"])


@pytest.mark.parametrize("forward", [_counts, _writes])
def test_a_network_that_changes_itself_is_put_back(forward: Forward) -> None:
    network = odd(forward)
    with torch.no_grad():
        expected = copy.deepcopy(network)(photos())
    model = cnnviz.load(network)
    assert all(apart(outputs(model, photos()), expected) < 1e-5 for _ in range(3))
    assert network.count == 0
    assert float(network.steps) == 0.0


class Answer(OrderedDict[str, Any]):
    """An answer as of a library that torch does not know, which is a dictionary."""


class Both:
    """An answer that is an object."""

    def __init__(self, logits: torch.Tensor, before: torch.Tensor) -> None:
        self.logits, self.before = logits, before


class Slotted:
    """An answer that keeps what it holds out of sight."""

    __slots__ = ("logits",)

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


@pytest.mark.parametrize("kind", [Answer, Both, dict])
def test_what_is_part_of_the_answer_is_not_folded_away(kind: Any) -> None:
    def forward(n: Any, x: torch.Tensor) -> Any:
        before = n.one(x)
        return kind(logits=n.end(n.last(n.two(n.norm(before)))), before=before)

    network = odd(forward)
    model = cnnviz.load(network, member="logits")
    with torch.no_grad():
        expected = network(photos())
    found = outputs(model, photos())
    for name in ("logits", "before"):
        one, other = (
            each[name] if isinstance(each, dict) else vars(each)[name] for each in (found, expected)
        )
        assert apart(one, other) < 1e-5
    assert isinstance(fast_model(model, photos(), rows=1), FastModel)


def test_an_answer_that_cannot_be_looked_into_leaves_the_network() -> None:
    model = cnnviz.load(odd(lambda n, x: Slotted(plain(n, x))))
    assert fast_model(model, photos(), rows=1) is model


def test_a_module_around_a_convolution_is_captured_with_what_it_gives() -> None:
    def forward(n: Any, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = n.end(n.last(n.box(n.norm(n.one(x)).relu())))
        return found

    network = odd(forward)
    fast, exact = cnnviz.load(network), cnnviz.load(network, exact=True)
    held, expected = (
        cnnviz.capture(model, photos(), layers=["box", "last"], gradients=False)
        for model in (fast, exact)
    )
    assert held.computed_on.startswith("a private copy that computes the same faster: ")
    for layer in ("box", "last"):
        assert apart(held.activations[layer], expected.activations[layer]) < 1e-5


def test_parametrized_weights_are_computed_as_ever() -> None:
    network = odd(plain)
    parametrizations.weight_norm(network.one)
    same(network, copied=True)
    with torch.no_grad():
        network.one.parametrizations.weight.original0.mul_(2.0)  # type: ignore[union-attr,index,operator]
    same(network, copied=True)


def test_weights_that_a_hook_makes_leave_the_network() -> None:
    with pytest.warns(FutureWarning, match="deprecated"):
        network = nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 6, 3)), nn.BatchNorm2d(6)).eval()
    same(network, copied=False)


class Made(nn.Module):
    """A module that is not made without arguments."""

    def __new__(cls, width: int) -> Made:
        return super().__new__(cls)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, width, 3), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.norm(self.conv(x)).mean((2, 3))
        return found


def test_a_class_that_makes_its_objects_otherwise_leaves_the_network() -> None:
    same(trained(Made(4)), copied=False)


class Watched(nn.Module):
    """Works on tensors as such, and not where somebody watches."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Watched.calls += 1
        if torch._C._len_torch_dispatch_stack():
            raise RuntimeError("not under a mode")
        return x


def test_a_network_that_does_not_run_when_it_is_watched_is_not_tried_again() -> None:
    network = odd(lambda n, x: plain(n, n.extra(x)))
    network.extra = Watched()
    same(network, copied=False)
    Watched.calls = 0
    outputs(cnnviz.load(network), photos())
    assert Watched.calls == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_network_s(dtype: torch.dtype) -> None:
    network, images = odd(plain).to(dtype), photos().to(dtype)
    with torch.no_grad():
        expected = network(images)
    model = cnnviz.load(network)
    assert torch.equal(outputs(model, images), expected)
    assert (
        "its images are torch."
        in cnnviz.capture(model, images, layers=["last"], gradients=False).computed_on
    )


def test_the_owner_s_network_is_copied_pickled_and_trained_while_it_has_a_copy() -> None:
    network = odd(plain)
    model = cnnviz.load(network)
    outputs(model, photos())
    twin = copy.deepcopy(network.head), pickle.loads(pickle.dumps(network.one))
    assert torch.equal(twin[1].weight, network.one.weight)
    assert set(vars(network.one)) == set(vars(nn.Conv2d(1, 1, 1)))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, foreach=True)
    for _ in range(2):
        network.train()
        network(photos(8)).square().mean().backward()
        optimizer.step()
        network.eval()
        same(network, copied=True)


def test_a_wrapper_for_several_devices_answers_the_same() -> None:
    same(nn.DataParallel(odd(plain)), copied=True)


def test_threads_on_one_network_do_not_meet_on_its_copy() -> None:
    network = odd(plain)
    model = cnnviz.load(network)
    expected = [outputs(cnnviz.load(network, exact=True), photos(2, seed)) for seed in range(4)]
    outputs(model, photos())
    found: dict[int, list[torch.Tensor]] = {}

    def work(seed: int) -> None:
        computing = fast_model(model, photos(), rows=1)
        with torch.no_grad():
            found[seed] = [computing.forward(photos(2, seed)) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, answers in found.items():
        assert all(apart(one, expected[seed]) < 1e-5 for one in answers)


def test_a_network_between_others_of_which_it_is_a_part_is_told_apart() -> None:
    inner = odd(plain)
    outer = nn.Sequential(inner, nn.Softmax(1)).eval()
    same(inner, copied=True)
    same(outer, copied=True)
    with torch.no_grad():
        inner.two.weight[0] = 0.0
    same(outer, copied=True)
    same(inner, copied=True)


def test_modules_that_are_exchanged_for_each_other_are_noticed() -> None:
    network = odd(plain)
    same(network, copied=True)
    network.norm, network.last = network.last, network.norm
    same(network, copied=True)


def _batches() -> Iterator[torch.Tensor]:
    yield photos(1)
    yield photos(3).to(memory_format=torch.channels_last)
    yield photos(2)[:, :, ::1].expand(2, 3, 12, 12)
    yield torch.zeros(2, 3, 12, 12)


def test_images_of_other_numbers_and_layouts_are_answered_the_same() -> None:
    network = odd(plain)
    for images in _batches():
        same(network, images, copied=True)


def test_no_image_is_no_reason_to_give_the_copy_up() -> None:
    network = odd(plain)
    assert outputs(cnnviz.load(network), photos(0)).shape == (0, 4)
    same(network, copied=True)
