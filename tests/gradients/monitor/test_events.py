"""What turns is told once, at the step where it has lasted, and a healthy run says nothing."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from cnnviz.gradients.monitor.events import KINDS, EventDetector
from cnnviz.gradients.monitor.records import InputFigures
from tests.helpers.each_case import each_case

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
    # Gradients that do not agree: where they do, a loss that climbs has the wrong sign.
    found = told(record(i, x, agreement=(0.0, 0.0, 0.0)) for i, x in enumerate(climbs))
    assert [event[1] for event in found] == ["diverging"]
    near_zero = [2.0 * 0.8**step for step in range(40)] + [0.01] * 40
    assert told(record(i, x) for i, x in enumerate(near_zero)) == []


def test_a_loss_that_climbs_is_told_with_the_rate_where_there_is_one(record) -> None:
    climbs = [1.0] * 20 + [1.15 ** (step - 20) for step in range(20, 45)]
    for rates, told in (((0.1,), "lower the learning rate (0.1) or"), ((), "learning rate or")):
        records = [
            replace(record(i, x, agreement=(0.0, 0.0, 0.0)), rates=rates)
            for i, x in enumerate(climbs)
        ]
        assert told in texts(records)["diverging"]


def test_a_gradient_that_ends_is_laid_to_dead_units_only_where_all_are(record) -> None:
    for dead, told in ((1.0, "'middle', after which every unit is dead."), (0.4, "'middle'.")):
        figures = {"gradient": (0.0, 0.0, 1.0), "dead": (0.0, dead, None)}
        found = texts(record(step, **figures) for step in range(4))["blocked"]
        assert found.endswith(f"on the way back it ends at {told}")


def test_few_samples_rest_by_chance(record) -> None:
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
    records = [replace(record(step, update=(0.0, 0.0, 0.0)), rates=(0.0,)) for step in range(9)]
    assert told(records) == []


def test_a_layer_without_a_gradient_is_frozen_and_not_still(record) -> None:
    frozen = {"weight_gradient": (None, 0.1, 0.1), "update": (0.0, 1e-3, 1e-3)}
    assert told(record(step, **frozen) for step in range(9)) == []


def texts(records) -> dict[str, str]:
    watch = EventDetector()
    return {event.kind: event.text for record in records for event in watch.see(record)}


@pytest.mark.parametrize(
    ("dead", "advice"), [(0.9, "no learning rate revives"), (0.0, "Raise the learning rate")]
)
def test_the_rate_is_to_be_raised_only_where_no_unit_is_dead(record, dead, advice) -> None:
    told = texts(
        record(step, dead=(dead, 0.0, None), update=(1e-12, 0.0, 1e-12)) for step in range(4)
    )
    assert advice in told["still"]
    assert ("Raise" in told["still"]) == (dead == 0.0)


def test_an_update_of_nothing_is_zero(record) -> None:
    said = texts([record(step, update=(1e-3, 0.0, 1e-3)) for step in (1, 2, 3)])["still"]
    assert "its update is 0 of its weights, the middle layer's 0.001;" in said


def test_an_event_names_the_kind_of_a_layer_beside_its_name(record) -> None:
    kinds = dict.fromkeys(("first", "middle", "last"), "Conv2d")
    records = [replace(record(step, dead=(0.9, 0.8, 0.7)), kinds=kinds) for step in range(4)]
    told = texts(records)["dying"]
    assert told.startswith("90% of the channels after first (Conv2d) are dead")
    assert told.endswith("The same goes for middle (Conv2d) and last (Conv2d).")
    assert "after 'first' are dead" in texts(record(s, dead=(0.9, 0, 0)) for s in range(4))["dying"]


def test_the_reason_why_a_layer_is_frozen_is_told_once_for_all_of_them(record) -> None:
    frozen = {"first": "requires_grad is False", "middle": "requires_grad is False"}
    records = [replace(record(step), frozen=frozen) for step in range(6)]
    assert told(records) == [(2, "frozen", "first")]
    assert "'first' and 'middle': requires_grad is False" in texts(records)["frozen"]


@pytest.mark.parametrize(("allowance", "kinds"), [(0.0, ["unscaled"]), (1.0, [])])
def test_an_input_of_bytes_is_not_normalised(record, allowance, kinds) -> None:
    for mean, spread, expected in ((120.0, 60.0, kinds), (0.45, 0.25, []), (0.0, 1.0, [])):
        records = [
            replace(record(step), inputs=InputFigures(mean, spread, 0.0), allowance=allowance)
            for step in range(4)
        ]
        assert [kind for _, kind, _ in told(records)] == expected


def test_an_answer_that_saturates_is_no_hidden_unit(record) -> None:
    for saturated, kinds in (
        ((None, None, 1.0), []),
        ((0.5, 0.4, None), []),
        ((0.95, 0.2, None), ["saturated"]),
    ):
        records = [record(step, saturated=saturated) for step in range(4)]
        assert [kind for _, kind, _ in told(records)] == kinds
    faded = {"gradient": (0.05, 1.0, 1.0), "saturated": (0.7, 0.6, None)}
    assert told(record(step, **faded) for step in range(4)) == [(2, "saturated", "first")]


NOISE = [1.386 + 0.05 * random.Random(step).gauss(0.0, 1.0) for step in range(160)]


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({}, ["noise"]),
        ({"outputs": 0}, []),  # no classes, so that nothing is known of guessing
        ({"outputs": 100}, []),  # a loss that is far below guessing
        ({"samples": 1}, []),  # too few of each class to tell
        ({"agreement": (0.5, 0.5, 0.5)}, []),  # batches agree: something is being learned
        ({"update": (1e-7, 1e-7, 1e-7)}, ["slow"]),
        ({"dead": (0.9, 0.0, None)}, ["dying"]),  # one fault explains the other
    ],
)
def test_a_loss_that_rests_at_guessing_is_noise_unless_something_else_explains_it(
    record, changed, kinds
) -> None:
    figures = {"agreement": (0.0, 0.01, -0.01)}
    figures |= {k: v for k, v in changed.items() if k in ("agreement", "update", "dead")}
    own = {k: v for k, v in changed.items() if k in ("outputs", "samples")}
    records = [
        replace(record(step, loss, **figures), **{"outputs": 4, **own})
        for step, loss in enumerate(NOISE)
    ]
    assert [kind for _, kind, _ in told(records)] == kinds


@each_case("common, every, kinds", [(0.05, 1, []), (0.005, 1, ["noise"]), (0.005, 11, [])])
def test_batches_that_agree_by_more_than_chance_or_are_few_are_no_noise(
    record, common, every, kinds
) -> None:
    def agreed(step: int) -> float | None:
        return None if step % every else common + 0.1 * (-1) ** step

    records = [
        replace(record(step, loss, agreement=(agreed(step),) * 3), outputs=4)
        for step, loss in enumerate(NOISE)
    ]
    assert [kind for _, kind, _ in told(records)] == kinds


def test_a_loss_that_falls_or_warms_up_is_neither_slow_nor_noise(record) -> None:
    quiet = {"agreement": (0.0, 0.0, 0.0)}
    falls = [
        replace(record(step, loss - 0.004 * step, **quiet), outputs=4)
        for step, loss in enumerate(NOISE)
    ]
    assert told(falls) == []
    still = {**quiet, "update": (1e-7, 1e-7, 1e-7)}
    warm = [
        replace(record(step, loss, **still), rates=(1e-6 * (step + 1),))
        for step, loss in enumerate(NOISE)
    ]
    assert told(warm) == []


def test_a_jump_needs_an_update_that_threw_the_weights(record) -> None:
    losses = [1.4, 1.4, 30.0, 5.0, 2.0]
    assert told(record(i, x, agreement=(0, 0, 0)) for i, x in enumerate(losses)) == []
    thrown = {"agreement": (0.0, 0.0, 0.0), "update": (0.8, 0.01, 0.01)}
    records = [record(i, x, **thrown) for i, x in enumerate(losses)]
    assert told(records) == [(2, "jump", "")]
    assert (
        "from 1.4 to 30 at step 2, after the update of step 1 at a learning rate of 0.1"
        in (texts(records)["jump"])
    )


def test_a_layer_that_is_lost_at_an_end_leaves_the_depth_unjudged(record) -> None:
    low = {"gradient": (1e-4, 0.1, 1.0)}
    assert [kind for _, kind, _ in told(record(step, **low) for step in range(4))] == ["vanishing"]
    lost = [replace(record(step, **low), unmeasured={"first": "why"}) for step in range(4)]
    assert told(lost) == []
    assert lost[0].decades is None


def test_what_began_after_a_jump_says_so(record) -> None:
    thrown = {"agreement": (0.0, 0.0, 0.0), "update": (0.8, 0.01, 0.01)}
    flat = {**thrown, "saturated": (0.97, 0.1, None)}
    records = [record(0, 1.4, **thrown), record(1, 30.0, **thrown)]
    records += [record(step, 5.0, **flat) for step in range(2, 6)]
    assert "It began after the loss jumped from 1.4 to 30 at step 1" in texts(records)["saturated"]
    early = [record(0, 1.4, **flat), *(record(step, 30.0, **flat) for step in range(1, 6))]
    assert "It began" not in texts(early)["saturated"]
