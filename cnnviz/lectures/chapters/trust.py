"""How far a heatmap may be believed."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="trust",
    title="How far to believe it",
    opening=(
        "A heatmap always looks like an answer. Whether it is one can be measured: hide first what "
        "it calls important, and the score should fall fast; show first what it calls important, "
        "and the score should rise fast; make the network's weights random, and the map should "
        "change, or it never showed what was learned (Petsiuk, Das and Saenko 2018; Adebayo et "
        "al. 2018). Random maps of the same kind say what chance alone would give.",
    ),
    steps=(
        Step(
            name="trust",
            title="Grad-CAM, put to the test",
            call="cnnviz.faithfulness(model, photo)",
            command="cnnviz faithfulness {photo} {model}",
        ),
    ),
)
