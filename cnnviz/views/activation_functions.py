"""Activation functions, their derivatives, and what ten layers of each do to a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.introspection.activation_functions import (
    Start,
    chain_gradients,
    sampled,
    table,
)
from cnnviz.results import drawing
from cnnviz.results.choosing import all_by_name
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import plural, power_of_ten

REACH = 5.0
"""The functions are drawn from -5 to 5."""
_PLACES = 801
_INPUTS = 64


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ActivationFunctions(Result):
    """F activation functions, and the gradients in chains of L layers with each of them.

    Attributes
    ----------
    names, titles, formulas : tuple of str
        The functions, as they are asked for, as they are written, and what they compute.
    x : ndarray of float64
        The P places at which they were taken, [P].
    values, derivatives : ndarray of float64
        What they give there, and their slopes by autograd, [F, P].
    gradients : ndarray of float64
        The L2 norm of the gradient at the input and after each layer of the chain, as a share of
        that after the last, for the initialisation that suits the function and for the default of
        `torch.nn.Linear`, [F, 2, L + 1].
    starts : tuple of str
        The name of the initialisation that suits each function.
    layers, width : int
        How many layers a chain has, and how many units a layer.
    """

    derived: ClassVar[tuple[str, ...]] = ("decades",)

    names: tuple[str, ...]
    titles: tuple[str, ...]
    formulas: tuple[str, ...]
    x: NDArray[np.float64]
    values: NDArray[np.float64]
    derivatives: NDArray[np.float64]
    gradients: NDArray[np.float64]
    starts: tuple[str, ...]
    layers: int
    width: int

    @property
    def decades(self) -> NDArray[np.float64]:
        """How many decades a gradient gains on its way back through the chain, [F, 2]."""
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = np.log10(self.gradients[:, :, 0])
        return found

    def summary(self) -> str:
        """Name the function that keeps a gradient best, and the one that loses most of it."""
        found = self.decades
        left = self.gradients[:, 1, 0]
        if len(self.names) == 1:
            return f"{self.titles[0]}: {self._changes(0)} over {plural(self.layers, 'layer')}"
        kept, lost = int(np.abs(found[:, 1]).argmin()), int(found[:, 1].argmin())
        return (
            f"{len(self.names)} activation functions: {plural(self.layers, 'layer')} with torch's "
            f"default weights let {_share(left[kept])} of a gradient through with "
            f"{self.titles[kept]}, and {_share(left[lost])} with {self.titles[lost]}"
        )

    def _changes(self, place: int) -> str:
        suited, default = self.gradients[place, :, 0]
        return (
            f"{_share(suited)} of a gradient comes through with suited weights, "
            f"{_share(default)} with torch's default ones"
        )

    def caption(self) -> str:
        """Say what is drawn, and how the chains were made."""
        suited = ", ".join(
            f"{title} {start}" for title, start in zip(self.titles, self.starts, strict=True)
        )
        lone = (
            " Softmax is drawn as the share of one logit among ten, with the others at zero."
            if "softmax" in self.names
            else ""
        )
        pieces = (
            " Maxout takes the largest of its pieces, which the layer learns; those drawn are x "
            "and -x/2."
            if "maxout" in self.names
            else ""
        )
        return (
            "Activation functions (dark; the axes end at 3) and their derivatives (coloured, "
            "dashed). Below, the L2 "
            f"norm of a random gradient on its way back through {plural(self.layers, 'layer')} of "
            f"{self.width} units, as a share of what was sent in, at the input and after each "
            f"layer: measured on {_INPUTS} standard normal inputs. On the left weights are normal "
            f"with the deviation that suits the function ({suited}) and biases zero; on the right "
            "they are torch's default for nn.Linear. A line that leaves the axis says at its "
            f"foot how far it falls.{pieces}{lone}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw each function with its derivative, and the gradients of all chains below."""
        from cnnviz.views.pictures.activation_functions import draw

        return draw(self, into)

    def __str__(self) -> str:
        """Return what is left of a gradient, one line for each function."""
        wide = max(map(len, self.titles))
        return "\n".join(
            f"{title:<{wide}}  {self._changes(place)} ({self.starts[place]})"
            for place, title in enumerate(self.titles)
        )


@bounded
def activation_functions(
    functions: str | Sequence[str] | None = None,
    *,
    layers: Annotated[int, Within(1, 1_000)] = 10,
    width: Annotated[int, Within(1, 4_096)] = 256,
    seed: Seed = 0,
) -> ActivationFunctions:
    """Draw activation functions with their derivatives, and measure what a chain of them does.

    The chains are real: seeded linear layers with the activation between them, in double precision,
    through which autograd sends a gradient back. Each is run with the initialisation that suits the
    function (Glorot and Bengio 2010, He et al. 2015, Klambauer et al. 2017; for ELU, GELU and SiLU
    the gain that keeps the second moment, derived as He et al. do for ReLU) and with torch's
    default.

    Parameters
    ----------
    functions : str or sequence of str, optional
        Which: sigmoid, tanh, relu, leaky_relu, elu, selu, gelu, silu, maxout, softmax; all by
        default.
    layers : int
        How many layers a chain has.
    width : int
        How many units a layer has.
    seed : int
        The seed of the chains.

    Returns
    -------
    ActivationFunctions

    Raises
    ------
    UsageError
        If a function is unknown, or a number is not positive.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.activation_functions().summary().split(":")[0]
    '10 activation functions'
    """
    chosen = all_by_name(functions, table(), "activation function")
    x = torch.linspace(-REACH, REACH, _PLACES, dtype=torch.float64)
    curves = [sampled(activation, x) for activation in chosen]
    starts: tuple[Start, ...] = ("suited", "default")
    chains = [
        [
            chain_gradients(each, start, layers=layers, width=width, images=_INPUTS, seed=seed)
            for start in starts
        ]
        for each in chosen
    ]
    return ActivationFunctions(
        provenance=Provenance(
            model="chains of linear layers",
            weights=f"random, seed {seed}",
            weights_sha256="",
            seed=seed,
        ),
        names=tuple(each.name for each in chosen),
        titles=tuple(each.title for each in chosen),
        formulas=tuple(each.formula for each in chosen),
        x=x.numpy(),
        values=np.stack([values.numpy() for values, _ in curves]),
        derivatives=np.stack([slopes.numpy() for _, slopes in curves]),
        gradients=np.array([[norms.tolist() for norms in each] for each in chains]),
        starts=tuple(each.start for each in chosen),
        layers=layers,
        width=width,
    )


def _share(gradient: float) -> str:
    """Return what is left of a gradient as a power of ten, whatever its size."""
    return power_of_ten(gradient) if gradient > 0.0 else "nothing"
