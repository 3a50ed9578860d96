"""Whether a deep network can learn: vanishing gradients, and skip connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.gradient_flow import GradientFlow
    from cnnviz.views.skip_connections import SkipConnections


def _flow(found: GradientFlow) -> Sequence[str]:
    return (
        f"{found.summary()} For comparison, the chapter on activation functions shows what ten "
        "layers of sigmoid do to a gradient.",
    )


def _none(found: SkipConnections) -> bool:
    return not found.blocks


CHAPTER = Chapter(
    key="gradients",
    title="Gradients and skip connections",
    opening=(
        "A layer learns from the gradient that arrives at it, and on its way there the gradient is "
        "multiplied by the weights and derivatives of every layer in between. A product of many "
        "factors below one vanishes, of many above one explodes. This is why networks of twenty "
        "layers could for a long time not be trained (Bengio, Simard and Frasconi 1994; Glorot and "
        "Bengio 2010).",
    ),
    steps=(
        Step(
            name="flow",
            title="What arrives at each layer of this network",
            call="cnnviz.gradient_flow(model, photo)",
            command="cnnviz gradient-flow {photo} {model}",
            after=_flow,
        ),
        Step(
            name="skips",
            title="A way around the layers",
            call="cnnviz.skip_connections(model, photo)",
            command="cnnviz skip-connections {photo} {model}",
            before=(
                "A residual block adds its input to what its layers make of it: y = x + F(x) (He "
                "et al. 2016). The derivative of x is one, so that a part of the gradient goes "
                "back unchanged, however deep the network is.",
            ),
            empty=_none,
        ),
        Step(
            name="residual",
            title="The same in a small residual network",
            call='cnnviz.skip_connections(cnnviz.load("shapes-residual"), photo)',
            command="cnnviz skip-connections {photo} --model shapes-residual",
        ),
    ),
)
