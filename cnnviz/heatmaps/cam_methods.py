"""The family of class activation maps, each a few lines with its paper.

The methods that need gradients take the activations and gradients of a layer, both [N, C, h, w],
and return signed maps [N, h, w]. The methods that try channels out take a capture and a layer, and
run the network again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from cnnviz.introspection.hooks import preserve_state
from cnnviz.introspection.layer_tensors import Key
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.captures import Capture
from cnnviz.passes.run_from_layer import ForwardFromLayer
from cnnviz.results.progress import Progress


def gradcam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each channel by the mean of its gradient (Selvaraju et al. 2017, equations 1 and 2).

    The ReLU of equation 2 is left to the drawing, so that evidence against the class is kept.
    """
    return _weighted(activations, gradients.mean((2, 3)))


def gradcam_plus_plus(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each channel by the mean of its positive gradients, those of lone peaks more.

    Chattopadhay et al. 2018, equations 10 and 19, for the exponential of the score: its powers
    cancel in the coefficients and leave one positive factor for the whole map, which is left out.
    """
    squared, cubed = gradients.square(), gradients.pow(3)
    below = 2.0 * squared + activations.sum((2, 3), keepdim=True) * cubed
    # Where the gradient is zero so is the numerator, and the place has no weight.
    coefficients = torch.where(below == 0.0, 0.0, squared / torch.where(below == 0.0, 1.0, below))
    return _weighted(activations, (coefficients * gradients.relu()).sum((2, 3)))


def xgradcam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weigh each channel by its gradient averaged over its activation (Fu et al. 2020, eq. 7)."""
    total = activations.sum((2, 3))
    weights = (gradients * activations).sum((2, 3))
    shares: torch.Tensor = torch.where(total == 0.0, 0.0, weights / total)
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
    return (weights[:, :, None, None] * activations).sum(1)


def scorecam(capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
    """Weigh each channel by the score of the image seen through it (Wang et al. 2020, alg. 1).

    Each channel, stretched over the image and scaled to 0..1, masks it; the weights are the softmax
    over the channels of the scores, which makes the baseline's score cancel. A channel with one
    value everywhere shows nothing of the image and has no weight.
    """
    at_once = rows_at_once(capture.model, capture.batch.tensor)

    def weigh(image: int, channels: torch.Tensor) -> Iterator[torch.Tensor]:
        inputs = capture.batch.tensor[image : image + 1]
        for part in torch.split(channels, at_once):
            masks = _unit(capture.activations[layer][image, part].float())[:, None]
            masks = F.interpolate(masks, inputs.shape[2:], mode="bilinear", align_corners=False)
            with torch.inference_mode(), preserve_state(capture.model.module):
                output = capture.model.forward(inputs * masks.to(inputs))
                yield capture.resolved_targets[image].score(output)

    return _tried(capture, layer, weigh, lambda scores: scores.softmax(0), progress)


def ablationcam(capture: Capture, layer: Key, progress: Progress) -> torch.Tensor:
    """Weigh each channel by how far the score falls without it (Desai and Ramaswamy 2020, eq. 3).

    The fall is relative to the size of the score, so that a negative score does not turn the map
    around. Only what lies above the layer runs again. A channel that is zero everywhere makes no
    difference and has no weight.
    """
    at_once = rows_at_once(capture.model, capture.batch.tensor)

    def weigh(image: int, channels: torch.Tensor) -> Iterator[torch.Tensor]:
        inputs = capture.batch.tensor[image : image + 1]
        values = capture.activations[layer][image]
        resumed = ForwardFromLayer(capture.model, inputs, layer)
        whole = capture.scores[image]
        for part in torch.split(channels, at_once):
            without = values.expand(len(part), *values.shape).clone()
            without[torch.arange(len(part)), part] = 0.0
            scores = capture.resolved_targets[image].score(resumed(without))
            yield (whole - scores) / whole.abs().clamp(min=torch.finfo(whole.dtype).tiny)

    return _tried(capture, layer, weigh, lambda falls: falls, progress)


def _tried(
    capture: Capture,
    layer: Key,
    weigh: Callable[[int, torch.Tensor], Iterator[torch.Tensor]],
    settle: Callable[[torch.Tensor], torch.Tensor],
    progress: Progress,
) -> torch.Tensor:
    """Try every channel that is not constant, and sum the maps by the weights that this gives."""
    activations = capture.activations[layer]
    spread = activations.amax((2, 3)) > activations.amin((2, 3))
    total, done = int(spread.sum()), 0
    weights = torch.zeros(spread.shape, device=activations.device)
    for image, alive in enumerate(spread):
        channels = alive.nonzero()[:, 0]
        scores = []
        progress(done, total, f"trying the channels of {layer[0]}")
        for part in weigh(image, channels) if len(channels) else ():
            scores.append(part.float())
            done += len(part)
            progress(done, total, f"trying the channels of {layer[0]}")
        if scores:
            weights[image, channels] = settle(torch.cat(scores))
    return _weighted(activations.float(), weights)


def _unit(maps: torch.Tensor) -> torch.Tensor:
    """Scale each map [K, h, w] from 0 to 1; none of them is constant."""
    low = maps.amin((1, 2), keepdim=True)
    return (maps - low) / (maps.amax((1, 2), keepdim=True) - low)


def fused(maps: list[torch.Tensor], gain: float = 2.0) -> torch.Tensor:
    """Join the maps of several layers into one (Jiang et al. 2021, section III-C).

    Of each map the evidence for the class is scaled to its maximum and sharpened by tanh; the
    largest at each place stands.

    Parameters
    ----------
    maps : list of torch.Tensor
        For each layer [N, h, w]; the result has the size of the largest.
    gain : float
        The factor inside tanh; 2 in the paper.
    """
    height, width = max(
        (tuple(each.shape[1:]) for each in maps), key=lambda size: size[0] * size[1]
    )
    joined = []
    for each in maps:
        positive = each.relu()
        top = positive.amax((1, 2), keepdim=True)
        sharp = torch.tanh(gain * positive / torch.where(top > 0.0, top, 1.0))
        size = (height, width)
        joined.append(
            F.interpolate(sharp[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        )
    return torch.stack(joined).amax(0)
