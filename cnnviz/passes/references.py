"""The references that embeddings are compared with: vectors, or images that the network embeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cnnviz.errors import TargetError
from cnnviz.introspection.hooks import isolated
from cnnviz.models import Model
from cnnviz.models.outputs import scores_of
from cnnviz.passes.target_types import Similarity


@dataclass(frozen=True, eq=False)
class EmbeddedReference(Similarity):
    """A similarity whose reference was an image.

    Attributes
    ----------
    vector : torch.Tensor
        The embedding of the reference, [D].
    name : str
        What the image is called.
    """

    vector: torch.Tensor
    name: str


def embedded(model: Model, wanted: Similarity) -> Similarity:
    """Return a similarity with the embedding of its reference, by this very network."""
    if _is_vector(wanted.reference):
        return wanted
    reference: Any = wanted.reference
    batch = model.prepare(reference)
    if len(batch.tensor) != 1:
        raise TargetError(
            f"{len(batch.tensor)} references were given.", "Give one image or one vector."
        )
    with isolated(model.module, grad=False):
        vectors = scores_of(model, model.forward(batch.tensor.clone()), 1)
    name = batch.photos[0].name if batch.photos else "the reference"
    return EmbeddedReference(reference, vectors[0].detach().flatten(), name)


def reference_of(wanted: Similarity) -> tuple[torch.Tensor, str, Similarity]:
    """Return the vector of a reference, its name, and what asks for the same again."""
    if isinstance(wanted, EmbeddedReference):
        return wanted.vector, wanted.name, Similarity(wanted.reference)
    if not _is_vector(wanted.reference):
        raise TargetError(
            "The reference of the similarity was not embedded.", "Give its embedding, a vector."
        )
    vector = torch.as_tensor(np.asarray(_detached(wanted.reference)), dtype=torch.float64)
    return vector.flatten(), "a given vector", wanted


def _detached(reference: Any) -> Any:
    return reference.detach().cpu() if isinstance(reference, torch.Tensor) else reference


def _is_vector(reference: Any) -> bool:
    if not isinstance(reference, (np.ndarray, torch.Tensor)):
        return False
    floating = (
        reference.is_floating_point()
        if isinstance(reference, torch.Tensor)
        else np.issubdtype(reference.dtype, np.floating)
    )
    return bool(floating) and (
        reference.ndim == 1 or (reference.ndim == 2 and reference.shape[0] == 1)
    )
