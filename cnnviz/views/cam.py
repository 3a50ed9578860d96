"""Where a network looked: the class activation maps, all from one capture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from cnnviz.captures import Capture
from cnnviz.errors import LayerError, UsageError
from cnnviz.heatmaps import Heatmap
from cnnviz.layers import split

Method = Literal["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam"]
Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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


def eigencam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
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


@dataclass(frozen=True)
class _Method:
    title: str
    rule: Rule
    of_a_class: bool = True


_METHODS: dict[str, _Method] = {
    "gradcam": _Method("Grad-CAM", gradcam),
    "gradcam++": _Method("Grad-CAM++", gradcam_plus_plus),
    "xgradcam": _Method("XGrad-CAM", xgradcam),
    "hirescam": _Method("HiResCAM", hirescam),
    "layercam": _Method("LayerCAM", layercam),
    "eigencam": _Method("Eigen-CAM", eigencam, of_a_class=False),
}


def cam(
    capture: Capture,
    layer: str | Sequence[str] | None = None,
    method: Method = "gradcam",
    *,
    relu: bool = True,
) -> Heatmap:
    """Return class activation maps of one or several captured layers.

    Parameters
    ----------
    capture : Capture
        A capture with gradients.
    layer : str or sequence of str, optional
        The layers, by name; by default the last captured one with a spatial extent. All of them
        come from the one backward pass of the capture.
    method : {"gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam"}
        Grad-CAM (Selvaraju et al. 2017), Grad-CAM++ (Chattopadhay et al. 2018), XGrad-CAM (Fu et
        al. 2020), HiResCAM (Draelos and Carin 2020), LayerCAM (Jiang et al. 2021) or Eigen-CAM
        (Muhammad and Yeasin 2020), which asks for no class.
    relu : bool
        True draws only the evidence for the target, as the paper does; False draws both signs. The
        maps keep both signs either way.

    Returns
    -------
    Heatmap

    Raises
    ------
    LayerError
        If a layer was not captured, has no gradient, or no spatial extent.
    UsageError
        If the method is unknown.
    """
    if method not in _METHODS:
        raise UsageError(f"There is no method {method!r}.", f"Choose {', '.join(_METHODS)}.")
    chosen = _METHODS[method]
    names = [_last_spatial(capture, chosen)] if layer is None else split(layer)
    maps = []
    for name in names:
        activations = capture.activations[name]
        if activations.ndim != 4:
            raise LayerError(
                f"Layer {name!r} gives the shape {list(activations.shape)}, not [N, C, H, W].",
                "Choose a layer with a spatial extent.",
            )
        gradients = capture.gradients[name] if chosen.of_a_class else activations
        maps.append(chosen.rule(activations.float(), gradients.float()).cpu().numpy())
    count = len(capture.batch.photos)
    return Heatmap(
        provenance=capture.provenance,
        method=method,
        title=chosen.title,
        layers=tuple(names),
        maps=tuple(maps),
        images=tuple(photo.name for photo in capture.batch.photos),
        photos=tuple(photo.pixels for photo in capture.batch.photos),
        boxes=capture.batch.boxes,
        targets=capture.targets if chosen.of_a_class else ("every class",) * count,
        relu=relu,
    )


def _last_spatial(capture: Capture, method: _Method) -> str:
    held = capture.gradients if method.of_a_class else capture.activations
    for name in reversed(list(held)):
        values = capture.activations[name]
        if values.ndim == 4 and values.shape[2] * values.shape[3] > 1:
            return name
    raise LayerError(
        "This capture holds no layer with what a map needs: a spatial extent and a gradient.",
        "Capture one, such as layers='stages', with gradients=True.",
    )
