"""Code of the documentation with smaller numbers: what is called stays, and how often it runs not.

A page says `count=300`, since that is what a reader would ask for. Whether it runs shows as well on
twelve images. Examples, notebooks and the pages of views are run as they stand, too, where the site
is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from cnnviz.views import _measured_maps

MOST = {
    "count": 12,
    "points": 5,
    "test": 10,
    "validation": 10,
    "steps": 5,
    "draws": 3,
    "seeds": 1,
    "epochs": 2,
    "stages": 2,
    "random": 3,
}
"""The largest number of each argument."""
FURTHER: Mapping[str, Mapping[str, str]] = {
    "docs/course.md": {
        "[0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]": "[0, 0, 1, 1, 1]]",
        "samples=64, epochs=4, batch_size=16": "samples=16, epochs=4, batch_size=4",
        "draw_samples(64,": "draw_samples(16,",
        "epochs=[0, 4, 16]": "epochs=[0, 4, 8]",
        "LeNet-5, AlexNet, GoogLeNet": "LeNet-5, AlexNet",
        "samples=(2, 4)": "samples=(1, 2)",
        '["occlusion", "clutter", "pose"]': '["occlusion", "pose"]',
        "count=16, most=3": "count=4, most=2",
    },
    "docs/coming-from.md": {"window=16, stride=16": "window=32, stride=32"},
    "docs/heatmaps.md": {
        "window=16, stride=8": "window=32, stride=32",
        '["gradcam", "guided_backprop"]': '["gradcam"]',
    },
    "docs/monitor.md": {
        "draw_samples(64,": "draw_samples(16,",
        "slice(16 * (step % 4), 16 * (step % 4) + 16)": "slice(4 * (step % 4), 4 * (step % 4) + 4)",
    },
    "docs/examples/gradients.py": {"-32:width=8": "-8:width=4"},
    "docs/views/explanations.md": {', "integrated_gradients"': ""},
    "docs/views/famous_networks.md": {"alexnet, vgg16, resnet50": "alexnet, lenet5-1998"},
    "docs/views/gradient_flow.md": {
        "plain-20:none:default": "plain-8:none:default",
        "resnet-20:none:default": "resnet-8:none:default",
    },
    "docs/views/transfer_learning.md": {"samples=(2, 8)": "samples=(1, 2)"},
    "docs/views/training_history.md": {"count=24, batch_size=12": "count=8, batch_size=8"},
    "docs/views/loss_landscape.md": {"points=7, count=8": "points=3, count=4"},
    "docs/views/challenges.md": {"scene=19, steps=4": "scene=19, steps=2"},
    "docs/notebooks/gradients.ipynb": {"-20:none:default": "-8:none:default"},
    "docs/notebooks/my_network.ipynb": {"range(240)": "range(60)", "range(30)": "range(6)"},
}
"""What else a file makes smaller, and what stands in its place; each has to be there."""

_NUMBER = re.compile(rf"\b({'|'.join(MOST)})=(\d+)\b")


def quick(code: str, name: str) -> str:
    """Return the code of a file of the project with smaller numbers."""
    for old, new in FURTHER.get(name, {}).items():
        assert old in code, f"{name} has no longer {old!r}"
        code = code.replace(old, new)
    return _NUMBER.sub(lambda found: f"{found[1]}={min(int(found[2]), MOST[found[1]])}", code)


@contextmanager
def few_random_maps() -> Iterator[None]:
    """Compare a heatmap with two random ones, where nobody says with how many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_measured_maps, "_random_count", lambda images: 2)
        yield
