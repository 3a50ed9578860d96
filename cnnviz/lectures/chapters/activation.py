"""What a layer bends: activation functions, and what ten of them do to a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import number, power_of_ten

if TYPE_CHECKING:
    from cnnviz.views.activation_functions import ActivationFunctions


def _after(found: ActivationFunctions) -> Sequence[str]:
    left = dict(zip(found.names, found.gradients[:, :, 0], strict=True))
    (fit, usual), (relu, _) = left["sigmoid"], left["relu"]
    return (
        f"Read the lower panels as the gradient travels, from the last layer to the input. The "
        f"derivative of the sigmoid is a quarter at most. Behind {found.layers} layers of sigmoid "
        f"with torch's default weights {power_of_ten(float(usual))} of the gradient is left; with "
        f"weights that suit the sigmoid, {number(float(fit))}. ReLU with weights that suit it (He "
        f"et al. 2015) keeps {number(float(relu))}: where it is on, its derivative is one, which "
        "is one of the things that made deep networks trainable (Glorot, Bordes and Bengio 2011).",
        "The price stands above: where its input is negative, nothing comes back at all, and a "
        "unit whose input is negative for every image is dead: its own weights learn nothing, and "
        "it comes back only if the layers before it change what they hand it. Most of the "
        "functions that came later leak a little there.",
    )


CHAPTER = Chapter(
    key="activation",
    title="Activation functions",
    opening=(
        "A convolution is linear, and one linear map after another is again a linear map: with "
        "nothing that bends between them, a hundred layers could do no more than one. The "
        "activation function is what bends. It works on every number of a map by itself.",
        "On the way back its derivative multiplies the gradient. So the shape of the curve decides "
        "what a layer can express, and whether the layers below it can learn.",
    ),
    steps=(
        Step(
            name="activations",
            title="Ten activation functions, and what they leave of a gradient",
            call="cnnviz.activation_functions()",
            command="cnnviz activation-functions",
            after=_after,
        ),
    ),
)
