"""What one forward and one backward pass found, at every layer on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.gradients.recorded_layer import LAYER_KINDS
from cnnviz.gradients.silencing_bias import Silenced


@dataclass(frozen=True, eq=False)
class ProbedLayer:
    """A layer or a join, and what passed it on the way there and back.

    Attributes
    ----------
    label, name : str
        What to print, and the module that called it.
    kind : str
        "conv", "linear", "recurrent", "attention", or for a join what the function is called:
        "add", "cat", "mul", "where".
    on_trunk : bool
        Whether every way from the first layer of the path to the output goes through it; otherwise
        it lies in a branch.
    beside : bool
        Whether it lies in another tower, which the first layer of the path does not lead to, or
        joins such a tower with the path.
    shape : tuple of int
        Of its output.
    activation_norm, activation_deviation : float
        RMS over the batch of the L2 norm of its output, and the standard deviation of its values.
    gradient_norm : float
        RMS over the batch of the L2 norm of the gradient at its output.
    arriving : float
        The same, times what a normalisation that follows divides each channel by, so that the
        scale of weights before a normalisation, which means nothing, does not count.
    normalised : bool
        Whether a normalisation follows.
    gain : float
        The weights' root mean square times the square root of their fan-in: 1.41 for Kaiming's.
    typical_gain : float
        The same with the geometric mean in place of the root mean square, which factors that one
        channel has and the next layer undoes do not change.
    weight_norm, weight_gradient_norm, weight_figure : float
        Norms of the weights and their gradient; the figure is ||dW|| ||W|| where a normalisation
        follows and ||dW|| / ||W|| otherwise. NaN where there are no weights, or their gradient was
        not taken.
    nonfinite : int
        NaN and infinite values in output, gradient and weights.
    histogram : ndarray of int64
        Sizes of the gradient's values; see `cnnviz.gradients.measures.log_histogram`.
    """

    label: str
    name: str
    kind: str
    on_trunk: bool
    beside: bool
    shape: tuple[int, ...]
    activation_norm: float
    activation_deviation: float
    gradient_norm: float
    arriving: float
    normalised: bool
    gain: float
    typical_gain: float
    weight_norm: float
    weight_gradient_norm: float
    weight_figure: float
    nonfinite: int
    histogram: NDArray[np.int64]

    @property
    def is_layer(self) -> bool:
        """Whether it has weights of its own: a convolution, a linear or recurrent layer."""
        return self.kind in LAYER_KINDS


@dataclass(frozen=True, eq=False)
class ActivationUnits:
    """An activation, and what became of its units.

    Attributes
    ----------
    name, kind : str
        The module that called it, and what it is: "relu", "sigmoid".
    after : int
        The place of the point before it; -1 for none.
    dead : ndarray of bool or None
        Which channels pass no gradient at any position of any image; None where none can be dead,
        and where values are not numbers.
    saturated : float
        The share of positions on its flat sides; NaN where the word has no meaning, or values are
        not numbers.
    silenced : Silenced or None
        Which of the dead channels their bias alone keeps so; None for none.
    closed : bool
        Whether nothing comes back through it, at any channel of any image.
    """

    name: str
    kind: str
    after: int
    dead: NDArray[np.bool_] | None
    saturated: float
    silenced: Silenced | None = None
    closed: bool = False

    @property
    def dead_fraction(self) -> float:
        """The share of dead channels; 0 where none can be."""
        return float(self.dead.mean()) if self.dead is not None and self.dead.size else 0.0


@dataclass(frozen=True, eq=False)
class GradientProbe:
    """What one forward and one backward pass found.

    Attributes
    ----------
    points : tuple of ProbedLayer
        Layers and joins, in the order of calls.
    path : tuple of int
        The places of the layers on the deepest way from the image to the output.
    cut : tuple of int
        The places of layers that the output was computed from and that no gradient comes back to.
    detached : tuple of str
        What else the output depends on in a way that no gradient comes back: layers, which it comes
        back to in another way, or "the image".
    unfollowed : tuple of str
        What could not be looked into, so that nothing can be said of the whole.
    of_boxes : bool
        Whether what was sent back are the scores of a detector's boxes.
    units : tuple of ActivationUnits
        Activations, in the order of calls.
    normalisations : int
        Calls of normalisations, wherever they stand.
    objective : str
        What was sent back, in words.
    output_gradient : float
        RMS over the batch of the norm of the gradient at the logits, or of what was sent back.
    head_is_zero : bool
        Whether all weights of the last layer are zero.
    bad_weights : tuple of str
        Parameters that hold NaN or infinite values.
    uncalibrated : bool
        Whether batch norms that have never seen data were read as they are, because the batch has
        one value for each of their channels.
    notes : tuple of str
        What a reader must know: batch norms that were calibrated, where the way back began.
    calibrated : int
        How many batch norms were given the statistics of the batch.
    regions : tuple of tuple of int
        For each tower or branch beside the trunk, the places that no way through it goes around.
    """

    points: tuple[ProbedLayer, ...]
    path: tuple[int, ...]
    cut: tuple[int, ...]
    detached: tuple[str, ...]
    unfollowed: tuple[str, ...]
    of_boxes: bool
    units: tuple[ActivationUnits, ...]
    normalisations: int
    objective: str
    output_gradient: float
    head_is_zero: bool
    bad_weights: tuple[str, ...]
    uncalibrated: bool
    notes: tuple[str, ...]
    calibrated: int = 0
    regions: tuple[tuple[int, ...], ...] = ()

    @property
    def layers(self) -> tuple[ProbedLayer, ...]:
        """Those of the points that have weights of their own, in the order of calls."""
        return tuple(point for point in self.points if point.is_layer)


def main_activation(found: GradientProbe) -> str:
    """Return the kind of activation that is called most; "none" for a linear network."""
    counts = Counter(unit.kind for unit in found.units)
    return counts.most_common(1)[0][0] if counts else "none"
