"""From logits to probabilities where each label is right or wrong by itself: the sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.course.probabilities import (
    CURVE,
    binary_cross_entropies,
    sigmoid_gradients,
    sigmoids_at,
)
from cnnviz.introspection.finite import check_rankable
from cnnviz.models import OutputKind
from cnnviz.models.reading import Reading
from cnnviz.passes.captured import Capture
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.result import Result
from cnnviz.results.text import percent, plural


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SigmoidLabels(Result):
    """The sigmoids of the answers to N images, for the k most probable of K labels each.

    Attributes
    ----------
    images : tuple of str
        The names of the images.
    names : tuple of tuple of str
        The labels of each image, most probable first, N x k.
    classes : ndarray of int
        Their indices, [N, k].
    logits : ndarray of float64
        Their logits z, [N, k].
    odds : ndarray of float64
        e^z, the probability of each label over that of its absence, [N, k].
    probabilities : ndarray of float64
        1 / (1 + e^-z), [N, k].
    others : int
        How many labels are not shown, K - k.
    single : bool
        Whether the network returns one logit for two classes, of which this is the positive one.
    temperatures : ndarray of float64
        The temperatures asked for, [T].
    tempered : ndarray of float64
        The probabilities at each of them, [N, T, k].
    curve_temperatures, curves : ndarray of float64
        Temperatures from 0.1 to 10, [P], and the probabilities there, [N, P, k].
    losses : ndarray of float64
        The binary cross-entropy of each label if it is wrong, y = 0, and if it is right, y = 1, in
        nats, [N, k, 2].
    gradients : ndarray of float64
        Its gradient p - y by the logit of the label, in both cases, [N, k, 2].
    """

    images: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    classes: NDArray[np.int64]
    logits: NDArray[np.float64]
    odds: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    others: int
    single: bool
    temperatures: NDArray[np.float64]
    tempered: NDArray[np.float64]
    curve_temperatures: NDArray[np.float64]
    curves: NDArray[np.float64]
    losses: NDArray[np.float64]
    gradients: NDArray[np.float64]

    each: ClassVar[tuple[str, ...]] = (
        "images", "names", "classes", "logits", "odds", "probabilities", "tempered", "curves",
        "losses", "gradients",
    )  # fmt: skip
    """The fields that have an entry for each image."""

    def summary(self) -> str:
        """Say the first answer, and that no softmax belongs there."""
        more = len(self.images) - 1
        why = "one logit for two classes" if self.single else "labels that are independent"
        return (
            f"{self.images[0]}: {self.names[0][0]} {percent(self.probabilities[0, 0])} by the "
            f"sigmoid and not the softmax: {why}"
            + (f", and {plural(more, 'more image')}" if more else "")
        )

    def caption(self) -> str:
        """Say why there is no softmax, and what each panel is."""
        why = (
            "The network returns one logit for two classes"
            if self.single
            else "Each label may be right by itself, so that their probabilities need not sum to 1"
        )
        left = (
            f" {plural(self.others, 'label')} less probable are not shown." if self.others else ""
        )
        return (
            f"{why}: in place of a softmax over all, each logit z has a sigmoid of its own, "
            "p = 1 / (1 + e^-z). e^z are the odds p / (1 - p), on a logarithmic axis. Below, the "
            "binary cross-entropy if the label is right, -ln p, and if it is wrong, -ln (1 - p), "
            "and its gradient p - y by the logit: no label moves another. Last, the sigmoid of "
            "z / T at some temperatures T and over a range of them: a high one levels each "
            f"towards one half.{left}"
        )

    def sheets(self, tallest: float = PAGE) -> tuple[SigmoidLabels, ...]:
        """Return one page for each image."""
        return tuple(self.of(place) for place in range(len(self.images)))

    def of(self, place: int) -> SigmoidLabels:
        """Return the sigmoids of one image alone."""
        if len(self.images) == 1:
            return self
        return replace(self, **{name: getattr(self, name)[place : place + 1] for name in self.each})

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the steps, the losses with their gradients, and the temperatures of each image."""
        from cnnviz.views.pictures.sigmoid_labels import draw

        return draw(self, into)


def sigmoid_labels(
    capture: Capture, reading: Reading, k: int, temperatures: Sequence[float]
) -> SigmoidLabels:
    """Return the sigmoids of a network's k most probable labels, or of its one logit.

    Parameters
    ----------
    capture : Capture
        A capture of a network that returns independent labels, or one logit.
    reading : Reading
        How its output is read.
    k : int
        How many labels to show.
    temperatures : sequence of float
        The temperatures that are drawn as bars.
    """
    logits = check_rankable(capture.logits).detach().cpu().double()
    single = reading.kind == OutputKind.LOGIT
    order = logits.sort(dim=1, descending=True, stable=True).indices[:, :k]
    z = logits.gather(1, order)
    shares = torch.sigmoid(z)
    # The one logit is that of the second, positive class.
    classes = order + 1 if single else order
    return SigmoidLabels(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(reading.name(index) for index in row) for row in classes.tolist()),
        classes=classes.numpy(),
        logits=z.numpy(),
        odds=z.exp().numpy(),
        probabilities=shares.numpy(),
        others=logits.shape[1] - order.shape[1],
        single=single,
        temperatures=np.array(temperatures, np.float64),
        tempered=sigmoids_at(z, temperatures).numpy(),
        curve_temperatures=CURVE,
        curves=sigmoids_at(z, CURVE.tolist()).numpy(),
        losses=binary_cross_entropies(z).numpy(),
        gradients=sigmoid_gradients(shares).numpy(),
    )
