"""Loss functions and their slopes: where each pushes, where it saturates, and what descends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.bounds import Within, bounded
from cnnviz.course.losses import Over, descend, saturation, table
from cnnviz.results import drawing
from cnnviz.results.choosing import all_by_name
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import joined, minus, number

REACH = 6.0
"""The losses are taken from -6 to 6."""
SMALL = 0.05
"""A loss saturates where its slope is below this share of the greatest."""
RATE, STEPS = 0.5, 60
_PLACES = 1201


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Losses(Result):
    """F losses as functions of one number, with their slopes.

    Attributes
    ----------
    names, titles, formulas : tuple of str
        The losses, as they are asked for, as they are written, and what they compute.
    over : tuple of str
        Of what each is a function: the "residual", the prediction less the truth; or the "margin",
        the logit of the right class less that of the others, above 0 where the answer is right.
    x : ndarray of float64
        The P places at which they were taken, [P].
    values, slopes : ndarray of float64
        The losses there, and their derivatives, [F, P]; NaN where there is none.
    saturated : ndarray of float64
        Up to where from the left, and from where to the right, the slope is below a twentieth of
        the greatest, [F, 2]; NaN where it is not.
    descents : ndarray of float64
        Where gradient descent goes from the left end, with steps of `rate`: the place before each
        step and after the last, [F, S + 1].
    rate : float
        The learning rate of the descents.
    delta : float
        Where Huber's loss goes from a square to a line.
    classes : int
        How many classes the cross-entropy is of.
    """

    derived: ClassVar[tuple[str, ...]] = ("steps_to_right",)

    names: tuple[str, ...]
    titles: tuple[str, ...]
    formulas: tuple[str, ...]
    over: tuple[Over, ...]
    x: NDArray[np.float64]
    values: NDArray[np.float64]
    slopes: NDArray[np.float64]
    saturated: NDArray[np.float64]
    descents: NDArray[np.float64]
    rate: float
    delta: float
    classes: int

    @property
    def steps_to_right(self) -> NDArray[np.float64]:
        """How many steps a descent takes from the left end to a value above 0, [F]; NaN if none."""
        above = self.descents > 0.0
        found: NDArray[np.float64] = np.where(
            above.any(1), above.argmax(1).astype(np.float64), np.nan
        )
        return found

    def summary(self) -> str:
        """Say how hard each loss of a margin pushes where the answer is surely wrong."""
        margins = [place for place, over in enumerate(self.over) if over == "margin"]
        if not margins:
            ends = [f"{self.names[f]} {number(self.slopes[f, -1])}" for f in range(len(self.names))]
            return f"Slope at a residual of {REACH:g}: {', '.join(ends)}"
        ends = [f"{self.names[f]} {number(self.slopes[f, 0])}" for f in margins]
        return f"Slope at a margin of −{REACH:g}, surely wrong: {', '.join(ends)}"

    def caption(self) -> str:
        """Say what is drawn, where each saturates, and why zero-one cannot be descended."""
        parts = [
            "Losses (dark) and their derivatives (coloured, dashed; the axes end at 4), of the "
            "residual r, the prediction less the truth, or of the margin m, the logit of the "
            "right class less that of the others, which is above 0 where the answer is right. "
            "Grey is where a loss saturates: its slope is below a twentieth of the greatest from "
            f"−{REACH:g} to {REACH:g}, so that hardly anything is learned there."
        ]
        if "margin" in self.over:
            parts.append(
                f"At the lower right gradient descent moves one margin from −{REACH:g} in "
                f"{self.descents.shape[1] - 1} steps with a learning rate of {self.rate:g}."
            )
        if "zero_one" in self.names:
            parts.append(
                "Zero-one counts the wrong answers, which is what is wanted, and cannot be "
                "descended: its slope is 0 wherever it has one. The others stand in for it: with "
                "enough data and a network that can be anything, where they are least it is least "
                "too (Bartlett, Jordan and McAuliffe 2006)."
            )
        if "brier" in self.names:
            parts.append(
                "The squared error of a sigmoid saturates on both sides: where the answer is "
                "surely wrong it hardly pushes, which is why the cross-entropy is used."
            )
        return " ".join(parts)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw each loss with its slope, and below those of a margin together and descended."""
        from cnnviz.views.pictures.losses import draw

        return draw(self, into)

    def __str__(self) -> str:
        """Return where each loss saturates, and how long a descent takes, one line for each."""
        wide = max(map(len, self.titles))
        return "\n".join(
            f"{title:<{wide}}  {self.told(place)}" for place, title in enumerate(self.titles)
        )

    def told(self, place: int) -> str:
        """Say where one loss saturates, and when a descent is through."""
        letter = self.over[place][0]
        left, right = self.saturated[place]
        ends = [minus(f"below {letter} = {left:.2f}")] if np.isfinite(left) else []
        ends += [minus(f"above {letter} = {right:.2f}")] if np.isfinite(right) else []
        flat = f"saturates {joined(ends)}" if ends else "does not saturate"
        if not np.nan_to_num(self.slopes[place]).any():
            flat = "has no slope anywhere"
        if self.over[place] == "residual":
            return flat
        steps = self.steps_to_right[place]
        through = f"right after {steps:.0f} steps" if np.isfinite(steps) else "never right"
        return f"{flat}; descended from {letter} = −{REACH:g}: {through}"


@bounded
def losses(
    functions: str | Sequence[str] | None = None,
    *,
    delta: Annotated[float, Within(0.0, 10**6, above=True)] = 1.0,
    classes: Annotated[int, Within(2, 10**6)] = 10,
) -> Losses:
    """Draw losses with their derivatives, tell where they saturate, and descend them.

    Parameters
    ----------
    functions : str or sequence of str, optional
        Which: mse, mae, huber, zero_one, hinge, bce, cross_entropy, brier; all by default.
    delta : float
        Where Huber's loss goes from a square to a line.
    classes : int
        The number of classes of the cross-entropy; all wrong ones have the same logit.

    Returns
    -------
    Losses

    Raises
    ------
    UsageError
        If a loss is unknown, or a number is out of range.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.losses().summary().split(", brier")[0]
    'Slope at a margin of −6, surely wrong: zero_one 0, hinge −1, bce −0.998, cross_entropy −1'
    """
    chosen = all_by_name(functions, table(delta, classes), "loss")
    # Counted from the middle, so that 0 and 1 are places themselves.
    middle = _PLACES // 2
    places = torch.arange(-middle, middle + 1, dtype=torch.float64) * REACH / middle
    x, slopes = places.numpy(), np.stack([loss.slope(places).numpy() for loss in chosen])
    return Losses(
        provenance=Provenance(model="loss functions", weights="none", weights_sha256=""),
        names=tuple(loss.name for loss in chosen),
        titles=tuple(loss.title for loss in chosen),
        formulas=tuple(loss.formula for loss in chosen),
        over=tuple(loss.over for loss in chosen),
        x=x,
        values=np.stack([loss.value(places).numpy() for loss in chosen]),
        slopes=slopes,
        saturated=np.array([saturation(x, each, SMALL) for each in slopes]),
        descents=np.stack([descend(loss.slope, -REACH, RATE, STEPS) for loss in chosen]),
        rate=RATE,
        delta=delta,
        classes=classes,
    )
