"""What is measured: images, the class explained for each, and the answers to changed images."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import TargetError
from cnnviz.heatmaps.heatmap import Heatmap, stretch_over_box
from cnnviz.images import Batch, Box
from cnnviz.introspection.hooks import isolated
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.targets import Target, describe, logits_of, score

Maps = NDArray[np.float32]
"""Signed maps [N, h, w], one for each image."""
Explain = Callable[[Model, Batch, Sequence[int]], Maps]
"""Makes the maps of a batch for the given classes: ``explain(model, batch, classes)``."""


@dataclass(frozen=True, eq=False)
class ExplainedBatch:
    """Images, and the class that is explained for each.

    Attributes
    ----------
    model : Model
        The network; nothing here changes it.
    batch : Batch
        The N images.
    classes : tuple of int
        The class explained for each image.
    shared : dict
        What was measured on the subject and does not depend on the maps.
    """

    model: Model
    batch: Batch
    classes: tuple[int, ...]
    shared: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def inputs(self) -> torch.Tensor:
        """The preprocessed images, [N, C, H, W]."""
        return self.batch.tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return int(self.inputs.shape[2]), int(self.inputs.shape[3])

    @cached_property
    def at_once(self) -> int:
        """How many images go through the network together."""
        return rows_at_once(self.model, self.inputs)

    def probabilities(self, changed: Iterable[tuple[int, torch.Tensor]]) -> NDArray[np.float64]:
        """Return the probability of the explained class in each changed image.

        Parameters
        ----------
        changed : iterable of (int, torch.Tensor)
            Which image was changed, and the changed image [C, H, W]. It is read as far as one
            batch needs, so it may be as long as it likes.

        Returns
        -------
        ndarray of float
            [M], in the order given.
        """
        found = [np.zeros(0)]
        rows = iter(changed)
        with isolated(self.model.module, grad=False):
            while group := list(islice(rows, self.at_once)):
                logits = logits_of(self.model.forward(torch.stack([image for _, image in group])))
                classes = torch.tensor([self.classes[image] for image, _ in group])
                shares = logits.double().softmax(1).cpu().gather(1, classes[:, None])
                found.append(shares[:, 0].numpy())
        return np.concatenate(found)

    @cached_property
    def whole(self) -> NDArray[np.float64]:
        """The probability of the explained class in each unchanged image, [N]."""
        return self.probabilities(enumerate(self.inputs))


def at_size(maps: NDArray[Any], size: tuple[int, int]) -> Maps:
    """Stretch maps [..., h, w] bilinearly to a height and width."""
    height, width = size
    if maps.shape[-2:] == size:
        return np.asarray(maps, np.float32)
    flat = maps.reshape(-1, *maps.shape[-2:]).astype(np.float32)
    box = Box(0.0, 0.0, width, height)
    stretched = np.stack([stretch_over_box(values, box, height, width) for values in flat])
    return stretched.reshape(*maps.shape[:-2], height, width)


def explained_classes(
    model: Model, batch: Batch, heatmap: Heatmap | None = None, target: Target = None
) -> tuple[int, ...]:
    """Return the one class of each image whose probability is followed.

    Parameters
    ----------
    model : Model
        The network.
    batch : Batch
        The images.
    heatmap : Heatmap, optional
        What explains the classes; the likeliest of each image without it, and where its method asks
        for no class.
    target : None, int, str, or sequence of these
        The class, where it is given; it counts before the heatmap's.

    Raises
    ------
    TargetError
        If something else than one class is explained, or it is not known which.
    """
    with isolated(model.module, grad=False):
        output = model.forward(batch.tensor.clone())
    logits = logits_of(output)
    if logits.ndim != 2:
        raise TargetError(
            f"The network returns {describe(logits)}, which holds no probabilities of classes.",
            "Give a network that returns [N, classes].",
        )
    names: tuple[str, ...]
    classes: tuple[int | None, ...]
    if target is None and heatmap is not None and heatmap.explains_class:
        names = heatmap.targets
        classes = heatmap.target_classes or (None,) * len(names)
    else:
        resolved_targets = score(model, output, target, len(batch)).resolved_targets
        names = tuple(resolved.name for resolved in resolved_targets)
        classes = tuple(resolved.class_index for resolved in resolved_targets)
    return tuple(
        _one_class(name, index, logits.shape[1]) for name, index in zip(names, classes, strict=True)
    )


def _one_class(name: str, index: int | None, count: int) -> int:
    if index is None or not 0 <= index < count:
        raise TargetError(
            f"{name!r} is not one class of the network, whose probability could be followed.",
            "Give the class as target=.",
        )
    return index
