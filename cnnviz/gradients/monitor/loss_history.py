"""What the course of the loss tells, with how far weights move and whether gradients agree.

Thresholds that cite no source were settled on seeds 0 to 2 of the small trainings of
`tests/benchmarks/bench_monitor_verdicts.py` and counted on seeds that were not looked at.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, variance

from cnnviz.gradients.monitor.records import Event, StepRecord
from cnnviz.results.text import minus, number

RECENT = 8
LOSSES = 32
SWING = -0.6
AMPLITUDE = 0.2
CLIMB = 3.0
JUMP = 3.0
"""Times the greatest loss so far that one step has to reach."""
THROWN = 0.1
"""Share of a layer's weights that an update has to move for the jump to be its doing; about a
thousandth is usual."""
FIRST = 3
"""Losses whose mean is where a run began: few, for a wrong sign explodes within ten steps."""
RISEN = {FIRST: 3.0, RECENT: 1.5}
"""Times the mean of its first losses, so many, to which that of the last has to rise, never having
fallen, for the sign of a loss to be doubted: few must rise far, for they scatter."""
ALIGNED = 0.25
"""Mean cosine of successive gradients from which all steps go the same way. An ascent has 0.3 to
1; steps that are too long end elsewhere each time, and have 0."""
SLOW = 1e-5
"""Median update, as a share of the weights, below which a loss that rests is a matter of the rate:
two decades below the thousandth that is usual."""
RESTS = 0.02
"""Share by which a loss may have fallen and still be said to rest."""
SEEN = 256
"""Samples of each class after which a network should be better than guessing."""
GUESSES = (0.98, 1.25)
"""Around the loss of guessing: below, something has been learned; steps on noise end above."""
COMPARED = 16
"""Recorded steps whose gradients were compared with those before; of fewer their mean cosine is too
uncertain to say that batches have nothing in common."""
AGREEING = 2.0
"""Standard errors by which the mean cosine of successive gradients lies above zero where batches
pull the same way more than by chance, as they do before a slow network begins to learn."""
FALLING = -3.0
"""Standard errors by which the mean of `LOSSES` losses has to lie below that of those before it for
a loss to be on its way down."""


@dataclass(frozen=True)
class Jump:
    """A loss far above all before it.

    Attributes
    ----------
    step : int
        The step of the loss; the update that threw the weights is that of the step before.
    before, after : float
        The greatest loss before it, and the loss.
    rate : float or None
        The learning rate then.
    thrown, move : str, float
        The layer that the last recorded update before it moved most, and how far, as a share of the
        size of its weights.
    """

    step: int
    before: float
    after: float
    rate: float | None
    thrown: str
    move: float

    def __str__(self) -> str:
        rate = f" at a learning rate of {self.rate:g}" if self.rate is not None else ""
        return (
            f"the loss jumped from {self.before:.3g} to {self.after:.3g} at step {self.step}, after"
            f" the update of step {self.step - 1}{rate}"
        )


class LossHistory:
    """Takes records one after another and tells what their losses mean.

    Attributes
    ----------
    jump : Jump or None
        The first jump of the loss.
    """

    def __init__(self) -> None:
        self.jump: Jump | None = None
        self._recent: deque[float] = deque(maxlen=2 * LOSSES)
        self._begun: dict[int, list[float]] = {}
        self._count = 0
        self._greatest = -math.inf
        self._best, self._least_mean = math.inf, math.inf
        self._start: float | None = None
        self._opening: float | None = None
        self._thrown: tuple[str, float] | None = None
        self._rate: float | None = None
        self._raised = 0
        self._aligned: list[float] = []
        self._moves: deque[float] = deque(maxlen=RECENT)
        self._samples = 0
        self._latest = StepRecord(0, 0.0, 0, (), {})

    def take(self, record: StepRecord) -> None:
        """Take the losses of a record, and what belongs to them."""
        agreed = [value for value in record.of("agreement").values() if math.isfinite(value)]
        if agreed:
            self._aligned.append(fmean(agreed))
        for step, loss in record.losses:
            if math.isfinite(loss):
                self._add(step, loss)
        moves = {name: one for name, one in record.of("update").items() if math.isfinite(one)}
        if moves:
            worst = max(moves, key=moves.__getitem__)
            self._thrown = (record.named(worst), moves[worst])
            self._moves.append(median(moves.values()))
        rate = max(record.rates, default=None)
        if rate is not None and self._rate is not None and rate > 1.001 * self._rate:
            self._raised = self._count
        self._rate = rate
        self._samples = record.samples
        self._latest = record

    def _add(self, step: int, loss: float) -> None:
        far = self._count and loss > JUMP * self._greatest > 0.0
        if far and self.jump is None and self._thrown is not None and self._thrown[1] >= THROWN:
            self.jump = Jump(step, self._greatest, loss, self._rate, *self._thrown)
        self._count += 1
        self._greatest = max(self._greatest, loss)
        self._recent.append(loss)
        recent = list(self._recent)
        if self._count in RISEN:
            self._begun[self._count] = recent
        if self._count >= RECENT:
            mean = fmean(recent[-RECENT:])
            self._best = min(self._best, mean)
            self._start = mean if self._start is None else self._start
        if len(recent) >= LOSSES:
            mean = fmean(recent[-LOSSES:])
            self._least_mean = min(self._least_mean, mean)
            self._opening = mean if self._opening is None else self._opening

    def sudden(self, step: int) -> Iterator[Event]:
        """Yield what is told at once, also where numbers are no longer finite."""
        wrong = self._wrong_sign(step)
        if wrong is not None:
            yield wrong
        elif self.jump is not None:
            what = str(self.jump)
            yield Event(
                step,
                "jump",
                "",
                f"{what[0].upper()}{what[1:]}; about then {self.jump.thrown} was moved by "
                f"{self.jump.move:.2g} times the size of its weights: the step was too long. Lower "
                "the learning rate, warm it up, or clip the gradient.",
            )

    def _wrong_sign(self, step: int) -> Event | None:
        if self._count < 2 * FIRST:
            return None
        start, now = fmean(self._begun[FIRST]), fmean(list(self._recent)[-FIRST:])
        guessing = [-loss for loss in _guessing(self._latest)]
        if any(1.35 * loss < start < 0.75 * loss and now < 1.5 * loss for loss in guessing):
            return Event(
                step,
                "wrong-sign",
                "",
                f"The loss began at {number(start)} and has fallen to {number(now)}: a "
                f"cross-entropy of {self._latest.outputs} classes begins at {-start:.2g} and "
                "cannot be negative. Its sign is wrong: the network learns to be wrong.",
            )
        if not any(self._rises(span) for span in self._begun):
            return None
        ascends = self._latest.ascends
        aligned = len(self._aligned) > 1 and fmean(self._aligned) >= ALIGNED
        if not ascends and not aligned:
            return None
        seen, why = (
            ("the optimizer maximises (maximize=True)", "its sign is wrong")
            if ascends
            else (
                f"all steps go the same way (mean cosine {fmean(self._aligned):.2f} between "
                "gradients that follow each other), as when a loss is climbed and not as when "
                "steps are too long",
                "its sign is wrong, or gradients are not set to zero after a step and add up",
            )
        )
        return Event(
            step,
            "wrong-sign",
            "",
            f"The loss has risen from {number(start)} to {number(now)} and never fell, while "
            f"{seen}. If it is to fall, {why}.",
        )

    def _rises(self, span: int) -> bool:
        """Whether so many losses all stand above as many at the beginning, by far on average."""
        begun, recent = self._begun[span], list(self._recent)[-span:]
        start = fmean(begun)
        apart = self._count >= 2 * span and min(recent) > max(begun)
        return apart and 0.0 < RISEN[span] * start < fmean(recent) and self._best > 0.9 * start

    def steady(self, record: StepRecord, explained: bool) -> Iterator[Event]:
        """Yield what has to last; `explained` tells that layers are at fault already."""
        recent = list(self._recent)[-LOSSES:]
        if not record.losses or self._count < RECENT:
            return
        yield from self._diverging(record, fmean(recent[-RECENT:]))
        swing = _swing(recent) if len(recent) == LOSSES else None
        if swing is not None:
            yield Event(
                record.step,
                "oscillating",
                "",
                f"The loss swings by {swing:.0%} of its mean, up and down from step to step: the "
                f"learning rate{self._at()} is too high for the curvature.",
            )
        if not explained and len(recent) == LOSSES and self._count - self._raised >= LOSSES:
            yield from self._resting(record, fmean(recent))

    def _diverging(self, record: StepRecord, now: float) -> Iterator[Event]:
        # A loss near zero may triple and mean nothing.
        high = self._start is not None and now > 0.5 * self._start
        climbs = high and self._best > 0.0 and now > CLIMB * self._best
        if climbs and self._wrong_sign(record.step) is None:
            yield Event(
                record.step,
                "diverging",
                "",
                f"The loss is {now:.3g}, {now / self._best:.1f} times its best ({self._best:.3g}; "
                f"both are means of {RECENT}): lower the learning rate{self._at()} or clip the "
                "gradient.",
            )

    def _at(self) -> str:
        return f" ({self._rate:g})" if self._rate is not None else ""

    def _agrees(self) -> bool:
        """Whether batches have pulled the same way more than they would by chance."""
        mean = fmean(self._aligned)
        return mean >= ALIGNED or mean > AGREEING * _standard_error(self._aligned)

    def _falls(self) -> bool:
        """Whether the latest losses lie below those before them; also while none are before."""
        recent = list(self._recent)
        if len(recent) < 2 * LOSSES:
            return True
        before, now = recent[:LOSSES], recent[LOSSES:]
        error = math.hypot(_standard_error(before), _standard_error(now))
        return fmean(now) - fmean(before) < FALLING * error

    def _resting(self, record: StepRecord, now: float) -> Iterator[Event]:
        """Yield why a loss rests where it began: steps that are too short, or nothing to learn."""
        if self._opening is None or not self._moves:
            return
        move = median(self._moves)
        if move < SLOW:
            if self._least_mean > (1.0 - RESTS) * self._opening > 0.0:
                yield Event(
                    record.step,
                    "slow",
                    "",
                    f"The loss rests at {now:.3g}, where it began, and the weights hardly move: by "
                    f"{number(move)} of their size a step, where a thousandth is usual. The "
                    f"learning rate{self._at()} is too small.",
                )
            return
        classes = max(record.outputs, 2) if record.outputs else 0
        seen = self._count * self._samples / classes if classes else 0.0
        if seen < SEEN or len(self._aligned) < COMPARED or self._agrees() or self._falls():
            return
        agreed = fmean(self._aligned)
        low, high = GUESSES
        for guess in _guessing(record):
            began = self._opening < high * guess
            if began and now < high * guess and self._least_mean > low * guess:
                yield Event(
                    record.step,
                    "noise",
                    "",
                    f"The loss rests at {now:.3g}, what guessing gives ({guess:.3g}), although "
                    f"about {seen:.0f} samples of each class were seen, the weights move (by "
                    f"{number(move)} of their size a step) and gradients arrive; gradients of "
                    "different batches have nothing in common (mean cosine "
                    f"{minus(f'{agreed:+.2f}')}). So far the labels tell nothing about what goes "
                    "in: look whether they belong to "
                    "it. A network that is only slow to begin looks the same.",
                )
                return


def _standard_error(values: list[float]) -> float:
    return math.sqrt(variance(values) / len(values))


def _guessing(record: StepRecord) -> tuple[float, ...]:
    """Return the cross-entropies of a network that guesses: over its outputs, or each by itself."""
    if not record.outputs:
        return ()
    return tuple(dict.fromkeys((math.log(max(record.outputs, 2)), math.log(2.0))))


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
