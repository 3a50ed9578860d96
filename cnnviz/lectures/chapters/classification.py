"""From maps to an answer: scores, softmax, probabilities."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="classification",
    title="Classification",
    opening=(
        "After the last stage the network has maps, each of which says how strongly something is "
        "present, and where. To classify, the places are given up. Networks up to VGG write all "
        "values of all maps in one long row, and let fully connected layers weigh them; most later "
        "ones average each map (Lin, Chen and Yan 2014), and let one linear layer weigh the "
        "averages. Either way the result is one score, or logit, for each class.",
    ),
    steps=(
        Step(
            name="answer",
            title="What the network answers",
            call="cnnviz.predictions(capture)",
            command="cnnviz predictions {photo} {model}",
            before=(
                "The network must choose among the classes it was trained with, and has no word "
                "for anything else: shown something it has never seen, it still answers. How far "
                "its probabilities may be taken as such has to be measured on many images, and "
                "modern networks are surer than they are right (Guo et al. 2017).",
            ),
        ),
        Step(
            name="softmax",
            title="From scores to probabilities, and to the loss",
            call="cnnviz.softmax(capture)",
            command="cnnviz softmax {photo} {model}",
            before=(
                "Softmax turns scores into shares of one: each score is the exponent of a power "
                "of e, and each power is divided by the sum of all. Only differences of scores "
                "count: to add the same to all of them changes nothing. The cross-entropy then "
                "says how surprised one is at what is right, and its gradient is as simple as "
                "could be: the probability less what it should have been.",
            ),
        ),
    ),
)
