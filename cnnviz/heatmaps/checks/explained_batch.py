"""What is measured: images, what is explained of each, and the answers to changed images."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import TargetError, UsageError
from cnnviz.heatmaps.heatmap import Heatmap, evidence
from cnnviz.heatmaps.stretching import stretch
from cnnviz.images import Batch
from cnnviz.images.baselines import baseline_images
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.passes_anew import anew
from cnnviz.introspection.tolerance import MOST_ROUNDING
from cnnviz.models import Model
from cnnviz.models.member_choice import choose_member
from cnnviz.passes.batch_size import rows_in_cache
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.fast_model import outputs
from cnnviz.passes.independence import independence
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.shared_captures import resolved_before
from cnnviz.passes.targets import (
    ResolvedTarget,
    Target,
    Unit,
    score,
    targets_of_each,
)
from cnnviz.results.space import space_of_shape
from cnnviz.results.text import plural

Maps = NDArray[np.float32]
"""Maps [N, h, w], one for each image; signed, or as they are drawn. Those of signals are [N, l]."""
Asked = Sequence[Any] | Callable[[Any], torch.Tensor] | None
"""What is explained of each image: classes and other targets, or one callable for all."""
Explain = Callable[[Model, Batch, Any], Maps]
"""Makes the maps of a batch: ``explain(model, batch, classes)``, with the class of each image, or a
target where something else is explained."""


def as_drawn(explain: Explain, *, relu: bool) -> Explain:
    """Return what makes the maps as `Heatmap.shown` does, from what makes the signed ones."""

    def explain_as_drawn(model: Model, batch: Batch, classes: Any) -> Maps:
        made = explain(model, batch, classes)
        return evidence(_checked_maps(made, batch.tensor), relu=relu)

    return explain_as_drawn


def _checked_maps(made: Any, inputs: torch.Tensor) -> Maps:
    """Return what somebody's own function made for these inputs [N, C, ...], if it is maps."""
    count, letters = len(inputs), space_of_shape(inputs.shape[1:]).letters
    shape: tuple[int, ...] = tuple(getattr(made, "shape", ()))
    if len(shape) != 1 + len(letters) or shape[0] != count:
        found = f"an array {list(shape)}" if shape else f"an object of type {type(made).__name__}"
        raise UsageError(
            f"explain returned {found} for {plural(count, 'image')}.",
            f"Return an array [{count}, {', '.join(letters)}]: a map for each image.",
        )
    return np.asarray(made, np.float32)


@dataclass(frozen=True, eq=False)
class ExplainedBatch:
    """Images, and what is explained of each.

    Attributes
    ----------
    model : Model
        The network; nothing here changes it.
    batch : Batch
        The N images.
    targets : tuple of ResolvedTarget
        What is explained of each image.
    shares_trials : bool
        Whether what was asked about a changed image for one map serves the next. In the last
        digits an answer depends on the images that were asked with it, and so on the maps before.
    shared : dict
        What was measured on the subject and does not depend on the maps.
    """

    model: Model
    batch: Batch
    targets: tuple[ResolvedTarget, ...]
    shares_trials: bool = True
    shared: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        model: Model,
        batch: Batch,
        target: Target = None,
        heatmap: Heatmap | None = None,
        *,
        shares_trials: bool = True,
    ) -> ExplainedBatch:
        """Return images with what is explained of each; see `explained_targets`."""
        targets = explained_targets(model, batch, heatmap, target)
        return cls(model, batch, targets, shares_trials)

    @property
    def asked(self) -> Asked:
        """What asks for the same of other images, or of the network with other weights."""
        asked = tuple(resolved.asked for resolved in self.targets)
        # A callable, and each network's own answer, are asked for once for all images.
        return asked[0] if asked[0] is None or callable(asked[0]) else asked

    @property
    def unit(self) -> Unit:
        """What `answers` returns: probabilities, or scores where there are none."""
        units = {resolved.unit for resolved in self.targets}
        return "probability" if units == {"probability"} else "score"

    @property
    def inputs(self) -> torch.Tensor:
        """The preprocessed images, [N, C, H, W]."""
        return self.batch.tensor

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the network's input, or its size along each axis."""
        return tuple(self.inputs.shape[2:])

    @property
    def at_once(self) -> int:
        """How many images go through the network together; fewer once memory was short."""
        return rows_in_cache(self.model, self.inputs)

    def answers(self, changed: Iterable[tuple[int, torch.Tensor]]) -> NDArray[np.float64]:
        """Return the probability of what is explained in each changed image.

        Where there are no probabilities, return the score on the scale on which that of the blank
        image, of the mean colour, is 0, and that of the photo is 1 (or -1, where it is less).

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
        if self.unit == "probability":
            return self._measured(changed)
        images: list[int] = []

        def noted() -> Iterator[tuple[int, torch.Tensor]]:
            for image, values in changed:
                images.append(image)
                yield image, values

        found = self._measured(noted())
        blank, span = self._scale
        return (found - blank[images]) / span[images]

    def _measured(self, changed: Iterable[tuple[int, torch.Tensor]]) -> NDArray[np.float64]:
        found = [np.zeros(0)]
        rows, at_once = iter(changed), self.at_once
        with freed_memory_kept():
            while group := list(islice(rows, at_once)):
                found.append(self._group(group))
        return np.concatenate(found)

    def _group(self, group: list[tuple[int, torch.Tensor]]) -> NDArray[np.float64]:
        output = outputs(self.model, torch.stack([image for _, image in group]))
        places = np.array([image for image, _ in group])
        values = np.zeros(len(group))
        for image in dict.fromkeys(places.tolist()):
            measured = self._measure(self.targets[image], output)
            values[places == image] = measured[places == image]
        return values

    def _measure(self, resolved: ResolvedTarget, output: Any) -> NDArray[np.float64]:
        probable = resolved.probability is not None and self.unit == "probability"
        values = resolved.measure(output) if probable else resolved.score(output).double()
        return np.asarray(values.detach().cpu().numpy(), np.float64)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """What is measured of each unchanged image as it is, [N]: a probability, or the score."""
        return self._measured(enumerate(self.inputs))

    @cached_property
    def _blank(self) -> NDArray[np.float64]:
        """The score of the blank image of the mean colour, [N]."""
        blank = baseline_images(self.model.preprocessing, self.inputs, "mean", 0)
        return self._measured(enumerate(blank))

    @cached_property
    def rounding(self) -> NDArray[np.float64]:
        """How far `answers` can be told from rounding, [N].

        Of probabilities that is the precision of the images' type, about 1e-7 in single precision.
        A score loses as many digits as it is larger than what the photo changes of it.
        """
        step = np.full(len(self.scores), float(torch.finfo(self.inputs.dtype).eps))
        if self.unit == "probability":
            return step
        span = np.abs(self.scores - self._blank)
        size = np.maximum(np.abs(self.scores), np.abs(self._blank))
        lost = np.divide(size, span, out=np.full(len(span), np.inf), where=span > 0.0)
        return np.asarray(step * lost, np.float64)

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Whether the photo changes the score by more than rounding, [N]."""
        return self.rounding < MOST_ROUNDING

    @cached_property
    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The score of a blank image, and how far that of the photo is from it, [N]."""
        # A score that the photo does not change is measured in its own unit.
        span = np.abs(self.scores - self._blank)
        return self._blank, np.where(self.moved, span, 1.0)

    @cached_property
    def whole(self) -> NDArray[np.float64]:
        """The answer for each unchanged image, [N]."""
        if self.unit == "probability":
            return self.scores
        blank, span = self._scale
        return np.where(self.moved, (self.scores - blank) / span, 0.0)


def at_size(maps: NDArray[Any], size: tuple[int, ...]) -> Maps:
    """Stretch maps [..., h, w] to a height and width, between whose values they go straight."""
    own, before = maps.shape[-len(size) :], maps.shape[: -len(size)]
    if own == size:
        return np.asarray(maps, np.float32)
    flat = maps.reshape(-1, *own).astype(np.float32)
    return np.stack([stretch(values, size) for values in flat]).reshape(*before, *size)


def explained_targets(
    model: Model, batch: Batch, heatmap: Heatmap | None = None, target: Target = None
) -> tuple[ResolvedTarget, ...]:
    """Return what is explained of each image, which is followed while the image is changed.

    Parameters
    ----------
    model : Model
        The network.
    batch : Batch
        The images.
    heatmap : Heatmap, optional
        What explains it; the network's own answer without it, and where its method asks for no
        class.
    target : None, int, str, another target, a sequence of these, or callable
        What is explained, where it is given; it counts before the heatmap's.

    Raises
    ------
    TargetError
        If it is not known what a heatmap explains.
    """
    target = checked_target(model, target, batch)
    if target is not None or heatmap is None or not heatmap.explains_class:
        return _resolved(model, batch, target)
    classes = heatmap.target_classes
    if classes and None not in classes:
        known: Any = list(classes)
        return _resolved(model, batch, known)
    try:
        own = _resolved(model, batch, None)
    except TargetError:
        own = ()
    if tuple(resolved.name for resolved in own) != heatmap.targets:
        raise TargetError(
            f"The heatmap explains {heatmap.targets[0]!r}, which does not tell how it is scored.",
            "Give what it explains as target=.",
        )
    return own


def _resolved(model: Model, batch: Batch, target: Target) -> tuple[ResolvedTarget, ...]:
    known = resolved_before(model, batch, target)
    if known is not None:
        return tuple(known)
    parts, targets, count = [batch], [target], len(batch.tensor)
    if count > 1 and independence(model, batch.tensor).alone:
        parts, targets = batch.singles(), targets_of_each(target, count)
    found: list[ResolvedTarget] = []
    with isolated(model.module, grad=False):
        forward = anew(model.module, model.forward)
        for part, wanted in zip(parts, targets, strict=True):
            output = forward(part.tensor.clone())
            choose_member(model, output, part.tensor)
            found += score(model, output, wanted, len(part.tensor), part).resolved_targets
    return tuple(found)
