"""What turns while a network trains: seen in the records, and told once.

Everything here is a function of the records alone, so the same events come from a run in memory and
from one that is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import median

from cnnviz.gradients.monitor.layer_events import (
    bad_input,
    layer_events,
    named_layers,
    not_finite,
)
from cnnviz.gradients.monitor.loss_history import LossHistory
from cnnviz.gradients.monitor.records import Event, StepRecord
from cnnviz.results.text import number, whole_percent

KINDS: Mapping[str, str] = {
    "bad-input": "what goes into the first layer has NaN or infinity",
    "not-finite": "NaN or infinity in the loss, an output, a gradient or a weight",
    "jump": "one step throws the loss to three times all before it, by an update that is too large",
    "wrong-sign": "the loss rises steadily, or a cross-entropy is negative",
    "frozen": "no step can move a layer, with the reason",
    "eval-mode": "batch norms or dropouts are in eval mode while the network trains",
    "unused": "no gradient is computed for parameters that the optimizer has",
    "unscaled": "what goes into a network without normalisation is ten or more in size",
    "blocked": "no gradient at all arrives at the first layer",
    "vanishing": "the gradient at the first layer is two decades or more below that at the last",
    "exploding": "it is two decades or more above, or three to four in a normalised network",
    "saturated": "nine in ten of a hidden layer's positions lie where the activation is flat",
    "dying": "half of a layer's channels or more pass no gradient for any sample",
    "still": "a layer hardly moves, beside the others",
    "diverging": "the loss has climbed far above its best",
    "oscillating": "the loss swings up and down from step to step",
    "slow": "the loss rests where it began, and weights move by less than 1e-5 of their size",
    "noise": "the loss rests at what guessing gives, though weights move and gradients arrive",
    "unheard": "the layers cannot be heard one by one",
}
AT_ONCE = frozenset(("bad-input", "not-finite", "jump", "wrong-sign", "unscaled", "unheard"))
DEAD = 0.5
SLOWER = 1e-3
STILL = 1e-9
PERSISTS = 3
"""How many records in a row must agree, so that one odd batch raises nothing."""
TOGETHER = 2


class EventDetector:
    """Reads records one after another and tells what has turned since.

    An event is told when its condition has held for `PERSISTS` records, or at once where it is one
    of `AT_ONCE`, and again only after it has not held for as long.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], int] = {}
        self._told: set[tuple[str, str]] = set()
        self._first_dead: dict[str, tuple[int, float]] = {}
        self._moved: set[str] = set()
        self._losses = LossHistory()
        self._older: set[tuple[str, str]] | None = None
        self._last_good: int | None = None

    def see(self, record: StepRecord) -> list[Event]:
        """Take the next record and return what has turned."""
        found = {_key(event): event for event in self._candidates(record)}
        told = []
        for key, event in found.items():
            self._held[key] = max(self._held.get(key, 0), 0) + 1
            needed = 1 if event.kind in AT_ONCE else PERSISTS
            if self._held[key] >= needed and key not in self._told:
                self._told.add(key)
                told.append(event)
        for key in [key for key in self._held if key not in found]:
            self._held[key] = min(self._held[key], 0) - 1
            if self._held[key] <= -PERSISTS:
                del self._held[key]
                self._told.discard(key)
        return _gathered(told, record)

    def _candidates(self, record: StepRecord) -> Iterator[Event]:
        self._losses.take(record)
        if self._older is None and self._losses.jump is not None:
            self._older = set(self._held)
        yield from self._losses.sudden(record.step)
        broken = bad_input(record, self._last_good) or not_finite(record, self._last_good)
        if broken is not None:
            # Everything downstream is broken as well; saying so would hide where it began.
            yield broken
            return
        self._last_good = record.step
        dying, layers = (
            list(self._dying(record)),
            [self._with_cause(event) for event in layer_events(record)],
        )
        # Causes ahead of consequences: dead units block a gradient, one that fades looks dead.
        blocked = any(event.kind == "blocked" for event in layers)
        found = [*dying, *layers] if blocked else [*layers, *dying]
        found += self._still(record)
        yield from found
        yield from self._losses.steady(record, bool(found))

    def _with_cause(self, event: Event) -> Event:
        """Add to what began after a jump of the loss that it did."""
        began = self._older is not None and _key(event) not in self._older
        if not began or event.kind not in ("blocked", "vanishing", "exploding", "saturated"):
            return event
        return replace(event, text=f"{event.text} It began after {self._losses.jump}.")

    def _dying(self, record: StepRecord) -> Iterator[Event]:
        for layer, share in record.of("dead").items():
            seen, first = self._first_dead.setdefault(layer, (record.step, share))
            # Of few samples, half of the units of a vector rest by chance at each.
            if share < min(1.0, DEAD + 0.5 ** max(record.samples, 1)):
                continue
            since = share - first > 0.1
            before = f", {whole_percent(first)} when it was first seen" if since else ""
            yield Event(
                record.step,
                "dying",
                layer,
                f"{whole_percent(share)} of the channels after {record.named(layer)} are dead"
                f"{before}: {self._remedy(share, seen, since)}.",
            )

    def _remedy(self, share: float, seen: int, since: bool) -> str:
        """Say what killed units, and what helps: never a larger step, which revives none."""
        jump = self._losses.jump
        cut = "no gradient passes this layer any more; " if share == 1.0 else ""
        if jump is not None and since and jump.step > seen:
            return f"{cut}they died as {jump}; start again with a lower learning rate"
        if since:
            return (
                f"{cut}a lower learning rate, a leaky activation or a smaller bias keeps units "
                "alive"
            )
        return (
            f"{cut}they were dead when first seen: weights and biases drawn to suit the activation,"
            " or a leaky activation, keep units alive"
        )

    def _still(self, record: StepRecord) -> Iterator[Event]:
        moves = {
            layer: move for layer, move in record.of("update").items() if layer not in record.frozen
        }
        if not moves or (record.rates and not any(record.rates)):
            return
        moving = [move for move in moves.values() if move > STILL]
        if not moving:
            dead = max(record.of("dead").values(), default=0.0) >= DEAD
            advice = (
                "Units are dead, which no learning rate revives."
                if dead or record.decades == float("-inf")
                else "Raise the learning rate, or stop here."
            )
            yield Event(
                record.step,
                "still",
                "",
                f"No layer moves: the largest update is {number(max(moves.values()))} of its "
                f"weights. {advice}",
            )
            return
        middle, seen = median(moving), record.of("weight_gradient")
        for layer, move in moves.items():
            if move >= SLOWER * middle:
                self._moved.add(layer)
            elif layer in seen:
                yield _stopped(record, layer, middle, layer in self._moved)


def _key(event: Event) -> tuple[str, str]:
    # Numbers that are not finite spread over the network: that is one event, wherever it goes on.
    return event.kind, "" if event.kind == "not-finite" else event.layer


def _gathered(told: list[Event], record: StepRecord) -> list[Event]:
    """Tell what happens to many layers at once as one event, that of the first of them."""
    found = []
    for kind in dict.fromkeys(event.kind for event in told):
        same = [event for event in told if event.kind == kind]
        if len(same) <= TOGETHER or kind == "frozen":
            found += same
            continue
        first, *others = same
        names = named_layers(record, [event.layer for event in others])
        found.append(replace(first, text=f"{first.text} The same goes for {names}."))
    return found


def _stopped(record: StepRecord, layer: str, middle: float, moved: bool) -> Event:
    verb = "has stopped moving" if moved else "does not move"
    why = (
        "its gradient is far smaller than those of the others"
        if record.of("weight_gradient").get(layer, 0.0) > 0.0
        else "its gradient is exactly zero"
    )
    return Event(
        record.step,
        "still",
        layer,
        f"{record.named(layer)} {verb}: its update is {number(record.of('update')[layer])} of its "
        f"weights, the middle layer's {number(middle)}; {why}.",
    )
