"""The family of class activation maps, each a few lines with its paper, and the table of them.

A new method is its formula and one line of `CAM_METHODS`, at the end; for type checkers its name
joins `CamName`. The view, the command line, the trust checks and the evaluation read the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from cnnviz.heatmaps.cancelled_weights import BY_MEAN, BY_SIZE, Weighing, channel_means
from cnnviz.heatmaps.map_places import over_input
from cnnviz.introspection.layer_tensors import Key, LayerTensors
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_in_cache
from cnnviz.passes.captured import Capture
from cnnviz.passes.fast_model import check_sound, on_fast_copy, outputs
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.run_from_layer import ForwardFromLayer
from cnnviz.results.progress import Progress


def gradcam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each channel by the mean of its gradient (Selvaraju et al. 2017, equations 1 and 2).

    The ReLU of equation 2 is left to the drawing, so that evidence against the class is kept.
    """
    return _weighted(activations, channel_means(gradients))


def gradcam_plus_plus(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each channel by the mean of its positive gradients, those of lone peaks more.

    Chattopadhay et al. 2018, equations 10 and 19, for the exponential of the score: its powers
    cancel in the coefficients and leave one positive factor for the whole map, which is left out.
    """
    # Equation 19 divided by the square of the gradient, whose powers leave the range of float32
    # where a score is saturated; where the gradient is zero the place has no weight either way.
    below = 2.0 + _total(activations) * gradients
    shares = torch.where(below == 0.0, 0.0, gradients.relu() / below)
    return _weighted(activations, shares.flatten(2).sum(2))


def xgradcam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each channel by its gradient averaged over its activation (Fu et al. 2020, eq. 7).

    A channel whose activations cancel, as behind an instance norm, has no such average, and no
    weight.
    """
    places = activations.flatten(2)
    total, sizes = places.sum(2), places.abs().sum(2)
    cancels = total.abs() <= 64 * torch.finfo(activations.dtype).eps * sizes
    weights = (gradients * activations).flatten(2).sum(2)
    shares: torch.Tensor = torch.where(cancels, 0.0, weights / torch.where(cancels, 1.0, total))
    return _weighted(activations, shares)


def hirescam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Multiply activation and gradient place by place, and sum (Draelos and Carin 2020, eq. 5)."""
    return (activations * gradients).sum(1)


def layercam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each place of each channel by its positive gradient (Jiang et al. 2021, eq. 6, 7)."""
    return (activations * gradients.relu()).sum(1)


def eigencam(activations: torch.Tensor) -> torch.Tensor:
    """Project each place on the first principal direction of all (Muhammad and Yeasin 2020).

    No class takes part. The singular vector has no sign of its own; it is given the one under
    which the map's sum is positive.
    """
    places: torch.Tensor = activations.flatten(2).transpose(1, 2)
    _, _, directions = torch.linalg.svd(places, full_matrices=False)
    maps: torch.Tensor = (places @ directions[:, 0, :, None])[..., 0]
    maps = maps * torch.where(maps.sum(1, keepdim=True) < 0, -1.0, 1.0)
    return maps.reshape(len(maps), *activations.shape[2:])


def _weighted(activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    places = activations.ndim - 2
    return (weights.reshape(*weights.shape, *[1] * places) * activations).sum(1)


def _total(activations: torch.Tensor) -> torch.Tensor:
    """Return the sum over the places of each channel, in as many dimensions."""
    return activations.sum(tuple(range(2, activations.ndim)), keepdim=True)


def scorecam(capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
    """Weigh each channel by the score of the image seen through it (Wang et al. 2020, alg. 1).

    Each channel, stretched over the image and scaled to 0..1, masks it; the weights are the softmax
    over the channels of the scores, which makes the baseline's score cancel. A channel with one
    value everywhere shows nothing of the image and has no weight.
    """
    activations, images = capture.activation_maps(layer).float(), capture.batch.tensor
    at_once, extent = rows_in_cache(capture.model, images), capture.layout(layer).extent
    tried = _varied_channels(activations)
    trials = _TrialProgress(progress, layer, tried)
    weights = torch.zeros(activations.shape[:2], device=activations.device)
    for image, channels in enumerate(tried):
        if not len(channels):
            continue
        whole = images[image : image + 1]
        for part in torch.split(channels, at_once):
            masks = over_input(_unit(activations[image, part]), extent, whole.shape[2:])
            output = outputs(capture.model, whole * masks.to(whole))
            weights[image, part] = capture.resolved_targets[image].score(output).float()
            trials.add(len(part))
        weights[image, channels] = weights[image, channels].softmax(0)
    return _weighted(activations, weights)


def ablationcam(capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
    """Weigh each channel by how far the score falls without it (Desai and Ramaswamy 2020, eq. 3).

    The fall is relative to the size of the score, so that a negative score does not turn the map
    around. Only what lies above the layer runs again. A channel that is zero everywhere makes no
    difference and has no weight.
    """
    activations, images = capture.activation_maps(layer), capture.batch.tensor
    layout, given = capture.layout(layer), capture.activations[layer]
    at_once = rows_in_cache(capture.model, images)
    tried = _chosen(activations.flatten(2).ne(0).any(2))
    trials = _TrialProgress(progress, layer, tried)
    weights = torch.zeros(activations.shape[:2], device=activations.device)
    for image, channels in enumerate(tried):
        if not len(channels):
            continue
        score = capture.scores[image]
        size = score.abs().clamp(min=torch.finfo(score.dtype).tiny)

        def try_all(
            computing: Model, image: int = image, channels: torch.Tensor = channels
        ) -> list[torch.Tensor]:
            left = []
            run_from_layer = ForwardFromLayer(computing, images[image : image + 1], layer)
            for part in torch.split(channels, at_once):
                without = activations[image].expand(len(part), *activations.shape[1:]).clone()
                without[torch.arange(len(part)), part] = 0.0
                repeated = layout.repeated(given, image, len(images), len(part))
                output = run_from_layer(layout.put(repeated, without), len(part))
                left.append(capture.resolved_targets[image].score(output))
                trials.add(len(part))
            check_sound(computing, left)
            return left

        one, rows = images[image : image + 1], len(channels)
        left = on_fast_copy(capture.model, one, try_all, rows=rows, keeps=[layer[0]])
        weights[image, channels] = ((score - torch.cat(left)) / size).float()
    return _weighted(activations.float(), weights)


def _varied_channels(activations: torch.Tensor) -> list[torch.Tensor]:
    """Return for each image the channels that do not have one value everywhere."""
    places = activations.flatten(2)
    return _chosen(places.amax(2) > places.amin(2))


def _chosen(wanted: torch.Tensor) -> list[torch.Tensor]:
    """Return for each image the channels that are wanted, of [N, C]."""
    return [channels.nonzero()[:, 0] for channels in wanted]


class _TrialProgress:
    """Tells how many of the channels have been tried."""

    def __init__(self, progress: Progress, layer: Key, tried: Sequence[torch.Tensor]) -> None:
        self._progress = progress
        self._what = f"trying the channels of {layer[0]}"
        self._total = sum(len(channels) for channels in tried)
        self._done = 0
        self.add(0)

    def add(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total, self._what)


def _unit(maps: torch.Tensor) -> torch.Tensor:
    """Scale each map [K, h, w] from 0 to 1; none of them is constant."""
    places = tuple(range(1, maps.ndim))
    low = maps.amin(places, keepdim=True)
    return (maps - low) / (maps.amax(places, keepdim=True) - low)


_WHOLE_CHANNELS = (
    "It weighs whole channels, so that other objects with the same features are bright as well; "
    "layercam weighs each place, and keeps to what the box was read from."
)


@dataclass(frozen=True)
class CamMethod(ABC):
    """A line of the table of class activation maps; one subclass for each kind of formula.

    Attributes
    ----------
    name : str
        What it is asked for by.
    title : str
        What it is called in text.
    citation : str
        Who published it, and when.
    explains_class : bool
        Whether the map depends on the class that is explained.
    by_trial : bool
        Whether it runs the network many times, on changed images or maps.
    remark : str
        What a reader of the list must know besides.
    """

    name: str
    title: str
    citation: str
    explains_class: ClassVar[bool] = True
    by_trial: ClassVar[bool] = False
    remark: ClassVar[str] = ""

    @abstractmethod
    def maps(self, capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
        """Return the signed maps of a layer, [N, h, w]."""

    def usable(self, capture: Capture) -> LayerTensors:
        """Return the tensors that a layer must have for a map to be made of it."""
        return capture.activations

    def told_of_boxes(self) -> tuple[str, ...]:
        """Say what a map that explains one box of several may show besides it."""
        return ()


@dataclass(frozen=True)
class GradientCam(CamMethod):
    """A formula of a layer's activations and gradients, both [N, C, h, w].

    With `whole_channels` it gives a channel one weight, and no place its own. With `weighing` that
    weight is a sum in which terms of both signs may cancel; see `cancelled_weights`.
    """

    formula: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    whole_channels: bool = False
    weighing: Weighing | None = None

    def maps(self, capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
        """Apply the formula to what was captured."""
        gradients = capture.gradient_maps(layer).float()
        capture.check_slope()
        return self.formula(capture.activation_maps(layer).float(), gradients)

    def usable(self, capture: Capture) -> LayerTensors:
        """Return the gradients: a layer that the target does not depend on has none."""
        return capture.gradients

    def told_of_boxes(self) -> tuple[str, ...]:
        """Say that other objects may be bright where whole channels are weighed."""
        return (_WHOLE_CHANNELS,) if self.whole_channels else ()


@dataclass(frozen=True)
class ActivationCam(CamMethod):
    """A formula of a layer's activations [N, C, h, w] alone, which asks for no class."""

    formula: Callable[[torch.Tensor], torch.Tensor]
    explains_class: ClassVar[bool] = False
    remark: ClassVar[str] = "asks for no class"

    def maps(self, capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
        """Apply the formula to what was captured."""
        return self.formula(capture.activation_maps(layer).float())


@dataclass(frozen=True)
class TrialCam(CamMethod):
    """A formula that tries the channels of a layer out, and runs the network many times."""

    formula: Callable[[Capture, Key, Progress], torch.Tensor]
    by_trial: ClassVar[bool] = True
    remark: ClassVar[str] = "tries every channel out, and runs the network many times"

    def maps(self, capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
        """Apply the formula to what was captured."""
        with freed_memory_kept():
            return self.formula(capture, layer, progress)


CamName = Literal[
    "gradcam",
    "gradcam++",
    "xgradcam",
    "hirescam",
    "layercam",
    "eigencam",
    "scorecam",
    "ablationcam",
]
"""The names of the table, for type checkers; a test holds the two together."""
CAM_METHODS: dict[str, CamMethod] = {
    method.name: method
    for method in (
        GradientCam("gradcam", "Grad-CAM", "Selvaraju et al. 2017", gradcam, True, BY_MEAN),
        GradientCam(
            "gradcam++",
            "Grad-CAM++",
            "Chattopadhay et al. 2018",
            gradcam_plus_plus,
            whole_channels=True,
        ),
        GradientCam("xgradcam", "XGrad-CAM", "Fu et al. 2020", xgradcam, True, BY_SIZE),
        GradientCam("hirescam", "HiResCAM", "Draelos and Carin 2020", hirescam),
        GradientCam("layercam", "LayerCAM", "Jiang et al. 2021", layercam),
        ActivationCam("eigencam", "Eigen-CAM", "Muhammad and Yeasin 2020", eigencam),
        TrialCam("scorecam", "Score-CAM", "Wang et al. 2020", scorecam),
        TrialCam("ablationcam", "Ablation-CAM", "Desai and Ramaswamy 2020", ablationcam),
    )
}
"""Every class activation map by its name."""
