"""Counts of answers and searches are kept by shards: gone on with, only read, and never mixed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz.evaluation import error_analysis, evaluate_classifier
from cnnviz.evaluation.answers.portions import AnswerPortion, AnswerPortions
from cnnviz.evaluation.answers.tally import Tally
from cnnviz.images import Preprocessing, Refusal
from cnnviz.models import Model, OutputKind
from cnnviz.passes import shard_pace, shared_scan
from cnnviz.views.top_activations import top_activations
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.gallery.generated import Generated

SMALL = Preprocessing(16, (16, 16), (0.5,) * 3, (0.25,) * 3)
NAMES = ("one", "two", "three", "four")


@cache
def network(seed: int = 0) -> Model:
    """Return the same network each time: what is found out of it by tracing serves again."""
    return Model(tiny_network(seed=seed), categories=NAMES, preprocessing=SMALL)


def errors(data: Generated, state: Path | None, model: Model | None = None, **how: Any) -> Any:
    return error_analysis(model or network(), data, explain=0, shard=8, state=state, **how)


def classifier(data: Generated, state: Path | None, model: Model | None = None) -> Any:
    return evaluate_classifier(model or network(), data, explain=0, shard=8, state=state)


def strongest(data: Generated, state: Path | None, model: Model | None = None) -> Any:
    return top_activations(model or network(), data, "3", k=3, top=1, shard=8, state=state)


RUNS = (errors, classifier, strongest)


@pytest.fixture(autouse=True)
def _every_shard_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_pace, "_SHARE", 0)
    monkeypatch.setattr(shared_scan, "EVERY", 0.0)
    monkeypatch.setattr("cnnviz.passes.batch_size._MOST", 4)


def same(one: Any, other: Any) -> bool:
    wanted, found = one.arrays(), other.arrays()
    return wanted.keys() == found.keys() and all(
        np.array_equal(values, found[name], equal_nan=values.dtype.kind == "f")
        for name, values in wanted.items()
    )


@pytest.mark.parametrize("run", RUNS)
def test_what_is_done_is_not_done_again(tmp_path: Path, run: Any) -> None:
    data = Generated(40, broken=[3, *range(16, 24)])
    found = run(data, tmp_path)
    reads, data.reads = data.reads, 0
    assert reads >= 40
    again = run(data, tmp_path)
    assert data.reads < 8
    assert same(found, again)
    assert found.provenance.notes == again.provenance.notes
    assert same(found, run(data, None))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("at", [13, 30])
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch, run: Any, at: int) -> None:
    data, read = Generated(40), Generated.read

    def stopped(self: Generated, index: int) -> Any:
        if index == at:
            raise KeyboardInterrupt
        return read(self, index)

    monkeypatch.setattr(Generated, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path)
    assert list(tmp_path.rglob("part-*.npz"))
    monkeypatch.setattr(Generated, "read", read)
    data.reads = 0
    afresh = Generated(40)
    assert same(run(data, tmp_path), run(afresh, tmp_path / "other"))
    assert data.reads <= afresh.reads - 8


@pytest.mark.parametrize("run", RUNS)
def test_of_other_weights_data_and_labels_nothing_is_mixed_in(tmp_path: Path, run: Any) -> None:
    class Relabelled(Generated):
        def label(self, index: int) -> int:
            return (index + 1) % 3

    run(Generated(24), tmp_path)
    others = [
        (Generated(24), network(1)),
        (Generated(24, side=11), network()),
        (Relabelled(24), network()),
    ]
    for data, model in others:
        assert same(run(data, tmp_path, model), run(data, None, model))
    assert len(list(tmp_path.iterdir())) == 4


@each_case("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
@each_case("kind", [OutputKind.CLASSES, OutputKind.LABELS])
def test_parts_join_in_any_order_to_what_one_tally_counts(order: list[int], kind) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(4), 12)
    truths = [(int(one),) for one in rng.integers(0, 4, 12)]

    def counted(shards: list[int]) -> AnswerPortion:
        tally = Tally(NAMES, kind, keep_scores=True)
        for shard in shards:
            tally.shard = shard
            for place in range(4 * shard, 4 * shard + 4):
                tally.add(place, f"{place}.png", truths[place], shares[place])
        refused = {100 + shard: Refusal(f"{shard}", "it is broken", "Mend it.") for shard in shards}
        return AnswerPortion.of(tuple(shards), tally, 1, [50 - shards[0]], refused)

    portions = AnswerPortions()
    parts = [portions.of_arrays(counted([shard]).arrays()) for shard in order]
    joined = portions.joined([portions.joined(parts[:2]), parts[2]])
    whole = counted([0, 1, 2])
    found, wanted = (Tally(NAMES, kind, keep_scores=True) for _ in range(2))
    joined.fill(found, lambda place: f"{place}.png")
    whole.fill(wanted, lambda place: f"{place}.png")
    assert joined.shards == (0, 1, 2)
    assert found.mistakes == wanted.mistakes
    assert found.measures == wanted.measures
    assert found.pairs == wanted.pairs
    assert found.truths == wanted.truths == truths
    assert found.answered_images == [f"{place}.png" for place in range(12)]
    assert np.array_equal(found.scores, shares)
    for name in ("counts", "right", "confidence"):
        mine, other = getattr(found.calibration, name), getattr(wanted.calibration, name)
        assert mine.tobytes() == other.tobytes()
    assert joined.refused.keys() == {100, 101, 102}
    assert (joined.unlabelled, joined.lost) == (3, [48, 49, 50])
