"""A seeded network, images for it, and the question that every measure is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.models import as_model
from tests.helpers.architectures import tiny_network


@pytest.fixture
def subject() -> ExplainedBatch:
    model = as_model(tiny_network())
    generator = torch.Generator().manual_seed(3)
    batch = model.prepare(torch.randn(2, 3, 12, 16, generator=generator))
    return ExplainedBatch.of(model, batch, (1, 3))


@pytest.fixture
def maps() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((2, 12, 16)).astype(np.float32)
