"""Where a network looked: the class activation maps, all from one capture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from cnnviz.errors import LayerError, UsageError
from cnnviz.heatmaps import cam_methods
from cnnviz.heatmaps.heatmap import Heatmap, photo_fields
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import Layers, split
from cnnviz.passes.captures import Capture
from cnnviz.results.progress import Progress, silent

Method = Literal[
    "gradcam",
    "gradcam++",
    "xgradcam",
    "hirescam",
    "layercam",
    "eigencam",
    "scorecam",
    "ablationcam",
]
ByGradient = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
ByTrial = Callable[[Capture, Key, Progress], torch.Tensor]


@dataclass(frozen=True)
class _CamMethod:
    """A method of the family: one of `by_gradient`, `by_trial` or `by_activation` makes its map."""

    title: str
    by_gradient: ByGradient | None = None
    by_trial: ByTrial | None = None
    by_activation: Callable[[torch.Tensor], torch.Tensor] | None = None

    def maps(self, capture: Capture, layer: str, progress: Progress) -> torch.Tensor:
        """Return the signed maps of a layer, [N, h, w]."""
        if self.by_trial is not None:
            return self.by_trial(capture, capture.activations.resolve(layer), progress)
        values = capture.activations[layer].float()
        if self.by_activation is not None:
            return self.by_activation(values)
        if self.by_gradient is None:
            raise LookupError(f"{self.title} has no rule.")
        return self.by_gradient(values, capture.gradients[layer].float())


_METHODS: dict[str, _CamMethod] = {
    "gradcam": _CamMethod("Grad-CAM", cam_methods.gradcam),
    "gradcam++": _CamMethod("Grad-CAM++", cam_methods.gradcam_plus_plus),
    "xgradcam": _CamMethod("XGrad-CAM", cam_methods.xgradcam),
    "hirescam": _CamMethod("HiResCAM", cam_methods.hirescam),
    "layercam": _CamMethod("LayerCAM", cam_methods.layercam),
    "eigencam": _CamMethod("Eigen-CAM", by_activation=cam_methods.eigencam),
    "scorecam": _CamMethod("Score-CAM", by_trial=cam_methods.scorecam),
    "ablationcam": _CamMethod("Ablation-CAM", by_trial=cam_methods.ablationcam),
}


def cam(
    capture: Capture,
    layer: Layers | None = None,
    method: Method = "gradcam",
    *,
    relu: bool = True,
    fuse: bool = False,
    progress: Progress = silent,
) -> Heatmap:
    """Return class activation maps of one or several captured layers.

    Parameters
    ----------
    capture : Capture
        A capture with gradients.
    layer : str or sequence of str, optional
        The layers, by name; by default the last captured one with a spatial extent, and with
        `fuse` all of these. They all come from the one backward pass of the capture.
    method : str
        "gradcam" (Selvaraju et al. 2017), "gradcam++" (Chattopadhay et al. 2018), "xgradcam" (Fu et
        al. 2020), "hirescam" (Draelos and Carin 2020), "layercam" (Jiang et al. 2021), "eigencam"
        (Muhammad and Yeasin 2020), which asks for no class, "scorecam" (Wang et al. 2020) or
        "ablationcam" (Desai and Ramaswamy 2020). The last two try every channel out, and run the
        network many times.
    relu : bool
        True draws only the evidence for the target, as the paper does; False draws both signs. The
        maps keep both signs either way.
    fuse : bool
        True joins the maps of all layers into one (Jiang et al. 2021), which has the sharpness of
        the shallow layers and the meaning of the deep ones.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while channels are tried out.

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
    names = split(layer) if layer is not None else _spatial(capture, chosen, every=fuse)
    for name in names:
        if capture.activations[name].ndim != 4:
            raise LayerError(
                f"Layer {name!r} gives the shape {list(capture.activations[name].shape)}, not "
                "[N, C, H, W].",
                "Choose a layer with a spatial extent.",
            )
    maps = [chosen.maps(capture, name, progress) for name in names]
    if fuse:
        maps, names = [cam_methods.fused(maps)], [" | ".join(names)]
    asks = chosen.by_activation is None
    return Heatmap(
        provenance=capture.provenance,
        method=method,
        title=f"Fused {chosen.title}" if fuse else chosen.title,
        layers=tuple(names),
        maps=tuple(each.cpu().numpy() for each in maps),
        **photo_fields(capture.batch),
        targets=capture.targets if asks else ("every class",) * len(capture.batch.photos),
        relu=relu,
    )


def _spatial(capture: Capture, method: _CamMethod, *, every: bool) -> list[str]:
    """Return the captured layers that a map can be made of: all of them, or the last."""
    held = capture.gradients if method.by_gradient else capture.activations
    found = [
        name
        for name in held
        if capture.activations[name].ndim == 4 and capture.activations[name][0, 0].numel() > 1
    ]
    if not found:
        raise LayerError(
            "This capture holds no layer with what a map needs: a spatial extent and a gradient.",
            "Capture one, such as layers='stages', with gradients=True.",
        )
    return found if every else found[-1:]
