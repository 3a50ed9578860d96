"""One small training of each fault is named rightly, and healthy ones raise nothing.

The whole set, with seeds on which no threshold was settled, is
`tests/benchmarks/bench_monitor_verdicts.py`.
"""

from __future__ import annotations

import re

import pytest

from cnnviz.gradients.monitor.events import KINDS
from tests.helpers.small_trainings import (
    BROKEN_FROM,
    EXPECTED,
    HEALTHY,
    TRAININGS,
    Training,
    is_right,
)

SEED = 0
"""One of those that thresholds were settled on: the others are for the count alone."""
CHOSEN = (
    "tanh perceptron, momentum",
    "bias of -5 in one convolution, SGD",
    "sigmoid perceptron, weights x 200",
    "sigmoid perceptron of 8 layers, AdamW",
    "images of 0 to 255, SGD",
    "0 / 0 in every image, momentum",
    "a trunk behind detach(), momentum",
    "loss sent back negative, SGD",
    "negative cross-entropy, AdamW",
)
WELL = ("perceptron, SGD", "a probability, AdamW", "batch norm, SGD")


def recipe(fault: str, what: str) -> Training:
    return next(one for one in TRAININGS if one.fault == fault and one.what == what)


def test_the_table_of_faults_is_whole() -> None:
    faults = [one.fault for one in TRAININGS]
    assert set(faults) == set(EXPECTED)
    assert faults.count(HEALTHY) == 15
    assert len(faults) == 45
    told = {kind for one in EXPECTED.values() for kind in one.named_by | one.may_follow}
    assert told <= set(KINDS)


@pytest.mark.parametrize(
    "training",
    [one for one in TRAININGS if one.what in CHOSEN and one.fault != HEALTHY],
    ids=lambda one: f"{one.fault}: {one.what}",
)
def test_a_fault_is_named(training: Training) -> None:
    monitor = training.run(SEED, steps=80 if training.fault == "label noise" else 48)
    assert is_right(training, monitor), [str(event) for event in monitor.events]


@pytest.mark.parametrize("what", WELL)
def test_a_healthy_training_raises_nothing(what: str) -> None:
    monitor = recipe(HEALTHY, what).run(SEED)
    assert [str(event) for event in monitor.events] == []
    assert monitor.run().losses[-8:].mean() < 0.9 * monitor.run().losses[:8].mean()


def test_the_judge_is_strict() -> None:
    """A healthy run is no fault, and a fault is no health."""
    well = recipe(HEALTHY, "perceptron, SGD")
    frozen = recipe("frozen part", "a trunk behind detach(), momentum")
    assert not is_right(frozen, well.run(SEED, steps=8))
    assert not is_right(well, frozen.run(SEED, steps=8))


def test_a_jump_names_the_rate_and_the_step_and_what_died_of_it() -> None:
    training = recipe("rate too large", "2 convolutions, SGD")
    monitor = training.run(SEED, steps=24)
    losses, (rate, *_) = monitor.run().losses, monitor.run().rates
    told = {event.kind: event.text for event in monitor.events}
    jump = f"from {losses[0]:.3g} to {losses[1]:.3g} at step 1, after the update of step 0"
    assert jump in told["jump"]
    assert f"at a learning rate of {rate:g}" in told["jump"]
    assert "Lower the learning rate" in told["jump"]
    assert jump in told["dying"]
    assert "start again with a lower learning rate" in told["dying"]


def test_nothing_with_dead_units_advises_a_higher_rate() -> None:
    dead = [one for one in TRAININGS if one.fault == "dead units"]
    for training in (*dead, recipe("rate too large", "2 convolutions, SGD")):
        monitor = training.run(SEED, steps=20)
        text = " ".join(event.text for event in monitor.events).lower()
        assert "are dead" in text
        assert not re.search(r"raise|too small|higher", text)


def test_bad_data_is_told_with_its_first_step_and_the_first_layer() -> None:
    monitor = recipe("broken data", "a NaN pixel, SGD").run(SEED, steps=40)
    (event,) = monitor.events
    assert (event.step, event.kind, event.layer) == (BROKEN_FROM, "bad-input", "0")
    assert "What goes into 0 (Conv2d), the first layer, is not finite at step 24" in event.text
    assert "< 0.1% of its values are NaN or infinite, while" in event.text
    assert "every weight is finite (all was finite at step 22)" in event.text
    assert "not at the network" in event.text
