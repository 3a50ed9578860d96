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
    ),
)
