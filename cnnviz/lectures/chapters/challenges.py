"""What makes recognition hard: the same thing, moved, enlarged, turned."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="challenges",
    title="What makes recognition hard",
    opening=(
        "The same thing never gives the same pixels twice. It stands elsewhere, nearer, turned, in "
        "another light, half hidden, before another ground. A network should answer the same all "
        "along; how far it does is measured here.",
    ),
    steps=(
        Step(
            name="challenges",
            title="One thing changed at a time",
            call="cnnviz.challenges(model, photo)",
            command="cnnviz challenges {photo} {model}",
        ),
        Step(
            name="invariance",
            title="Moved, enlarged and turned",
            call="cnnviz.invariance(model, photo, steps=11)",
            command="cnnviz invariance {photo} {model} --steps 11",
        ),
    ),
)
