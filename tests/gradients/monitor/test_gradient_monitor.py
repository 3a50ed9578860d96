"""What a monitor records is right, and it changes nothing of the training that it watches."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from cnnviz import GradientMonitor
from cnnviz.errors import LayerError, ModelError, OutputError, UsageError
from cnnviz.gradients.monitor.log import read_log
from cnnviz.models import Model

IMAGES = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(5))
LABELS = torch.arange(32) % 3


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return build()


def in_place() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(6 * 64, 3),
    )


class Functional(nn.Module):
    """Residual, with functional activations, one layer called twice, and a part checkpointed."""

    def __init__(self, reentrant: bool | None = None) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.again = nn.Conv2d(5, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)
        self.reentrant = reentrant

    def body(self, x: torch.Tensor) -> torch.Tensor:
        x = x + F.relu_(self.again(x))
        return torch.tanh(self.again(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first(x))
        if self.reentrant is None:
            x = self.body(x)
        else:
            x = checkpoint(self.body, x, use_reentrant=self.reentrant)
        return self.head(x.mean((2, 3)))


def batches(count: int, size: int = 8) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for index in range(count):
        chosen = (torch.arange(size) * 3 + index * 5) % len(IMAGES)
        yield IMAGES[chosen], LABELS[chosen]


def train(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    monitor: GradientMonitor | None,
    steps: int = 20,
    passes: int = 1,
) -> None:
    with monitor or nullcontext():
        for step, (images, labels) in enumerate(batches(steps * passes)):
            loss = F.cross_entropy(network(images), labels) / passes
            loss.backward()
            if monitor is not None:
                monitor.log(loss=loss * passes)
            if (step + 1) % passes == 0:
                optimizer.step()
                optimizer.zero_grad()


def sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)


def everything(network: nn.Module) -> list[tuple[str, bytes]]:
    return [(name, value.numpy().tobytes()) for name, value in network.state_dict().items()]


def hooks_of(network: nn.Module) -> int:
    from torch.nn.modules import module as torch_module

    own = sum(
        len(hooks)
        for module in network.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    )
    every = (torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks)
    return own + sum(map(len, every))


def quietly(_: object) -> None:
    """Take an event without a word."""


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize(
    "build",
    [
        in_place,
        Functional,
        lambda: Functional(reentrant=True),
        lambda: Functional(reentrant=False),
    ],
    ids=["in-place", "functional", "reentrant checkpoint", "checkpoint"],
)
def test_the_training_is_the_same_to_the_last_bit(build, every: int) -> None:
    plain, watched = seeded(build), seeded(build)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        train(plain, sgd(plain), None)
        after = torch.get_rng_state()
    monitor = GradientMonitor(watched, optimizer := sgd(watched), every=every, on_event=quietly)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        train(watched, optimizer, monitor)
        assert torch.equal(torch.get_rng_state(), after)
    assert everything(watched) == everything(plain)
    assert watched.training
    assert [record.step for record in monitor.records] == list(range(0, 20, every))
    assert hooks_of(watched) == 0
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_a_monitor_at_the_end_of_a_cell_tells_what_it_recorded() -> None:
    network = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        network(torch.ones(3, 4)).sum().backward()
        optimizer.step()
    assert repr(monitor) == f"<GradientMonitor: {monitor.run().summary()}; run() shows it>"
    assert "1 step recorded of 1" in repr(monitor)


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_an_exception_inside_a_forward_leaves_nothing_behind(stop: type[BaseException]) -> None:
    class Stops(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise stop("half-way")

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Stops())
    optimizer = sgd(network)
    monitor = GradientMonitor(network, optimizer, every=1)
    with pytest.raises(stop, match="half-way"), monitor:
        network(IMAGES)
    assert hooks_of(network) == 0
    assert len(torch.overrides._get_current_function_mode_stack()) == 0
    assert not optimizer._optimizer_step_post_hooks
    assert monitor.records == []


def test_a_forward_that_fails_once_does_not_disturb_the_next() -> None:
    network = seeded(in_place)
    optimizer = sgd(network)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        with pytest.raises(RuntimeError):
            network(torch.randn(2, 5, 8, 8))
        assert len(torch.overrides._get_current_function_mode_stack()) == 0
        F.cross_entropy(network(IMAGES), LABELS).backward()
        optimizer.step()
    assert monitor.records[0].of("gradient").keys() == {"0", "3", "7"}


def test_the_figures_are_those_that_autograd_gives() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 3)
    )
    images, labels = IMAGES[:6], LABELS[:6]
    first = F.conv2d(images, network[0].weight, network[0].bias).detach().requires_grad_()
    last = F.linear(F.relu(first).flatten(1), network[3].weight, network[3].bias)
    loss = F.cross_entropy(last, labels)
    at_first, at_last = torch.autograd.grad(loss, [first, last])
    weights = [network[0].weight, network[3].weight]
    before = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        F.cross_entropy(network(images), labels).backward()
        gradients = [weight.grad.clone() for weight in weights]
        optimizer.step()
    record = monitor.records[0]

    def rms(values: torch.Tensor) -> float:
        return float(values.double().flatten(1).norm(dim=1).square().mean().sqrt())

    wanted = {
        "activation": [rms(first.detach()), rms(last.detach())],
        "gradient": [rms(at_first), rms(at_last)],
        "weight": [float(weight.norm()) for weight in before],
        "weight_gradient": [float(gradient.norm()) for gradient in gradients],
        "update": [
            float(0.3 * gradient.norm() / weight.norm())
            for gradient, weight in zip(gradients, before, strict=True)
        ],
    }
    assert record.layers == ("0", "3")
    assert record.samples == 6
    assert record.rates == (0.3,)
    for name, values in wanted.items():
        np.testing.assert_allclose(list(record.of(name).values()), values, rtol=2e-5)
    resting = [bool((first[:, channel] <= 0).all()) for channel in range(4)]
    assert record.of("dead") == {"0": sum(resting) / 4}
    assert record.of("saturated") == {}


def test_dead_and_saturated_units_are_found_in_any_form() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 4, 1), nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.a(x))
            return self.c(torch.tanh(self.b(x.mean((2, 3)))))

    network = seeded(Net)
    with torch.no_grad():
        network.a.bias[:3] = torch.tensor([-100.0, -100.0, -100.0])
        network.b.bias[:2] = 50.0
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    monitor = GradientMonitor(network, optimizer, every=1)
    train(network, optimizer, monitor, steps=1)
    assert monitor.records[0].of("dead") == {"a": 0.75}
    assert monitor.records[0].of("saturated")["b"] == pytest.approx(2 / 6)


def test_a_unit_is_dead_only_if_it_is_in_every_pass_of_a_step() -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        for sample in ([[1.0, -1.0]], [[-1.0, -1.0]]):
            network(torch.tensor(sample)).sum().backward()
        optimizer.step()
        for sample in ([[1.0, -1.0]], [[-1.0, 1.0]]):
            network(torch.tensor(sample)).sum().backward()
        optimizer.step()
    assert [record.of("dead")["0"] for record in monitor.records] == [0.5, 0.0]


def test_accumulated_passes_make_one_record_of_all_their_samples() -> None:
    network = seeded(in_place)
    optimizer = sgd(network)
    monitor = GradientMonitor(network, optimizer, every=2)
    train(network, optimizer, monitor, steps=4, passes=3)
    assert [record.step for record in monitor.records] == [0, 2]
    assert [record.samples for record in monitor.records] == [24, 24]
    assert [step for record in monitor.records for step, _ in record.losses] == [0, 1, 2]
    assert monitor.steps == 4


def test_a_layer_that_is_called_twice_has_a_line_for_each_call() -> None:
    for reentrant in (None, False):
        network = seeded(lambda reentrant=reentrant: Functional(reentrant))
        optimizer = sgd(network)
        monitor = GradientMonitor(network, optimizer, every=1)
        train(network, optimizer, monitor, steps=2)
        record = monitor.records[1]
        assert record.layers == ("first", "again#0", "again#1", "head")
        assert set(record.of("gradient")) == set(record.layers)
        assert record.of("saturated").keys() == {"again#1"}
        assert record.of("weight")["again#0"] == record.of("weight")["again#1"]


def test_a_checkpointed_part_gives_the_same_figures() -> None:
    found = []
    for reentrant in (None, False):
        network = seeded(lambda reentrant=reentrant: Functional(reentrant))
        optimizer = sgd(network)
        train(network, optimizer, monitor := GradientMonitor(network, optimizer, every=1), steps=3)
        found.append([record.figures for record in monitor.records])
    assert found[0] == found[1]


def test_validation_between_the_steps_is_not_seen() -> None:
    found = []
    for validates in (False, True):
        network = seeded(in_place)
        optimizer = sgd(network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            with GradientMonitor(network, optimizer, every=1) as monitor:
                for images, labels in batches(3):
                    if validates:
                        network.eval()
                        with torch.no_grad():
                            network(IMAGES * 100)
                        network.train()
                    F.cross_entropy(network(images), labels).backward()
                    optimizer.step()
        found.append([record.figures for record in monitor.records])
    assert found[0] == found[1]


def test_nothing_is_heard_at_the_steps_between() -> None:
    network = seeded(in_place)
    optimizer = sgd(network)
    seen = []
    with GradientMonitor(network, optimizer, every=3) as monitor:
        for images, labels in batches(7):
            seen.append(hooks_of(network))
            F.cross_entropy(network(images), labels).backward()
            optimizer.step()
    assert seen == [2, 0, 0, 2, 0, 0, 2]
    assert len(monitor.records) == 3


def test_a_network_can_be_copied_and_pickled_while_it_is_watched() -> None:
    network = seeded(in_place)
    optimizer = sgd(network)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        twin = copy.deepcopy(network)
        again = pickle.loads(pickle.dumps(network))
        F.cross_entropy(twin(IMAGES), LABELS).backward()
        F.cross_entropy(again(IMAGES), LABELS).backward()
        F.cross_entropy(network(IMAGES[:4]), LABELS[:4]).backward()
        optimizer.step()
    assert monitor.records[0].samples == 4


def test_two_monitors_watch_two_networks_at_once() -> None:
    one, two = seeded(in_place), seeded(Functional)
    first, second = sgd(one), sgd(two)
    with (
        GradientMonitor(one, first, every=1) as left,
        GradientMonitor(two, second, every=1) as right,
    ):
        F.cross_entropy(one(IMAGES) + two(IMAGES), LABELS).backward()
        first.step()
        second.step()
    assert left.records[0].layers == ("0", "3", "7")
    assert right.records[0].layers == ("first", "again#0", "again#1", "head")


def test_without_an_optimizer_the_loop_says_when_a_step_ends() -> None:
    watched, told = seeded(in_place), seeded(in_place)
    found = []
    for network, given in ((watched, True), (told, False)):
        optimizer = sgd(network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            monitor = GradientMonitor(network, optimizer if given else None, every=2)
            with monitor:
                for images, labels in batches(5):
                    optimizer.zero_grad()
                    loss = F.cross_entropy(network(images), labels)
                    loss.backward()
                    optimizer.step()
                    monitor.log(loss=loss) if given else monitor.step(loss=loss)
        found.append([(r.step, r.losses, r.figures) for r in monitor.records])
    assert found[0] == found[1]
    with pytest.raises(UsageError, match=r"tells this monitor when a step ends.*log\(loss"):
        GradientMonitor(watched, sgd(watched)).step()


@pytest.mark.parametrize("late", [False, True])
def test_a_loss_is_kept_with_its_step_wherever_it_is_logged(late: bool) -> None:
    network = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    with GradientMonitor(network, optimizer, every=3) as monitor:
        for step in range(8):
            loss = network(torch.full((2, 4), float(step))).square().mean()
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            if not late:
                monitor.log(loss=loss, accuracy=step / 10)
            optimizer.step()
            if late:
                monitor.log(loss=loss.item(), accuracy=step / 10)
            assert len(monitor.records) == step // 3 + 1
    run = monitor.run()
    assert run.loss_steps.tolist() == list(range(8))
    np.testing.assert_allclose(run.losses, losses, rtol=1e-6)
    assert run.values["accuracy"].tolist() == [0.0, 0.3, 0.6]
    assert run.layers == ("linear",)


def test_a_closure_inside_the_step_is_the_step() -> None:
    network = seeded(in_place)
    optimizer = torch.optim.LBFGS(network.parameters(), lr=0.1, max_iter=3)
    images, labels = next(batches(1))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        return loss

    with GradientMonitor(network, optimizer, every=1) as monitor:
        for _ in range(2):
            monitor.log(loss=optimizer.step(closure))
    record = monitor.records[1]
    assert record.samples >= 24
    assert all(value > 0.0 for value in record.of("weight_gradient").values())
    assert all(value > 0.0 for value in record.of("update").values())


def test_gradients_are_those_of_the_optimizer_after_clipping() -> None:
    network = seeded(in_place)
    optimizer = sgd(network)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        F.cross_entropy(network(IMAGES), LABELS).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.01)
        optimizer.step()
    norms = monitor.records[0].of("weight_gradient").values()
    assert sum(norm**2 for norm in norms) ** 0.5 == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("by_hand", [False, True])
def test_mixed_precision_is_recorded_without_its_scale(fused: bool, by_hand: bool) -> None:
    """The same network without a scaler gives the same figures."""
    found = []
    for scaled in (False, True):
        network = seeded(Functional)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=fused)
        scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=4096.0)
        monitor = GradientMonitor(network, optimizer, every=1, scaler=scaler if scaled else None)
        with monitor:
            for images, labels in batches(3):
                optimizer.zero_grad()
                loss = F.cross_entropy(network(images), labels)
                scaler.scale(loss).backward()
                if by_hand and scaled:
                    scaler.unscale_(optimizer)
                scaler.step(optimizer)
                scaler.update()
                monitor.log(loss=loss)
        found.append(monitor.run())
    for name in ("gradient", "weight_gradient", "update", "activation"):
        np.testing.assert_allclose(getattr(found[1], name), getattr(found[0], name), rtol=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_an_update_that_the_scaler_leaves_out_is_no_event(fused: bool) -> None:
    network = seeded(Functional)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1000)
    with GradientMonitor(network, optimizer, every=1, scaler=scaler, on_event=quietly) as monitor:
        for images, labels in list(batches(4)) * 30:
            optimizer.zero_grad()
            loss = 1e3 * F.cross_entropy(network(images), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if len(monitor.records) == 2:
                break
    assert monitor.records[0].skipped > 0
    assert np.isfinite(monitor.run().gradient).all()
    assert not [event for event in monitor.events if event.kind == "not-finite"]


@pytest.mark.parametrize(
    ("norm", "skip", "allowance"), [(False, True, 0.0), (True, False, 1.0), (True, True, 2.0)]
)
def test_normalised_layers_and_skips_raise_the_upper_edges(norm, skip, allowance) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = F.relu(self.norm(self.conv(x)))
            return found + x if skip else found

    parts = [nn.Conv2d(3, 4, 1), *(Block() for _ in range(4)), nn.Flatten(), nn.Linear(256, 3)]
    network = nn.Sequential(*parts)
    optimizer = sgd(network)
    train(network, optimizer, monitor := GradientMonitor(network, optimizer, every=1), steps=1)
    record = monitor.records[0]
    assert record.allowance == allowance
    (path,) = record.compared
    assert (path[0], path[-2]) == ("0", "4.conv")
    gradient = record.of("gradient")
    assert record.decades == pytest.approx(np.log10(gradient["0"] / gradient["4.conv"]))


def test_a_frozen_part_and_a_part_that_is_not_called_have_their_lines() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head, self.spare = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(F.relu(self.trunk(x)).mean((2, 3)))

    network = seeded(Net)
    network.trunk.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    monitor = GradientMonitor(network, optimizer, every=1, on_event=quietly)
    train(network, optimizer, monitor, steps=6)
    assert [(event.kind, event.layer) for event in monitor.events] == [
        ("frozen", "trunk"),
        ("unused", "spare.weight"),
    ]
    assert "trunk (Conv2d): requires_grad is False" in monitor.events[0].text
    record = monitor.records[0]
    assert record.layers == ("trunk", "head", "spare")
    assert set(record.of("activation")) == {"trunk", "head"}
    assert set(record.of("gradient")) == {"head"}
    assert record.of("update")["trunk"] == 0.0


def test_parts_called_one_by_one_are_watched_like_the_whole() -> None:
    network = seeded(in_place)
    optimizer = sgd(network)
    with GradientMonitor(network, optimizer, every=1) as monitor:
        for images, labels in batches(2):
            maps = network[:6](images)
            F.cross_entropy(network[7](network[6](maps)), labels).backward()
            optimizer.step()
    assert monitor.records[1].layers == ("0", "3", "7")
    assert set(monitor.records[1].of("dead")) == {"0", "3"}
    assert monitor.records[1].samples == 8


def test_a_compiled_network_is_watched_by_its_weights() -> None:
    network = seeded(in_place)
    compiled = torch.compile(network, backend="eager")
    optimizer = sgd(network)
    told: list[str] = []
    monitor = GradientMonitor(compiled, optimizer, every=1, on_event=lambda e: told.append(e.kind))
    train(compiled, optimizer, monitor, steps=2)
    assert told == ["unheard"]
    assert set(monitor.records[0].of("update")) == {"0", "3", "7"}
    assert monitor.name == "Sequential"


def test_a_model_of_ours_and_named_layers_are_taken() -> None:
    network = Model(seeded(in_place), name="mine")
    optimizer = sgd(network.module)
    monitor = GradientMonitor(network, optimizer, every=1, layers="conv")
    train(network.module, optimizer, monitor, steps=1)
    assert monitor.name == "mine"
    assert monitor.records[0].layers == ("0", "3")


@pytest.mark.parametrize(
    ("build", "options", "error", "match"),
    [
        (in_place, {"every": 0}, UsageError, "every cannot be 0"),
        (in_place, {"layers": "convs"}, LayerError, "no layer 'convs'.*'conv'"),
        (nn.Flatten, {}, LayerError, "neither a convolution nor a linear"),
        (in_place, {"path": "absent/run.jsonl"}, OutputError, "no folder .absent.*Make the folder"),
        (in_place, {"path": "run", "existing": "append"}, UsageError, "no 'append'.*'continue'"),
    ],
)
def test_bad_arguments_are_a_sentence(build, options, error, match, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = build()
    with pytest.raises(error, match=match), GradientMonitor(network, **options):
        pass
    assert hooks_of(network) == 0


def test_a_monitor_is_for_one_run() -> None:
    monitor = GradientMonitor(nn.Linear(2, 2))
    with monitor:
        pass
    with pytest.raises(UsageError, match="used already"):
        monitor.__enter__()
    monitor.log(loss=1.0)
    assert monitor.records == []


def test_a_loss_is_one_number() -> None:
    network = nn.Linear(2, 2)
    with GradientMonitor(network, torch.optim.SGD(network.parameters(), lr=0.1)) as monitor:
        with pytest.raises(UsageError, match=r"'loss' is a tensor of the shape \[2\].*one number"):
            monitor.log(loss=torch.ones(2))
        with pytest.raises(UsageError, match="'accuracy' is str, not a number"):
            monitor.log(accuracy="high")


def test_weights_spread_over_processes_are_refused() -> None:
    network = nn.Linear(2, 2)
    network.weight.placements = ()  # type: ignore[assignment]
    with pytest.raises(ModelError, match="spread over processes"), GradientMonitor(network):
        pass


def test_a_loop_can_end_its_training_when_something_turns(tmp_path) -> None:
    network = seeded(in_place)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e30)
    path = tmp_path / "run.jsonl"
    monitor = GradientMonitor(network, optimizer, every=1, on_event=quietly, path=path)

    def loop() -> None:
        with monitor:
            for images, labels in batches(20):
                loss = F.cross_entropy(network(images), labels)
                loss.backward()
                optimizer.step()
                monitor.log(loss=loss)
                if monitor.events:
                    raise ArithmeticError(str(monitor.events[0]))

    with pytest.raises(ArithmeticError, match="step 1"):
        loop()
    assert monitor.steps == 2
    ended = read_log(path).end
    assert ended is not None
    assert ended["error"] == "ArithmeticError"


def test_events_are_logged_as_warnings_by_default(caplog: pytest.LogCaptureFixture) -> None:
    network = seeded(in_place)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e30)
    train(network, optimizer, monitor := GradientMonitor(network, optimizer, every=1), steps=4)
    assert [event.kind for event in monitor.events][-1] == "not-finite"
    assert "is not finite, the first on the way forward" in caplog.text


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_process_of_rank_0_records(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: rank)
    network = seeded(in_place)
    optimizer = sgd(network)
    train(network, optimizer, monitor := GradientMonitor(network, optimizer, every=1), steps=2)
    assert len(monitor.records) == (2 if rank == 0 else 0)
