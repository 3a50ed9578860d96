"""A map that must not be read as evidence is nowhere in a report called evidence."""

from __future__ import annotations

import torch
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.reports import report


def test_of_an_answer_that_never_changes_the_report_says_so_first_of_all() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    nn.init.constant_(network[0].bias, -100.0)  # type: ignore[arg-type]
    plain = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    made = report(Model(network, preprocessing=plain), torch.rand(1, 3, 16, 16), "cam")
    (doubt,) = (note for section in made.sections for note in section.notes)
    assert "does not change with noise, black or the mean of the image in its place" in doubt
    assert made.doubts == (doubt,)
    # Below it the pictures are marked.
    assert not any(doubt in one.caption for section in made.sections for one in section.pictures)
    (shown,) = made.answers
    assert shown.overlay is not None
    assert shown.overlay.caption.startswith("Not to be read as evidence for ")
    assert shown.overlay.caption.endswith(doubt)
    assert "not to be read as evidence" in shown.overlay.alt
