"""What is made small in training, and the ways down."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="losses",
    title="Losses and optimizers",
    opening=(
        "Training needs one number that says how wrong the network is, the loss, and the direction "
        "in which each weight makes it smaller, which is its gradient. What one would like to "
        "make small is the number of wrong answers. But that number does not change when a weight "
        "is moved a little, so that it points nowhere; a loss is something smooth that stands in "
        "for it.",
    ),
    steps=(
        Step(
            name="losses",
            title="Losses and their slopes",
            call="cnnviz.losses()",
            command="cnnviz losses",
        ),
        Step(
            name="descent",
            title="Ways down, with steps too small, right and too large",
            call="cnnviz.optimizers()",
            command="cnnviz optimizers",
            before=(
                "Gradient descent takes a step against the gradient, and another. In a valley that "
                "is long and narrow it goes from side to side; what has come after it remembers "
                "where it was going, or measures each direction by what its gradients were. One "
                "number decides about all of them: how long a step is.",
            ),
        ),
    ),
)
