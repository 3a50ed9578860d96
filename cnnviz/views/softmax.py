"""From logits to probabilities, and what the loss sends back: the softmax of a network's answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.bounds import Count, Within, bounded
from cnnviz.course.probabilities import (
    CURVE,
    at_temperatures,
    cross_entropies,
    softmax_gradients,
    softmax_steps,
)
from cnnviz.errors import TargetError, UsageError
from cnnviz.introspection.finite import check_rankable
from cnnviz.models import OutputKind
from cnnviz.models.outputs import class_scores, read_output
from cnnviz.models.reading import AS_GIVEN, Reading
from cnnviz.passes.captured import Capture, check_capture
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.result import Result
from cnnviz.results.text import fine_percent, listed, plural
from cnnviz.views.sigmoid_labels import SigmoidLabels, sigmoid_labels

__all__ = ["SigmoidLabels", "Softmax", "softmax"]

SURE = 0.99
"""The probability above which a linear axis shows nothing of the other classes."""
MOST = 12
"""Classes of which the matrix of gradients can still be read."""
TEMPERATURES = (0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Softmax(Result):
    """The softmax of the answers to N images, for the k most probable of K classes each.

    Attributes
    ----------
    images : tuple of str
        The names of the images.
    names : tuple of tuple of str
        The classes of each image, most probable first, N x k.
    classes : ndarray of int
        Their indices, [N, k].
    logits : ndarray of float64
        Their logits z, [N, k].
    exponentials : ndarray of float64
        e to the power of each logit less the largest of its image, [N, k].
    totals : ndarray of float64
        The sum of these over all K classes, [N].
    probabilities : ndarray of float64
        The exponentials as shares of that sum, [N, k].
    rest : ndarray of float64
        The probability of all other classes together, [N].
    others : int
        How many these are, K - k.
    temperatures : ndarray of float64
        The temperatures asked for, [T].
    tempered : ndarray of float64
        The probabilities at each of them, with that of all other classes last, [N, T, k + 1].
    curve_temperatures, curves : ndarray of float64
        Temperatures from 0.1 to 10, [P], and the same probabilities there, [N, P, k + 1].
    losses : ndarray of float64
        The cross-entropy -ln p if each class were the right one, in nats, [N, k].
    gradients : ndarray of float64
        Its gradient p - y by the logits: a row for each class as the right one, a column for each
        class and one for the sum over all others, [N, k, k + 1].
    note : str
        How the logits were had, where the network returns none; else empty.
    """

    images: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    classes: NDArray[np.int64]
    logits: NDArray[np.float64]
    exponentials: NDArray[np.float64]
    totals: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    rest: NDArray[np.float64]
    others: int
    temperatures: NDArray[np.float64]
    tempered: NDArray[np.float64]
    curve_temperatures: NDArray[np.float64]
    curves: NDArray[np.float64]
    losses: NDArray[np.float64]
    gradients: NDArray[np.float64]
    note: str = ""

    each: ClassVar[tuple[str, ...]] = (
        "images", "names", "classes", "logits", "exponentials", "totals", "probabilities",
        "rest", "tempered", "curves", "losses", "gradients",
    )  # fmt: skip
    """The fields that have an entry for each image."""

    def summary(self) -> str:
        """Say the first answer as a share, and its cross-entropy."""
        more = len(self.images) - 1
        return (
            f"{self.images[0]}: {self.names[0][0]} {fine_percent(self.probabilities[0, 0])} "
            f"(1 / {self.total_of(0)}), a loss of {abs(self.losses[0, 0]):.3g} nats "
            "if that is right" + (f", and {plural(more, 'more image')}" if more else "")
        )

    def caption(self) -> str:
        """Say what each panel is, and what the other classes sum to."""
        rest = f" The other {plural(self.others, 'class', 'classes')} are summed: "
        shares = [fine_percent(share) for share in self.rest]
        rest += f"{listed(shares, 3)}." if self.others else ""
        sure = any(self.sure(place) for place in range(len(self.images)))
        scale = (
            f" Where the answer has more than {SURE:.0%}, bars of exponentials and probabilities, "
            "and the curves over T, stand on a logarithmic axis: on a linear one there were "
            "nothing of the others to see."
            if sure
            else ""
        )
        mildest, strongest = self.curve_temperatures[[-1, 0]]
        return (
            f"The softmax p = e^z / sum of e^z over all {self.total} classes, with the "
            "largest logit subtracted first, which keeps the exponentials from overflowing and "
            f"leaves p as it is.{rest if self.others else ''} Below, the cross-entropy -ln p if "
            "each class were the right one, and its gradient p - y by the logits, a row for each "
            "right class (y is 1 for it and 0 for the others, so that each row sums to 0): what "
            "is blue is pushed up, what is red down, and a class that is right already is hardly "
            "moved. Last, the softmax of z / T (Hinton et al. 2015) at some temperatures T, and "
            f"from {strongest:g} to {mildest:g}: a low one sharpens the answer, a high one levels "
            f"it, and the order stays.{scale}{' ' + self.note if self.note else ''}"
        )

    def sure(self, place: int) -> bool:
        """Return whether the answer to an image leaves the others less than a hundredth."""
        return bool(self.probabilities[place, 0] > SURE)

    def total_of(self, place: int) -> str:
        """Return the sum of an image's exponentials, with the digits in which it is not 1."""
        total = float(self.totals[place])
        more = total - 1.0
        if not 1e-14 < more < 5e-4:
            return f"{total:.4g}"
        return f"{total:.{math.ceil(-math.log10(more)) + 1}f}"

    @property
    def total(self) -> int:
        """The number K of all classes."""
        return int(self.classes.shape[1]) + self.others

    def sheets(self, tallest: float = PAGE) -> tuple[Softmax, ...]:
        """Return one page for each image."""
        return tuple(self.of(place) for place in range(len(self.images)))

    def of(self, place: int) -> Softmax:
        """Return the softmax of one image alone."""
        if len(self.images) == 1:
            return self
        return replace(self, **{name: getattr(self, name)[place : place + 1] for name in self.each})

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the steps, the losses with their gradients, and the temperatures of each image."""
        from cnnviz.views.pictures.softmax import draw

        return draw(self, into)


@bounded
def softmax(
    capture: Capture,
    k: Count = 5,
    *,
    temperatures: Annotated[Sequence[float], Within(0.0, 10**6, above=True)] = TEMPERATURES,
) -> Softmax | SigmoidLabels:
    """Follow the answer from logits to probabilities, and the loss back to the logits.

    Parameters
    ----------
    capture : Capture
        A capture with logits.
    k : int
        How many classes to show, 1 to 12; all, where there are fewer.
    temperatures : sequence of float
        The temperatures T of softmax(z / T) that are drawn as bars.

    Returns
    -------
    Softmax
        Of independent labels, and of one logit for two classes, `SigmoidLabels`: there each is
        right or wrong by itself, and the sigmoid takes the place of the softmax.

    Raises
    ------
    TargetError
        If the network returns no scores of classes for the whole image.
    UsageError
        If `k` or a temperature is out of range.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> found = cnnviz.softmax(cnnviz.capture(model, photo, layers=()))
    >>> found.summary().split(" (")[0]
    'image 0: crescent 98.0%'
    """
    check_capture(capture, "softmax")
    _check(k, temperatures)
    if capture.detects:
        raise _no_softmax("boxes, each with a score of its own", "predictions draws the boxes.")
    reading = read_output(capture.model, capture.logits)
    if reading.kind in (OutputKind.LABELS, OutputKind.LOGIT):
        return sigmoid_labels(capture, reading, k, temperatures)
    if reading.kind != OutputKind.CLASSES:
        raise _no_softmax(
            f"{reading.describe()}: no softmax over the classes of the whole image belongs there",
            "predictions shows what there is; output= declares another kind.",
            "predictions shows what there is; --output declares another kind.",
        )
    return _of_classes(capture, reading, k, temperatures)


def _of_classes(
    capture: Capture, reading: Reading, k: int, temperatures: Sequence[float]
) -> Softmax:
    logits, note = _logits(capture, reading)
    # By logits, which differ where probabilities are too small for any number but zero.
    chosen = logits.sort(dim=1, descending=True, stable=True).indices[:, :k]
    steps = softmax_steps(logits)

    def picked(values: torch.Tensor) -> NDArray[np.float64]:
        return np.asarray(values.gather(1, chosen).numpy())

    def with_rest(values: torch.Tensor) -> NDArray[np.float64]:
        return _with_rest(values, chosen)

    return Softmax(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(reading.name(index) for index in row) for row in chosen.tolist()),
        classes=chosen.numpy(),
        logits=picked(logits),
        exponentials=picked(steps.exponentials),
        totals=steps.totals.numpy(),
        probabilities=picked(steps.probabilities),
        rest=with_rest(steps.probabilities[:, None])[:, 0, -1],
        others=logits.shape[1] - chosen.shape[1],
        temperatures=np.array(temperatures, np.float64),
        tempered=with_rest(at_temperatures(logits, temperatures)),
        curve_temperatures=CURVE,
        curves=with_rest(at_temperatures(logits, CURVE.tolist())),
        losses=picked(cross_entropies(logits)),
        gradients=with_rest(softmax_gradients(steps.probabilities, chosen)),
        note=note,
    )


def _logits(capture: Capture, reading: Reading) -> tuple[torch.Tensor, str]:
    """Return what goes into the softmax in double precision, [N, K], and how it was had."""
    scores = class_scores(reading, check_rankable(capture.logits).detach().cpu().double())
    if reading.inside != AS_GIVEN:
        return scores, ""
    # The softmax is the same for all logits that differ by one number: ln p are such.
    return scores.log(), (
        "The network returns probabilities, and what went into them was not seen: the logits "
        "are their logarithms, which differ from its own by one number for each image."
    )


def _with_rest(values: torch.Tensor, chosen: torch.Tensor) -> NDArray[np.float64]:
    """Return the chosen columns of [N, M, K] with the sum of all others last, [N, M, k + 1]."""
    index = chosen[:, None].expand(-1, values.shape[1], -1)
    left = torch.ones_like(values).scatter(2, index, 0.0)
    # Summed themselves: one less the others would lose what is small.
    rest = torch.where(left > 0, values, 0.0).sum(2, keepdim=True)
    return np.asarray(torch.cat([values.gather(2, index), rest], 2).numpy())


def _check(k: int, temperatures: Sequence[float]) -> None:
    if k > MOST:
        raise UsageError(
            f"{k} classes are more than can be read in one picture.",
            f"Give k as {MOST} or less; predictions lists any number.",
        )
    if not len(temperatures):
        raise UsageError("No temperature is given.", "Give one or more, such as 0.5, 1 and 2.")


def _no_softmax(what: str, remedy: str, option: str | None = None) -> TargetError:
    return TargetError(f"The network returns {what}.", remedy, option=option)
