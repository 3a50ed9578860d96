"""Whether a deep network can learn: vanishing gradients, and skip connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.gradients.verdict_text import pairs
from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.gradient_flow import GradientFlow
    from cnnviz.views.skip_connections import SkipConnections


def _flow(found: GradientFlow) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. This is measured on the weights as they are, on one "
        "photo: it says whether the gradient arrives, which a network needs to learn, not that it "
        "has learned. The next picture has a network in which it does not arrive.",
    )


def _vanished(found: GradientFlow) -> Sequence[str]:
    plain, (residual,) = found, found.others
    return (
        "Both are fresh, with the weights that torch draws by default and without normalisation, "
        "and both have 20 layers with weights. Without skips the verdict is "
        f"{plain.verdict.label} ({pairs(plain.verdict)}); with a skip around every two layers it "
        f"is {residual.verdict.label} ({pairs(residual.verdict)}). Else they are made alike.",
    )


def _residual(found: SkipConnections) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. What this small network answers about the photo does not "
        "matter here: what counts is which way the gradient takes.",
    )


def _none(found: SkipConnections) -> bool:
    return not found.blocks


CHAPTER = Chapter(
    key="gradients",
    title="Gradients and skip connections",
    opening=(
        "A layer learns from the gradient that arrives at it, and on its way there the gradient is "
        "multiplied by the weights and derivatives of every layer in between. A product of many "
        "factors below one vanishes, of many above one explodes. It was first understood of "
        "networks that are deep in time (Bengio, Simard and Frasconi 1994), and is why for long "
        "networks of many layers could hardly be trained. Activation functions that do not "
        "saturate, weights that are drawn to suit them (Glorot and Bengio 2010) and normalisation "
        "are the remedies.",
        "With these gradients arrive, and yet a plain network of 56 layers had a larger error than "
        "one of 20, on the very pictures it was trained on (He et al. 2016): depth made it hard to "
        "optimize for another reason. A residual block adds its input to what its layers make of "
        "it, y = x + F(x), so that a block that has nothing to add need only learn zero. The "
        "derivative of x is one: part of the gradient passes the block as it is.",
    ),
    steps=(
        Step(
            name="flow",
            title="The gradient at each layer of this network",
            call="cnnviz.gradient_flow(model, photo)",
            command="cnnviz gradient-flow {photo} {model}",
            after=_flow,
        ),
        Step(
            name="vanished",
            title="A gradient that vanishes, and the same network with skips",
            call=(
                'cnnviz.gradient_flow(cnnviz.load("plain-20:none:default"), '
                'compare="resnet-20:none:default", remedies=False)'
            ),
            command=(
                "cnnviz gradient-flow --model plain-20:none:default "
                "--compare resnet-20:none:default --no-remedies"
            ),
            after=_vanished,
        ),
        Step(
            name="skips",
            title="Skip connections: how much of the gradient they carry",
            call="cnnviz.skip_connections(model, photo)",
            command="cnnviz skip-connections {photo} {model}",
            empty=_none,
        ),
        Step(
            name="residual",
            title="Skip connections, in a small residual network",
            call='cnnviz.skip_connections(cnnviz.load("shapes-residual"), photo)',
            command="cnnviz skip-connections {photo} --model shapes-residual",
            after=_residual,
            in_place_of="skips",
        ),
    ),
)
