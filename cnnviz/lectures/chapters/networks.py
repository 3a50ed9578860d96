"""The networks that made the field."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="networks",
    title="Famous networks",
    opening=(
        "In 1998 LeNet-5 read handwritten digits; in 2012 AlexNet, which is much the same idea on "
        "a thousand times the data, halved the errors of what came before. What followed was "
        "depth: VGG with small kernels only, GoogLeNet with branches side by side, ResNet with "
        "skips that let a gradient through a hundred layers and more; and then, with MobileNet, "
        "fewer operations for the same answer.",
    ),
    steps=(
        Step(
            name="networks",
            title="Error over the years",
            call="cnnviz.famous_networks()",
            command="cnnviz networks",
        ),
    ),
)
