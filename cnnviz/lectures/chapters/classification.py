"""From maps to an answer: scores, softmax, probabilities."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="classification",
    title="Classification",
    opening=(
        "After the last stage the network has a few hundred maps, each of which says how strongly "
        "something is present, and where. To classify, the places are averaged away, and a linear "
        "layer adds the channels up with one set of weights for each class: the result is one "
        "score, or logit, for each class.",
    ),
    steps=(
        Step(
            name="answer",
            title="What the network answers",
            call="cnnviz.predictions(capture)",
            command="cnnviz predictions {photo} {model}",
        ),
        Step(
            name="softmax",
            title="From scores to probabilities, and to the loss",
            call="cnnviz.softmax(capture)",
            command="cnnviz softmax {photo} {model}",
            before=(
                "Softmax turns scores into shares of one: each score is the exponent of a power "
                "of e, and each power is divided by the sum of all. The cross-entropy then says "
                "how surprised one is at what is right, and its gradient is as simple as could "
                "be: the probability less what it should have been.",
            ),
        ),
    ),
)
