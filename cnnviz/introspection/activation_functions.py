"""Activation functions, and what a chain of layers with one of them does to a gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

SOFTMAX_UNITS = 10
"""How many logits the drawn softmax has: one moves, the others stay at zero."""
_NEGATIVE_PIECE = -0.5

Start = Literal["suited", "default"]


@dataclass(frozen=True)
class Activation:
    """One activation function, and the initialisation that suits it.

    Attributes
    ----------
    name, title : str
        As it is asked for, and as it is written.
    formula : str
        What it computes, in one line.
    curve : callable
        Its value for each x of a tensor [P].
    layer : callable
        From pre-activations [N, pieces * units] to activations [N, units].
    gain : float
        The standard deviation of the suited weights, times the square root of the layer's inputs.
    start : str
        The name of that initialisation.
    pieces : int
        How many pre-activations make one activation.
    """

    name: str
    title: str
    formula: str
    curve: Callable[[torch.Tensor], torch.Tensor]
    layer: Callable[[torch.Tensor], torch.Tensor]
    gain: float
    start: str
    pieces: int = 1


def table() -> Mapping[str, Activation]:
    """Return every activation function by its name, bounded ones first."""
    found = (
        # The slope of the sigmoid at zero is one quarter, which Glorot's factor of four undoes.
        _unit("sigmoid", "1 / (1 + e^-x)", torch.sigmoid, 4.0, "Xavier x 4"),
        _unit("tanh", "(e^x - e^-x) / (e^x + e^-x)", torch.tanh, 1.0, "Xavier"),
        _unit("ReLU", "max(0, x)", functional.relu, 2.0**0.5, "Kaiming"),
        _unit("leaky ReLU", "x, or 0.01 x below 0", _leaky_relu, (2.0 / 1.0001) ** 0.5, "Kaiming"),
        _preserving("ELU", "x, or e^x - 1 below 0", functional.elu),
        _unit("SELU", "1.0507 x, or 1.7581 (e^x - 1)", functional.selu, 1.0, "LeCun"),
        _preserving("GELU", "x times the normal CDF", functional.gelu),
        _preserving("SiLU", "x / (1 + e^-x)", functional.silu),
        # The larger of two independent standard normal numbers has the second moment 1.
        Activation(
            "maxout", "maxout", "max(x, -x/2): 2 pieces", _maxout_curve, _maxout, 1.0, "LeCun", 2
        ),
        Activation(
            "softmax",
            "softmax",
            f"share of x among {SOFTMAX_UNITS}, rest 0",
            _softmax_curve,
            _softmax,
            1.0,
            "Xavier",
        ),
    )
    return {activation.name: activation for activation in found}


def _unit(
    title: str,
    formula: str,
    function: Callable[[torch.Tensor], torch.Tensor],
    gain: float,
    start: str,
) -> Activation:
    name = title.lower().replace(" ", "_")
    return Activation(name, title, formula, function, function, gain, start)


def _preserving(
    title: str, formula: str, function: Callable[[torch.Tensor], torch.Tensor]
) -> Activation:
    """Return an activation with the gain that He et al. (2015) derive for ReLU, derived for it.

    Weights of this gain keep the second moment of standard normal pre-activations.
    """
    gain = float(second_moment(function) ** -0.5)
    return _unit(title, formula, function, gain, f"variance-preserving x {gain:.2f}")


def second_moment(function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return the mean square of a function of a standard normal number."""
    place = torch.linspace(-12.0, 12.0, 4801, dtype=torch.float64)
    density = torch.exp(-0.5 * place.square()) / (2.0 * torch.pi) ** 0.5
    return torch.trapezoid(function(place).square() * density, place)


def _leaky_relu(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, 0.01)


def _maxout_curve(x: torch.Tensor) -> torch.Tensor:
    return torch.maximum(x, _NEGATIVE_PIECE * x)


def _maxout(z: torch.Tensor) -> torch.Tensor:
    return z.reshape(len(z), -1, 2).amax(2)


def _softmax_curve(x: torch.Tensor) -> torch.Tensor:
    others = x.new_zeros(len(x), SOFTMAX_UNITS - 1)
    return torch.cat([x[:, None], others], 1).softmax(1)[:, 0]


def _softmax(z: torch.Tensor) -> torch.Tensor:
    return z.softmax(1)


def sampled(activation: Activation, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the values and the derivatives of an activation at the places x, each [P].

    Autograd differentiates; at a kink it takes the slope of one side or one between them.
    """
    with torch.inference_mode(False), torch.enable_grad():
        place = x.detach().clone().requires_grad_()
        values = activation.curve(place)
        (slopes,) = torch.autograd.grad(values.sum(), place)
    return values.detach(), slopes


def chain_gradients(
    activation: Activation, start: Start, *, layers: int, width: int, images: int, seed: int
) -> torch.Tensor:
    """Send a gradient back through a chain of linear layers with one activation.

    Standard normal inputs go through `layers` layers of `width` units in double precision; a random
    cotangent of +1 and -1 comes back from the last activations.

    Parameters
    ----------
    activation : Activation
        What follows each linear layer.
    start : {"suited", "default"}
        Normal weights with the activation's own gain and no bias, or the uniform weights and biases
        that `torch.nn.Linear` draws by default.
    layers, width, images : int
        How many layers, units a layer and inputs.
    seed : int
        What is drawn depends on it alone.

    Returns
    -------
    torch.Tensor
        The gradient's L2 norm at the input and after each layer, as the root mean square over the
        inputs and a share of that after the last layer, [layers + 1].
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def uniform(*shape: int) -> torch.Tensor:
        drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
        return (2.0 * drawn - 1.0).div(width**0.5)

    with torch.inference_mode(False), torch.enable_grad():
        points = [normal(images, width).requires_grad_()]
        units = activation.pieces * width
        for _ in range(layers):
            if start == "suited":
                weight, bias = activation.gain / width**0.5 * normal(units, width), None
            else:
                weight, bias = uniform(units, width), uniform(units)
            points.append(activation.layer(functional.linear(points[-1], weight, bias)))
        cotangent = normal(images, width).sign()
        found = torch.autograd.grad(points[-1], points, cotangent)
    each = [torch.linalg.vector_norm(gradient, dim=1) for gradient in found]
    norms = torch.stack([norm.square().mean().sqrt() for norm in each])
    shares: torch.Tensor = norms / norms[-1]
    return shares
