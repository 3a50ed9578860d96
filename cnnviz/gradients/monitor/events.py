"""What turns while a network trains: seen in the records, and told once.

Everything here is a function of the records alone, so the same events come from a run in memory and
from one that is read again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, median

from cnnviz.gradients.monitor.records import Event, StepRecord
from cnnviz.gradients.verdicts import band, raised_edges
from cnnviz.results.text import listed

KINDS: Mapping[str, str] = {
    "not-finite": "NaN or infinity in the loss, an output, a gradient or a weight",
    "blocked": "no gradient at all arrives at the first layer",
    "vanishing": "the gradient at the first layer is two decades or more below that at the last",
    "exploding": "it is two decades or more above, or three to four in a normalised network",
    "dying": "half of a layer's channels or more pass no gradient for any sample",
    "still": "a layer hardly moves, beside the others",
    "diverging": "the loss has climbed far above its best",
    "oscillating": "the loss swings up and down from step to step",
    "unheard": "the layers cannot be heard one by one",
}
DEAD = 0.5
SLOWER = 1e-3
STILL = 1e-9
PERSISTS = 3
"""How many records in a row must agree, so that one odd batch raises nothing."""
RECENT = 8
LOSSES = 32
SWING = -0.6
AMPLITUDE = 0.2
TOGETHER = 2
NAMED = 8
CLIMB = 3.0


class EventDetector:
    """Reads records one after another and tells what has turned since.

    An event is told when its condition has held for `PERSISTS` records, or at once where a number
    is not finite, and again only after it has not held for as long.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], int] = {}
        self._told: set[tuple[str, str]] = set()
        self._first_dead: dict[str, float] = {}
        self._moved: set[str] = set()
        self._losses: deque[float] = deque(maxlen=LOSSES)
        self._best = math.inf
        self._start: float | None = None
        self._last_good: int | None = None

    def see(self, record: StepRecord) -> list[Event]:
        """Take the next record and return what has turned."""
        found = {_key(event): event for event in self._candidates(record)}
        told = []
        for key, event in found.items():
            self._held[key] = max(self._held.get(key, 0), 0) + 1
            needed = 1 if event.kind in ("not-finite", "unheard") else PERSISTS
            if self._held[key] >= needed and key not in self._told:
                self._told.add(key)
                told.append(event)
        for key in [key for key in self._held if key not in found]:
            self._held[key] = min(self._held[key], 0) - 1
            if self._held[key] <= -PERSISTS:
                del self._held[key]
                self._told.discard(key)
        return _gathered(told)

    def _candidates(self, record: StepRecord) -> Iterator[Event]:
        broken = _not_finite(record, self._last_good)
        if broken is not None:
            # Everything downstream is broken as well; saying so would hide where it began.
            yield broken
            return
        self._last_good = record.step
        yield from _unheard(record)
        yield from _along_depth(record)
        yield from self._dying(record)
        yield from self._still(record)
        yield from self._loss(record)

    def _dying(self, record: StepRecord) -> Iterator[Event]:
        for layer, share in record.of("dead").items():
            first = self._first_dead.setdefault(layer, share)
            # Of few samples, half of the units of a vector rest by chance at each.
            if share < min(1.0, DEAD + 0.5 ** max(record.samples, 1)):
                continue
            before = f", {first:.0%} when it was first seen" if share - first > 0.1 else ""
            remedy = (
                "a lower learning rate, a leaky activation or a smaller bias keeps units alive"
                if share < 1.0
                else "no gradient passes this layer any more"
            )
            yield Event(
                record.step,
                "dying",
                layer,
                f"{share:.0%} of the channels after {layer!r} are dead{before}: {remedy}.",
            )

    def _still(self, record: StepRecord) -> Iterator[Event]:
        pulled = {name for name, norm in record.of("weight_gradient").items() if norm > 0.0}
        moves = record.of("update")
        if not moves or (record.rates and not any(record.rates)):
            return
        moving = [move for move in moves.values() if move > STILL]
        if not moving:
            yield Event(
                record.step,
                "still",
                "",
                f"No layer moves: the largest update is {max(moves.values()):.1e} of its weights. "
                "Raise the learning rate, or stop here.",
            )
            return
        middle = median(moving)
        seen = record.of("weight_gradient")
        for layer, move in moves.items():
            if move >= SLOWER * middle:
                self._moved.add(layer)
            elif layer in seen:
                yield _stopped(record.step, layer, move, middle, layer in self._moved, pulled)

    def _loss(self, record: StepRecord) -> Iterator[Event]:
        for _, loss in record.losses:
            self._losses.append(loss)
            recent = list(self._losses)[-RECENT:]
            if len(recent) == RECENT:
                mean = fmean(recent)
                self._best = min(self._best, mean)
                self._start = mean if self._start is None else self._start
        recent = list(self._losses)[-RECENT:]
        if not record.losses or len(recent) < RECENT:
            return
        now = fmean(recent)
        # A loss near zero may triple and mean nothing.
        high = self._start is not None and now > 0.5 * self._start
        if high and self._best > 0.0 and now > CLIMB * self._best:
            yield Event(
                record.step,
                "diverging",
                "",
                f"The loss is {now:.3g}, {now / self._best:.1f} times its best ({self._best:.3g}; "
                f"both are means of {RECENT}): lower the learning rate or clip the gradient.",
            )
        swing = _swing(list(self._losses)) if len(self._losses) == LOSSES else None
        if swing is not None:
            yield Event(
                record.step,
                "oscillating",
                "",
                f"The loss swings by {swing:.0%} of its mean, up and down from step to step: the "
                "learning rate is too high for the curvature.",
            )


def _key(event: Event) -> tuple[str, str]:
    # Numbers that are not finite spread over the network: that is one event, wherever it goes on.
    return event.kind, "" if event.kind == "not-finite" else event.layer


def _gathered(told: list[Event]) -> list[Event]:
    """Tell what happens to many layers at once as one event, that of the first of them."""
    found = []
    for kind in dict.fromkeys(event.kind for event in told):
        same = [event for event in told if event.kind == kind]
        if len(same) <= TOGETHER:
            found += same
            continue
        first, *others = same
        names = listed([repr(event.layer) for event in others], NAMED)
        found.append(replace(first, text=f"{first.text} The same goes for {names}."))
    return found


def _not_finite(record: StepRecord, last_good: int | None) -> Event | None:
    """Return where numbers that are not finite begin: forward first, then backward."""
    since = f" (all was finite at step {last_good})" if last_good is not None else ""
    wrong = {
        name: [layer for layer, value in record.of(name).items() if not math.isfinite(value)]
        for name in ("activation", "gradient", "weight", "weight_gradient", "update")
    }
    place = {layer: index for index, layer in enumerate(record.layers)}
    weights, outputs, gradients = wrong["weight"], wrong["activation"], wrong["gradient"]
    if outputs:
        layer = outputs[0]
        cause = (
            f"its weights are not finite either, after {_updates(record, last_good)}"
            if layer in weights
            else "its weights are finite, so what goes in or the sum is too large"
        )
        text = f"The output of {layer!r} is not finite, the first on the way forward: {cause}"
    elif gradients:
        # The way back begins at the last layer.
        layer = max(gradients, key=place.__getitem__)
        text = (
            f"The gradient at the output of {layer!r} is not finite, the first on the way back, "
            "while every output is: the loss, or what comes after this layer, has no finite slope"
        )
    elif weights or wrong["weight_gradient"] or wrong["update"]:
        layer = (weights or wrong["weight_gradient"] or wrong["update"])[0]
        text = f"The weights of {layer!r} are no longer finite"
    else:
        lost = [step for step, loss in record.losses if not math.isfinite(loss)]
        if not lost:
            return None
        layer = ""
        return Event(
            record.step,
            "not-finite",
            layer,
            f"The loss is not finite at step {lost[0]} though every layer is{since}: look at the "
            "loss itself (a logarithm or a root of zero, a division).",
        )
    lost = [step for step, loss in record.losses if not math.isfinite(loss)]
    loss = f"; the loss is not finite from step {lost[0]} on" if lost else ""
    return Event(record.step, "not-finite", layer, f"{text}{loss}{since}.")


def _updates(record: StepRecord, last_good: int | None) -> str:
    if last_good is None:
        return "an earlier update" if record.step else "its initialisation"
    return f"an update from step {last_good} on; record every step to see which"


def _unheard(record: StepRecord) -> Iterator[Event]:
    if not record.of("activation"):
        yield Event(
            record.step,
            "unheard",
            "",
            "No layer was heard, so only weights and their updates are recorded: a compiled "
            "network calls its layers together. Watch a run without torch.compile to see inside.",
        )


def _along_depth(record: StepRecord) -> Iterator[Event]:
    decades, ends = record.decades, record.ends
    if decades is None or ends is None:
        return
    first, last = ends
    if decades == -math.inf:
        gradients = record.of("gradient")
        lost = next(one for one in reversed(gradients) if gradients[one] == 0.0)
        yield Event(
            record.step,
            "blocked",
            first,
            f"No gradient arrives at {first!r}: on the way back it ends at {lost!r}.",
        )
        return
    label = band(decades, raised_edges(record.allowance))
    way = f"{decades:+.1f} decades from {last!r} to {first!r}"
    if label in ("vanished", "vanishing"):
        text = (
            f"The gradient vanishes: {way}. Skip connections, normalisation or an initialisation "
            "that suits the activation carry it; Adam may rescue the run."
        )
        yield Event(record.step, "vanishing", first, text)
    elif label in ("exploding", "exploded"):
        text = f"The gradient explodes: {way}. Clip it, or initialise with smaller weights."
        yield Event(record.step, "exploding", first, text)


def _stopped(
    step: int, layer: str, move: float, middle: float, moved: bool, pulled: set[str]
) -> Event:
    verb = "has stopped moving" if moved else "does not move"
    why = (
        "its gradient is far smaller than those of the others"
        if layer in pulled
        else "its gradient is exactly zero"
    )
    return Event(
        step,
        "still",
        layer,
        f"{layer!r} {verb}: its update is {move:.1e} of its weights, the middle layer's "
        f"{middle:.1e}; {why}.",
    )


def _swing(losses: list[float]) -> float | None:
    """Return how far losses swing, as a share of their mean; None where they only scatter.

    Differences of independent losses have a correlation of -0.5 with the next one, those of a
    loss that swings with period two of -1. After a straight trend is taken out, a correlation of
    the losses themselves below -0.6 does not come of scatter: its standard deviation is 0.18.
    """
    count = len(losses)
    level = fmean(losses)
    if level <= 0.0 or not all(map(math.isfinite, losses)):
        return None
    centre = (count - 1) / 2
    spread = sum((place - centre) ** 2 for place in range(count))
    slope = sum((place - centre) * (loss - level) for place, loss in enumerate(losses)) / spread
    rest = [loss - level - slope * (place - centre) for place, loss in enumerate(losses)]
    energy = sum(value * value for value in rest)
    if energy == 0.0:
        return None
    correlation = sum(a * b for a, b in pairwise(rest)) / energy
    amplitude = 2.0 * math.sqrt(energy / count) / level
    return amplitude if correlation < SWING and amplitude > AMPLITUDE else None
