"""What one forward and one backward pass left, kept for many views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from cnnviz.errors import LayerError, TargetError, UsageError
from cnnviz.images import Batch
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.finite import finite
from cnnviz.introspection.layer_tensors import Key, LayerTensors
from cnnviz.introspection.tracing.map_layout import MapLayout
from cnnviz.models import Model, OutputKind
from cnnviz.models.detections import Detections
from cnnviz.models.reading import AS_GIVEN, NORMALISED
from cnnviz.passes.call_order import call_order
from cnnviz.passes.joined_captures import joined_scores
from cnnviz.passes.origin import origin
from cnnviz.passes.ranked_classes import ClassScore, rank_classes
from cnnviz.passes.spatial_maps import UNTRACED, TracedOutput, checked_layout
from cnnviz.passes.target_types import Similarity
from cnnviz.passes.targets import ResolvedTarget, Scores, Target, score, targets_of_each
from cnnviz.results.notebook import folded, shown_facts, shown_pixels
from cnnviz.results.provenance import AS_IT_IS, Provenance
from cnnviz.results.space import IMAGE
from cnnviz.results.text import first_few, kind_of, plural

_MOST_SHOWN, _SIDE_SHOWN = 6, 112
"""How many images a notebook shows of a capture, and their longest side in pixels."""
_SURE = 1.0 - 1e-4
"""The probability above which a softmax passes less than a ten-thousandth of a gradient back."""


@dataclass(frozen=True, repr=False, eq=False)
class Capture:
    """What one forward and one backward pass left at the chosen layers.

    Attributes
    ----------
    model : Model
        The network.
    batch : Batch
        The images, as read and as preprocessed.
    activations : LayerTensors
        Each captured layer's output, shape [N, C, H, W] or what the layer gives, before any later
        in-place layer wrote to it; `activation_maps` has it as a map of the image.
    gradients : LayerTensors
        The gradient of the sum of the scores with respect to each of these, in the same shape.
        Where images mix each ran alone, so row n is the gradient of score n.
    rule : {"gradient", "deconvnet", "guided"}
        How rectifiers sent the gradients back.
    coverage : str
        How many activations followed a rule other than the gradient; empty for the gradient.
    computed_on : str
        Whether the passes ran on the network itself or on a copy of it, as in the provenance.
    """

    model: Model
    batch: Batch
    activations: LayerTensors
    gradients: LayerTensors
    rule: Rule = "gradient"
    coverage: str = ""
    computed_on: str = AS_IT_IS
    _output: torch.Tensor | TargetError | None = field(default=None)
    """The class scores, or why there are none; None where they were not asked for."""
    _scores: Scores | None = field(default=None)
    _input_gradient: torch.Tensor | None = field(default=None)
    _returned: tuple[Any, ...] = field(default=())
    """What the network returned: for all images, or for each where each ran alone."""
    _detections: tuple[Detections, ...] | TargetError | None = field(default=None)
    """What a detector found, or why it cannot be read; None of another network."""
    _traced: Mapping[Key, TracedOutput] = field(default_factory=dict)

    @property
    def logits(self) -> torch.Tensor:
        """The class scores [N, classes], detached."""
        if not isinstance(self._output, torch.Tensor):
            raise _holds_no("logits", self._output, "Capture without logits=False.")
        return self._output

    @property
    def detections(self) -> tuple[Detections, ...]:
        """What a detector found in each image, detached, without masks."""
        if not isinstance(self._detections, tuple):
            remedy = "Capture a network that returns boxes, without logits=False."
            raise _holds_no("boxes", self._detections, remedy)
        return self._detections

    @property
    def detects(self) -> bool:
        """Whether the network answered with boxes."""
        return isinstance(self._detections, tuple)

    @cached_property
    def pyramid(self) -> tuple[str, ...]:
        """The layers whose maps the heads of a detector read; none of any other network."""
        if not self.detects:
            return ()
        return call_order(self.model, self.batch.tensor).pyramid()

    @property
    def returned(self) -> Any:
        """Whatever the network returned, where no gradients were computed.

        With gradients it would keep the whole graph alive. Where each image ran alone there is
        one answer for each, see `answer`.
        """
        if len(self._returned) != 1:
            raise TargetError(
                "This capture does not hold what the network returned for all images.",
                "Capture with gradients=False to have it, a network whose images run together.",
            )
        return self._returned[0]

    def answer(self, image: int) -> tuple[Any, int]:
        """Return what the network returned for an image and maybe others, and which of these it is.

        As `returned`, it is there where no gradients were computed.
        """
        if len(self._returned) > 1:
            return self._returned[image], 0
        return self.returned, image

    def scored(self, target: Target) -> Scores:
        """Return the scores of a target, from what was returned without gradients."""
        count = len(self.batch.tensor)
        if len(self._returned) < 2:
            return score(self.model, self.returned, target, count, self.batch)
        wanted = targets_of_each(target, count)
        singles = self.batch.singles()
        parts = [
            score(self.model, output, asked, 1, one)
            for output, asked, one in zip(self._returned, wanted, singles, strict=True)
        ]
        return joined_scores(parts)

    @property
    def scores(self) -> torch.Tensor:
        """The score that was explained for each image, [N], detached."""
        return self._explained().values

    @property
    def targets(self) -> tuple[str, ...]:
        """The name of the score that was explained for each image."""
        return tuple(resolved.name for resolved in self.resolved_targets)

    @property
    def target_classes(self) -> tuple[int | None, ...]:
        """The class index explained for each image; None where it is not exactly one class."""
        return tuple(resolved.class_index for resolved in self.resolved_targets)

    @property
    def resolved_targets(self) -> tuple[ResolvedTarget, ...]:
        """What was explained of each image, to score other inputs by."""
        return self._explained().resolved_targets

    def _explained(self) -> Scores:
        if self._scores is None:
            raise TargetError(
                "This capture explains no target.", "Capture with gradients=True to have one."
            )
        return self._scores

    @property
    def input_gradient(self) -> torch.Tensor:
        """The gradient of the scores with respect to the preprocessed images, [N, C, H, W]."""
        if self._input_gradient is None:
            raise LayerError(
                "This capture holds no gradient at the input.",
                "Capture with gradients=True to have it.",
            )
        return self._input_gradient

    @property
    def saturated(self) -> dict[int, str]:
        """Say by its place of which image the score is a probability at which a softmax is flat.

        What went into a softmax inside the network is explained in its place, but for one that was
        not seen, such as inside TorchScript.
        """
        reading = self.model.reading
        if self._scores is None or reading is None or reading.inside != AS_GIVEN:
            return {}
        return {
            place: f"{photo.name}: the score is a probability of nearly 1, where a softmax passes "
            "hardly any gradient back, so that what a map tells by it is nothing or nearly so; "
            "what went into the softmax of the network was not seen. Give a network that returns "
            "the scores before it."
            for place, photo in enumerate(self.batch.photos)
            if self.scores[place] > _SURE
        }

    def check_slope(self) -> None:
        """Refuse scores that are the greatest there can be, whose gradient is rounding alone.

        A normalised vector is nowhere more similar to itself. What went into the normalisation is
        explained in its place, but for one that was not seen, such as inside TorchScript.

        Raises
        ------
        TargetError
            An image is compared with itself.
        """
        reading = self.model.reading
        own = reading is not None and reading.kind == OutputKind.EMBEDDING
        own = own and reading is not None and reading.inside != NORMALISED
        rounding = 8 * torch.finfo(self.scores.dtype).eps
        for asked, value in zip(self.resolved_targets, self.scores.tolist(), strict=True):
            alike = isinstance(asked.asked, Similarity) or (own and asked.asked is None)
            if alike and abs(value - 1.0) <= rounding:
                raise TargetError(
                    "The image is compared with itself, than which nothing is more similar to it, "
                    "so that no pixel counts more than another.",
                    "Give another image, or its embedding, with Similarity as the target.",
                )

    def layout(self, layer: str | Key) -> MapLayout:
        """Return how a captured layer holds a map of each image.

        Raises
        ------
        LayerError
            If it holds none, with the reason (see `cnnviz.passes.spatial_maps`).
        """
        key = self.activations.resolve(layer)
        found = self._traced.get(key, UNTRACED).map
        return checked_layout(found, key[0], self.activations[key], len(self.batch.tensor))

    def check_image(self, image: int) -> None:
        """Raise a `UsageError` unless there is an image of this place, counted from 0."""
        if image >= len(self.batch):
            raise UsageError(
                f"There is no image {image}: the capture holds {len(self.batch)}.",
                "Images count from 0.",
            )

    def check_map(self, layer: str) -> None:
        """Refuse a captured layer whose output has no place of the image."""
        if not self.layout(layer).dims:
            raise LayerError(
                f"Layer {layer!r} gives the shape {list(self.activations[layer].shape)}, not "
                f"{self.model.space.shape()}.",
                "Choose a layer with a map of the image.",
            )

    def activation_maps(self, layer: str | Key) -> torch.Tensor:
        """Return what a captured layer gave as maps of the images, [N, C, h, w].

        Raises
        ------
        NotFiniteError
            If any value is NaN or infinite.
        """
        taken = self.layout(layer).take(self.activations[layer], len(self.batch.tensor))
        return finite(taken, f"The activations of layer {self._name(layer)!r}")

    def gradient_maps(self, layer: str | Key) -> torch.Tensor:
        """Return the gradients at a captured layer as maps of the images, [N, C, h, w].

        Raises
        ------
        NotFiniteError
            If any value is NaN or infinite.
        """
        taken = self.layout(layer).take(self.gradients[layer], len(self.batch.tensor))
        return finite(taken, f"The gradients at layer {self._name(layer)!r}")

    def _name(self, layer: str | Key) -> str:
        return self.activations.resolve(layer)[0]

    def mapped(self, among: LayerTensors | None = None) -> tuple[str, ...]:
        """Return the captured layers, or those among some, with a map of more than one place."""
        found = []
        # By call: of a layer that is called twice, the gradient may come back to one call alone.
        for call in (self.activations if among is None else among).calls:
            layout = self._traced.get(call, UNTRACED).map
            if isinstance(layout, MapLayout) and layout.size != layout.space.one_place:
                found.append(self.activations.name_of(call))
        return tuple(found)

    def holds_classes(self, layer: str) -> bool:
        """Whether a captured layer gives the map of the classes, which is averaged at the end.

        It shows where each class is found, and not what of the image it was found by.
        """
        if not isinstance(self._output, torch.Tensor) or self._output.ndim < 2:
            return False
        channels = self.layout(layer).channels
        if channels != self._output.shape[1]:
            return False
        return call_order(self.model, self.batch.tensor).classes == channels

    def predictions(self, k: int = 5) -> tuple[tuple[ClassScore, ...], ...]:
        """Return the k most probable classes of each image, most probable first."""
        return rank_classes(self.model, self.logits, k)

    @property
    def provenance(self) -> Provenance:
        """Where everything in this capture came from."""
        targets = self.targets if self._scores else ()
        return origin(self.model, self.batch, targets, self.computed_on)

    def __repr__(self) -> str:
        count = len(self.batch.photos)
        held = (
            f"{plural(len(self.activations), 'activation')}, "
            f"{plural(len(self.gradients), 'gradient')}"
        )
        return f"<Capture: {self.model.name} on {plural(count, 'image')}, {held}>"

    def _repr_html_(self) -> str:
        photos = self.batch.photos[:_MOST_SHOWN] if self.model.space == IMAGE else ()
        shown = [shown_pixels(photo.pixels, photo.name, _SIDE_SHOWN) for photo in photos]
        layers = "\n".join(
            f"{name}  {list(value.shape)}{'  with gradients' if name in self.gradients else ''}"
            for name, value in self.activations.items()
        )
        facts = [
            ("images", first_few([photo.name for photo in self.batch.photos], _MOST_SHOWN)),
            ("prepared", self.model.preprocessing.describe()),
        ]
        if self._scores is not None:
            facts.append(("explained", first_few(list(self.targets), _MOST_SHOWN)))
        held = f"{plural(len(self.activations), 'layer')} held"
        return shown_facts(repr(self)[1:-1], facts, *shown) + folded(held, layers)


def _holds_no(what: str, why: TargetError | None, remedy: str) -> TargetError:
    """Return the error that says that a capture does not hold something, and why if that is known.

    What was not asked for is had by another capture, which is the remedy; what could not be read is
    mended by what the reason says.
    """
    if why is None:
        return TargetError(f"This capture holds no {what}.", remedy)
    said = f"{why.what[0].lower()}{why.what[1:]}"
    return TargetError(f"This capture holds no {what}: {said}", why.remedy, option=why.option)


def check_capture(given: Any, view: str) -> None:
    """Raise `UsageError` where a view was given anything but a `Capture`, such as a network."""
    if isinstance(given, Capture):
        return
    if isinstance(given, (Model, torch.nn.Module)):
        wrong = f"{view} takes a capture first, and was given a network."
    else:
        wrong = f"{view} takes a capture, and was given {kind_of(given)}."
    raise UsageError(
        wrong,
        f"Run the network on the images first: {view}(capture(model, images), ...).",
    )
