"""Where a network looked: the class activation maps, all from one capture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cnnviz.errors import LayerError, UsageError
from cnnviz.heatmaps.cam_methods import CAM_METHODS, CamMethod, CamName, fused
from cnnviz.heatmaps.heatmap import Heatmap, photo_fields
from cnnviz.heatmaps.methods import listed_methods
from cnnviz.heatmaps.settings import CamSettings
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import Layers, split
from cnnviz.passes.captures import Capture
from cnnviz.results.docstrings import fill_docstring
from cnnviz.results.progress import Progress, silent
from cnnviz.results.text import listed, plural

_MOST_NAMED = 4
"""How many layers a caption names."""

Method = Annotated[CamName, CAM_METHODS]
"""What the command line offers are the names of the table."""


@fill_docstring(methods=listed_methods(CAM_METHODS))
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
        The layers, by name; "auto" or nothing is the last captured one that holds a map of the
        image, which is the last stage before the head in a capture of "stages"; with `fuse` it is
        all of these. The caption names it. They all come from the one backward pass of the capture.
    method : str
        One of {methods}.
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
        If a layer was not captured, has no gradient, or gives no map of the image.
    UsageError
        If the method is unknown.
    """
    if method not in CAM_METHODS:
        raise UsageError(f"There is no method {method!r}.", f"Choose {', '.join(CAM_METHODS)}.")
    chosen = CAM_METHODS[method]
    named = layer is not None and (layer != "auto" or "auto" in capture.activations)
    if layer is None or not named:
        names = _spatial(capture, chosen, every=fuse)
    else:
        names = split(layer, set(capture.activations))
    for name in names:
        # Refused before anything is computed.
        if not capture.layout(name).dims:
            raise LayerError(
                f"Layer {name!r} gives the shape {list(capture.activations[name].shape)}, not "
                "[N, C, H, W].",
                "Choose a layer with a map of the image.",
            )
    keys = tuple(capture.activations.resolve(name) for name in names)
    maps = [chosen.maps(capture, key, progress) for key in keys]
    if fuse:
        maps, names = [fused(maps)], [" | ".join(names)]
    asks = chosen.explains_class
    return Heatmap(
        provenance=capture.provenance,
        method=method,
        title=f"Fused {chosen.title}" if fuse else chosen.title,
        layers=tuple(names),
        maps=tuple(each.cpu().numpy() for each in maps),
        **photo_fields(capture),
        targets=capture.targets if asks else ("every class",) * len(capture.batch.photos),
        relu=relu,
        notes=(
            *_made_at(capture, keys, chosen_for_you=not named),
            *(capture.saturated if asks else ()),
        ),
        target_classes=capture.target_classes if asks else (),
        explains_class=asks,
        settings=CamSettings(method=method, layers=keys, fused=fuse, rule=capture.rule),
    )


def _made_at(capture: Capture, keys: Sequence[Key], *, chosen_for_you: bool) -> tuple[str, ...]:
    """Say at which layers the maps were made, and what of these is not in them."""
    names = listed([name for name, _ in keys], _MOST_NAMED)
    said = [f"Made at {names}."]
    if chosen_for_you and len(keys) == 1:
        said = [f"Made at {names}, the last captured layer that holds a map of the image."]
    for key in keys:
        apart = capture.layout(key).apart
        if apart:
            said.append(
                f"Set apart at {key[0]}: {plural(apart, 'token')} without a place in the image."
            )
    return tuple(said)


def _spatial(capture: Capture, method: CamMethod, *, every: bool) -> list[str]:
    """Return the captured layers that a map can be made of: all of them, or the last."""
    found = list(capture.mapped(method.usable(capture)))
    if not found:
        raise LayerError(
            "This capture holds no layer with what a map needs: places of the image and a "
            "gradient.",
            "Capture one, such as layers='stages', with gradients=True.",
        )
    return found if every else found[-1:]
