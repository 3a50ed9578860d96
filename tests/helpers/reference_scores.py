"""What a network answers, computed one image at a time."""

from __future__ import annotations

import numpy as np
import torch

from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch


def probability(subject: ExplainedBatch, image: int, pixels: torch.Tensor) -> float:
    """Ask the network about one changed image, the slow way."""
    with torch.no_grad():
        logits = subject.model.module(pixels[None].clone())[0].double().numpy()
    shares = np.exp(logits - logits.max())
    return float(shares[subject.targets[image].class_index or 0] / shares.sum())
