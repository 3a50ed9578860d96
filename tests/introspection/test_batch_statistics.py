"""Statistics of data in place of stored ones: against torch's own training mode."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import ModelError
from cnnviz.introspection.batch_statistics import (
    Statistics,
    batch_statistics,
    calibrate,
    calibrated,
    pooled,
    uncalibrated,
)
from cnnviz.introspection.hooks import preserve_state
from tests.helpers.architectures import feed
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def network(seed: int = 0) -> nn.Sequential:
    """Return a double-precision network whose batch norms have statistics of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        found = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
            nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, affine=False), nn.Flatten(),
            nn.Linear(5 * 4 * 4, 6), nn.BatchNorm1d(6),
        ).double()  # fmt: skip
        for layer in found:
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2.0)
                if layer.affine:
                    nn.init.normal_(layer.weight)
                    nn.init.normal_(layer.bias)
    return found.eval()


def images(count: int = 6, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64)


def test_one_batch_is_normalised_as_in_training_and_nothing_is_written() -> None:
    module, x = network(), images()
    wanted = copy.deepcopy(module).train()(x)
    before = state(module)
    with batch_statistics() as seen:
        output = module(x)
    torch.testing.assert_close(output, wanted, rtol=1e-12, atol=1e-12)
    assert state(module) == before
    assert [one.count for one in seen.used] == [6 * 36, 6 * 16, 6]
    assert not torch.allclose(module(x), wanted)


def test_pooled_statistics_are_those_of_all_values() -> None:
    x = images(7)
    first = nn.Sequential(nn.BatchNorm2d(3)).double().eval()
    (found,) = calibrate(first, [x[:2], x[2:3], x[3:]])
    torch.testing.assert_close(found.mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(found.variance, x.var((0, 2, 3), correction=0))
    assert found.count == 7 * 64


def test_given_statistics_act_like_stored_ones_forward_and_backward() -> None:
    module, x = network(), images()
    found = calibrate(module, [x[:3], x[3:]])
    wanted = copy.deepcopy(module)
    norms = [layer for layer in wanted if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for layer, one in zip(norms, found, strict=True):
        layer.running_mean.copy_(one.mean)
        layer.running_var.copy_(one.variance)
    leaf, other = (x.clone().requires_grad_() for _ in range(2))
    with batch_statistics(found):
        output = module(leaf)
    torch.testing.assert_close(output, wanted(other), rtol=1e-12, atol=1e-12)
    ours, theirs = (
        torch.autograd.grad(each.sin().sum(), point)[0]
        for each, point in ((output, leaf), (wanted(other), other))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(3.0 * torch.exp(self.norm(x)))


def test_a_layer_that_is_called_twice_has_two_statistics() -> None:
    module, x = Twice().double().eval(), images()
    wanted = copy.deepcopy(module).train()(x)
    (*found,) = calibrate(module, [x])
    assert len(found) == 2
    with batch_statistics(found):
        torch.testing.assert_close(module(x), wanted, rtol=1e-12, atol=1e-12)


@each_case("form", ["function", "keywords", "operator"])
def test_batch_norms_without_a_module_are_met(form: str) -> None:
    x = images()
    mean, variance = torch.full((3,), 9.0).double(), torch.full((3,), 4.0).double()
    calls = {
        "function": lambda: F.batch_norm(x, mean, variance),
        "keywords": lambda: F.batch_norm(input=x, running_var=variance, running_mean=mean),
        "operator": lambda: torch.batch_norm(
            x, None, None, mean, variance, False, 0.1, 1e-5, False
        ),
    }
    with batch_statistics() as seen:
        output = calls[form]()
    assert len(seen.used) == 1
    torch.testing.assert_close(output.mean((0, 2, 3)), torch.zeros(3).double())


def test_a_batch_norm_in_training_mode_is_left_alone() -> None:
    layer, x = nn.BatchNorm2d(3).double().train(), images()
    with batch_statistics() as seen:
        layer(x)
    assert seen.used == []
    assert bool((layer.running_mean != 0.0).all())


def test_a_single_value_has_no_variance_and_keeps_what_is_stored() -> None:
    layer = nn.BatchNorm1d(3).eval()
    with batch_statistics() as seen:
        output = layer(torch.ones(1, 3))
    assert seen.used[0].count == 0
    torch.testing.assert_close(output, layer(torch.ones(1, 3)))
    assert pooled([seen.used, seen.used])[0].count == 0


def test_half_precision_is_summed_in_single() -> None:
    layer = nn.BatchNorm2d(1).to(torch.bfloat16).eval()
    x = 1000.0 + torch.arange(64.0).reshape(1, 1, 8, 8)
    with batch_statistics() as seen:
        assert layer(x.to(torch.bfloat16)).dtype == torch.bfloat16
    assert seen.used[0].mean.dtype == torch.float32


def test_it_works_under_vmap() -> None:
    module, x = network(), images()
    weights = {name: torch.stack([p, 2 * p, -p]) for name, p in module.named_parameters()}

    def run(weight: dict[str, torch.Tensor]) -> torch.Tensor:
        with batch_statistics():
            return torch.func.functional_call(module, weight, (x,))

    together = torch.func.vmap(run)(weights)
    for place in range(3):
        alone = run({name: values[place] for name, values in weights.items()})
        torch.testing.assert_close(together[place], alone, rtol=1e-10, atol=1e-10)


def test_a_network_that_calls_them_differently_each_time_is_a_sentence() -> None:
    module, x = network(), images()
    found = calibrate(module, [x])
    differently = pytest.raises(ModelError, match="calls its batch norms differently")
    with differently, batch_statistics(found[:1]):
        module(x)


def test_fresh_layers_are_told_from_those_that_saw_data() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(3, affine=False))
    for _ in range(60):
        module[1](images().float())
    module[2](images().float())
    module.append(nn.BatchNorm2d(3, track_running_stats=False))
    assert tuple(uncalibrated(module)) == ("0", "2")


def test_a_network_that_never_saw_data_is_fed_beside_itself() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).double()
    before = state(module)
    with preserve_state(module):
        found = calibrated(module, module, images(), 4)
    assert state(module) == before
    assert found is not None
    assert found.told().startswith("1 batch norm had seen no data, or next to none, and was given")
    assert found.statistics[0].count == 6 * 36
    assert found.lone == 0
    feed(module, images())
    assert calibrated(module, module, images(), 4) is None


def test_layers_that_saw_data_keep_their_statistics_beside_ones_that_did_not() -> None:
    torch.manual_seed(0)
    known, fresh = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    known.running_mean = torch.tensor([1.0, 2.0, 3.0])
    known.running_var = torch.tensor([4.0, 9.0, 16.0])
    known.num_batches_tracked = torch.tensor(1000)
    module, x = nn.Sequential(known, fresh).double().eval(), images()
    found = calibrated(module, module, x, len(x))
    assert found is not None
    with found.applied():
        output = module(x)
    # torch's own layers, the second in training mode: it divides by what it sees.
    torch.testing.assert_close(output, nn.BatchNorm2d(3).double().train()(known(x)))
    assert not torch.equal(output, x)


def test_statistics_as_stored_are_those_that_a_step_of_training_leaves() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)
    ).double()
    x = images()
    found = calibrated(module.eval(), module, x, len(x))
    assert found is not None
    with found.as_stored().applied():
        output = module(x)
    trained = copy.deepcopy(module).train()
    for layer in (trained[1], trained[4]):
        layer.momentum = 1.0
    trained(x)
    torch.testing.assert_close(output, trained.eval()(x))
    with found.applied():
        assert not torch.allclose(module(x), output)


def test_one_value_a_channel_is_counted_and_read_as_it_is() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4)).double().eval()
    x = torch.ones(1, 3, 2, 2, dtype=torch.float64)
    found = calibrated(module, module, x, 1)
    assert found is not None
    assert found.lone == 1
    assert "At 1 calls there was one value a channel" in found.told()
    with found.applied():
        torch.testing.assert_close(module(x), module[1](module[0](x)) / (1.0 + 1e-5) ** 0.5)


def test_statistics_of_one_part_are_kept_as_they_are() -> None:
    one = Statistics(torch.ones(2), torch.ones(2), 5)
    assert pooled([[one]])[0] is one
