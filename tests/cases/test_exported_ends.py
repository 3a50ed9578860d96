"""Exported programs call operators: what ends them is read as in the module that was exported."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz

ENDS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax": lambda scores: F.softmax(scores, 1),
    "softmax, its logarithm": lambda scores: scores.softmax(1).clamp_min(1e-9).log(),
    "log_softmax": lambda scores: F.log_softmax(scores, 1),
    "sigmoid": torch.sigmoid,
    "sigmoid, laid out anew": lambda scores: torch.sigmoid(scores)[:, :, None].squeeze(2).clone(),
    "sigmoid, one place of a map": lambda scores: torch.sigmoid(scores)[:, :, None][:, :, 0],
    "normalisation": lambda scores: F.normalize(scores, dim=1),
    "nothing": lambda scores: scores,
}


class _Network(nn.Module):
    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.maps, self.head, self.end = nn.Conv2d(3, 5, 3), nn.Linear(5, 4), end

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.end(self.head(F.relu(self.maps(image)).mean((2, 3))))


@pytest.mark.parametrize(
    ("end", "decomposed"),
    [*((end, False) for end in ENDS), ("softmax", True), ("log_softmax", True)],
)
def test_an_exported_program_ends_as_its_module(end: str, decomposed: bool) -> None:
    torch.manual_seed(0)
    module, image = _Network(ENDS[end]).eval(), torch.rand(1, 3, 8, 8)
    program = torch.export.export(module, (image,))
    exported = program.run_decompositions().module() if decomposed else program.module()
    wanted, found = (cnnviz.Model(network) for network in (module, exported))
    read, maps = [], []
    for model in (wanted, found):
        maps.append(cnnviz.attribute(model, image, target=1, method="saliency").maps[0])
        read.append(model.reading)
    assert read[0].kind == read[1].kind
    assert read[0].inside == read[1].inside
    assert bool(read[0].inside) == (end != "nothing")
    np.testing.assert_allclose(maps[1], maps[0], rtol=1e-5, atol=1e-9)
