"""A seeded network, images for it, and the question that every measure is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnviz.heatmaps.checks.explained_batch import Explain, ExplainedBatch
from cnnviz.models import as_model
from cnnviz.views._explainers import heatmap
from tests.architectures import tiny_network


@pytest.fixture
def subject() -> ExplainedBatch:
    model = as_model(tiny_network())
    generator = torch.Generator().manual_seed(3)
    batch = model.prepare(torch.randn(2, 3, 12, 16, generator=generator))
    return ExplainedBatch(model, batch, (1, 3))


@pytest.fixture
def maps() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((2, 12, 16)).astype(np.float32)


def probability(subject: ExplainedBatch, image: int, pixels: torch.Tensor) -> float:
    """Ask the network about one changed image, the slow way."""
    with torch.no_grad():
        logits = subject.model.module(pixels[None].clone())[0].double().numpy()
    shares = np.exp(logits - logits.max())
    return float(shares[subject.classes[image]] / shares.sum())


def by_name(method: str, layer: str | None = None) -> Explain:
    """Return a method by its default settings as a function of network, images and classes."""
    return lambda model, batch, classes: heatmap(model, batch, classes, method, layer=layer).maps[
        -1
    ]
