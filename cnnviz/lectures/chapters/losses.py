"""What is made small in training, and how optimizers do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.optimizers import OptimizerPaths


def _descended(found: OptimizerPaths) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Two weights and no noise show how these methods move, not "
        "which of them is best: in training each step follows the gradient of a few images drawn "
        "at random (Robbins and Monro 1951), which is noisy, there are millions of directions, and "
        "what counts is the error on images that were not trained on.",
    )


CHAPTER = Chapter(
    key="losses",
    title="Losses and optimizers",
    opening=(
        "Training needs one number that says how wrong the network is, the loss, and the direction "
        "in which each weight makes it smaller. That direction is given by the gradient, which "
        "backpropagation finds for all weights in one pass from the loss back to the input "
        "(Rumelhart, Hinton and Williams 1986).",
        "What one would like to make small is the number of wrong answers. But that number does "
        "not change when a weight is moved a little, so that its gradient points nowhere; a loss "
        "is something smooth that stands in for it.",
    ),
    steps=(
        Step(
            name="losses",
            title="Loss functions and their derivatives",
            call="cnnviz.losses()",
            command="cnnviz losses",
        ),
        Step(
            name="descent",
            title="Optimizers: learning rates too small, right and too large",
            call="cnnviz.optimizers()",
            command="cnnviz optimizers",
            before=(
                "Gradient descent takes a step against the gradient, and another. In a valley that "
                "is long and narrow it goes from side to side. Momentum remembers where it was "
                "going; AdaGrad, RMSprop, AdaDelta and Adam measure each direction by what its "
                "gradients were. One number decides about all of them, the learning rate: how "
                "long a step is.",
            ),
            after=_descended,
        ),
    ),
)
