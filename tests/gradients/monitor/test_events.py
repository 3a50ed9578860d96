"""What turns is told once, at the step where it has lasted, and a healthy run says nothing."""

from __future__ import annotations

import math
import random

import pytest

from cnnviz.gradients.monitor.events import KINDS, EventDetector

NAN, INF = math.nan, math.inf


def told(records) -> list[tuple[int, str, str]]:
    watch = EventDetector()
    found = [event for record in records for event in watch.see(record)]
    assert {event.kind for event in found} <= set(KINDS)
    return [(event.step, event.kind, event.layer) for event in found]


def test_a_healthy_run_raises_nothing(record) -> None:
    generator = random.Random(0)
    losses = [2.0 * 0.99**step + 0.3 * generator.random() for step in range(300)]
    assert told(record(step, loss) for step, loss in enumerate(losses)) == []


@pytest.mark.parametrize("seed", range(20))
def test_losses_that_only_scatter_do_not_oscillate(record, seed: int) -> None:
    generator = random.Random(seed)
    losses = [1.0 + generator.gauss(0.0, 0.3) for _ in range(300)]
    assert [
        t for t in told(record(i, x) for i, x in enumerate(losses)) if t[1] != "diverging"
    ] == []


@pytest.mark.parametrize(
    ("figures", "kind", "layer"),
    [
        ({"gradient": (1e-4, 0.1, 1.0)}, "vanishing", "first"),
        ({"gradient": (2000.0, 10.0, 1.0)}, "exploding", "first"),
        ({"gradient": (0.0, 0.0, 1.0)}, "blocked", "first"),
        ({"dead": (0.0, 0.7, None)}, "dying", "middle"),
        ({"update": (1e-3, 1e-7, 1e-3)}, "still", "middle"),
        ({"update": (1e-12, 0.0, 1e-12)}, "still", ""),
    ],
)
def test_what_lasts_for_three_records_is_told_once(record, figures, kind, layer) -> None:
    records = [record(step) for step in range(4)]
    records += [record(step, **figures) for step in range(4, 20)]
    assert told(records) == [(6, kind, layer)]


@pytest.mark.parametrize(("allowance", "kinds"), [(0.0, ["exploding"]), (1.0, []), (2.0, [])])
def test_a_normalised_network_may_have_more_at_the_first_layer(record, allowance, kinds) -> None:
    from dataclasses import replace

    high = {"gradient": (300.0, 1.0, 1.0)}
    records = [replace(record(step, **high), allowance=allowance) for step in range(5)]
    assert [kind for _, kind, _ in told(records)] == kinds


def test_what_comes_and_goes_is_not_told(record) -> None:
    faults = [{"gradient": (1e-4, 0.1, 1.0)} if step % 3 == 0 else {} for step in range(40)]
    assert told(record(step, **fault) for step, fault in enumerate(faults)) == []


def test_what_has_passed_may_be_told_again(record) -> None:
    faults = [{"dead": (0.9, 0.0, None)} if step % 10 < 5 else {} for step in range(20)]
    found = told(record(step, **fault) for step, fault in enumerate(faults))
    assert found == [(2, "dying", "first"), (12, "dying", "first")]


@pytest.mark.parametrize(
    ("figures", "loss", "layer", "words"),
    [
        ({"activation": (1.0, INF, NAN)}, NAN, "middle", "its weights are finite"),
        ({"activation": (1.0, NAN, NAN), "weight": (1.0, NAN, 1.0)}, NAN, "middle", "an update"),
        ({"gradient": (NAN, INF, 1.0)}, 1.0, "middle", "first on the way back"),
        ({"update": (1e-3, INF, 1e-3)}, 1.0, "middle", "no longer finite"),
        ({}, NAN, "", "though every layer is"),
    ],
)
def test_numbers_that_are_not_finite_are_told_at_once_with_where_they_begin(
    record, figures, loss, layer, words
) -> None:
    watch = EventDetector()
    assert watch.see(record(10, 1.0)) == []
    (event,) = watch.see(record(20, loss, **figures))
    assert (event.step, event.kind, event.layer) == (20, "not-finite", layer)
    assert words in event.text
    assert "step 10" in event.text
    assert watch.see(record(30, NAN, activation=(NAN, NAN, NAN))) == []


def test_a_loss_that_swings_oscillates_and_one_that_climbs_diverges(record) -> None:
    swings = [1.0 + 0.4 * (-1) ** step - 0.002 * step for step in range(60)]
    assert told(record(i, x) for i, x in enumerate(swings)) == [(33, "oscillating", "")]
    climbs = [1.0] * 20 + [1.15 ** (step - 20) for step in range(20, 45)]
    found = told(record(i, x) for i, x in enumerate(climbs))
    assert [event[1] for event in found] == ["diverging"]
    near_zero = [2.0 * 0.8**step for step in range(40)] + [0.01] * 40
    assert told(record(i, x) for i, x in enumerate(near_zero)) == []


def test_few_samples_rest_by_chance(record) -> None:
    from dataclasses import replace

    records = [replace(record(step, dead=(0.6, 0.1, None)), samples=1) for step in range(10)]
    assert told(records) == []


def test_many_layers_at_once_are_one_event(record) -> None:
    watch = EventDetector()
    found = []
    for step in range(5):
        found += watch.see(record(step, dead=(0.9, 0.9, 0.9)))
    (event,) = found
    assert event.layer == "first"
    assert event.text.endswith("The same goes for 'middle' and 'last'.")


def test_a_stopped_schedule_is_not_a_layer_that_stopped(record) -> None:
    from dataclasses import replace

    records = [replace(record(step, update=(0.0, 0.0, 0.0)), rates=(0.0,)) for step in range(9)]
    assert told(records) == []


def test_a_layer_without_a_gradient_is_frozen_and_not_still(record) -> None:
    frozen = {"weight_gradient": (None, 0.1, 0.1), "update": (0.0, 1e-3, 1e-3)}
    assert told(record(step, **frozen) for step in range(9)) == []
