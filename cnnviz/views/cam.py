"""Where a network looked: the class activation maps, all from one capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch

from cnnviz.bounds import bounded
from cnnviz.errors import LayerError, UsageError
from cnnviz.heatmaps.cam_methods import CAM_METHODS, CamMethod, CamName, GradientCam
from cnnviz.heatmaps.cancelled_weights import Weighing, undone
from cnnviz.heatmaps.constant_scores import constant_told, gradient_swings
from cnnviz.heatmaps.doubts import CANCELLED, CONSTANT, SATURATED, UNDONE, Doubts, doubts
from cnnviz.heatmaps.heatmap import Heatmap, photo_fields
from cnnviz.heatmaps.map_places import covered, fused, over_image, summed
from cnnviz.heatmaps.methods import listed_methods
from cnnviz.heatmaps.settings import CamSettings
from cnnviz.introspection.call_names import call_name
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import Layers, check_calls_layers, named_layers, split
from cnnviz.introspection.tracing.map_layout import Extent, whole
from cnnviz.passes.box_targets import asked_boxes, overlaps_told
from cnnviz.passes.captured import Capture, check_capture
from cnnviz.passes.fast_model import now_computed_on
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.no_map import no_map
from cnnviz.passes.precision import BF16, Precision, check_precision, trials_in
from cnnviz.passes.targets import Scores
from cnnviz.results.docstrings import fill_docstring
from cnnviz.results.progress import Announce, Progress, ToldCost, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.text import layer_said, listed, plural

_MOST_NAMED = 4
"""How many layers a caption names."""

Method = Annotated[CamName, CAM_METHODS]
"""What the command line offers are the names of the table."""


@fill_docstring(methods=listed_methods(CAM_METHODS))
@in_smaller_batches
@bounded
def cam(
    capture: Capture,
    layer: Layers | None = None,
    method: Method = "gradcam",
    *,
    relu: bool = True,
    fuse: bool = False,
    precision: Precision = "float32",
    progress: Progress = silent,
    announce: Announce | None = None,
) -> Heatmap:
    """Return class activation maps of one or several captured layers.

    Parameters
    ----------
    capture : Capture
        A capture with gradients.
    layer : str or sequence of str, optional
        The layers, by name; "auto" or nothing is the last captured one that holds a map of the
        image, which is the last stage before the head in a capture of "stages"; with `fuse` it is
        all of these. Of a detector it is the levels of its pyramid, joined into one map. The
        caption names them. They all come from the one backward pass of the capture.
    method : str
        One of {methods}.
    relu : bool
        True draws only the evidence for the target, as the paper does; False draws both signs. The
        maps keep both signs either way.
    fuse : bool
        True joins the maps of all layers into one (Jiang et al. 2021), which has the sharpness of
        the shallow layers and the meaning of the deep ones. The levels of a detector's pyramid are
        joined by their sum, as if their channels were those of one layer.
    precision : {"float32", "bf16"}
        The precision of the passes of scorecam: bfloat16 is faster where the processor or GPU
        supports it, and rounds to about three digits. The difference from float32 is measured on
        the first passes and reported.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while channels are tried out.
    announce : callable, optional
        Called with a sentence where trying them out takes long: how many passes, and how long.

    Returns
    -------
    Heatmap

    Raises
    ------
    LayerError
        If a layer was not captured, has no gradient, or gives no map of the image.
    UsageError
        If the method is unknown.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> capture = cnnviz.capture(model, photo, layers="stages")
    >>> cnnviz.cam(capture).maps[0].shape
    (1, 12, 12)
    >>> cnnviz.cam(capture, method="layercam", fuse=True).layers
    ('features.1 | features.4 | features.11',)
    """
    check_capture(capture, "cam")
    chosen = _chosen_method(method, precision)
    check_precision(precision, capture.model)
    names, fuse, named = _chosen_layers(capture, layer, chosen, fuse=fuse)
    for name in names:  # refused before anything is computed
        capture.check_map(name)
    keys = tuple(capture.activations.resolve(name) for name in names)
    passes = sum(_channels(capture, key) for key in keys)
    told = ToldCost(progress, announce, passes, f"passes, one for each channel ({chosen.title}),")
    with trials_in(precision, capture.model) as tried:
        maps = [chosen.maps(capture, key, told) for key in keys]
    extents = [capture.layout(key).extent for key in keys]
    by_sum = fuse and set(names) <= set(capture.pyramid)
    notes = [
        *_made_at(capture, keys, chosen_for_you=not named),
        *_beyond_or_within(extents, capture.model.space.noun),
        *(_of_levels(capture, keys, relu=relu) if by_sum else ()),
        *(chosen.told_of_boxes() if capture.detects else ()),
    ]
    doubted = _doubts(capture, chosen, keys, maps, fuse=fuse)
    asks = chosen.explains_class
    if asks:
        images = [photo.name for photo in capture.batch.photos]
        notes += overlaps_told(capture.resolved_targets, images)
    maps = _on_image(maps, extents, fuse=fuse, by_sum=by_sum, relu=relu)
    provenance = capture.provenance
    if chosen.by_trial:
        provenance = _of_trials(capture, precision, tried.error)
        notes += filter(None, [provenance.precision])
    return Heatmap(
        provenance=provenance,
        method=method,
        title=f"Fused {chosen.title}" if fuse else chosen.title,
        layers=_shown_layers(names, fuse=fuse, by_sum=by_sum),
        maps=tuple(each.cpu().numpy() for each in maps),
        **photo_fields(capture),
        targets=capture.targets if asks else ("every class",) * len(capture.batch.photos),
        relu=relu,
        notes=(*notes, *filter(None, [capture.model.explained_input])),
        doubts=doubted.said,
        marks=doubted.marks,
        target_classes=capture.target_classes if asks else (),
        explains_class=asks,
        settings=CamSettings(method=method, layers=keys, fused=fuse, rule=capture.rule, relu=relu),
        asked_boxes=asked_boxes(capture.resolved_targets) if asks and capture.detects else (),
    )


def _chosen_method(method: str, precision: Precision) -> CamMethod:
    if method not in CAM_METHODS:
        raise UsageError(f"There is no method {method!r}.", f"Choose {', '.join(CAM_METHODS)}.")
    chosen = CAM_METHODS[method]
    if precision == BF16 and method != "scorecam":
        raise UsageError(
            f"{chosen.title} computes no changed images, which alone are computed in bfloat16.",
            "Leave the precision at float32, or choose scorecam.",
        )
    return chosen


def _of_trials(capture: Capture, precision: Precision, error: float | None) -> Provenance:
    """Return where maps come from whose passes are many, and may have run elsewhere."""
    where = now_computed_on(capture.model, capture.batch.tensor)
    where += ", in bfloat16" if precision == BF16 else ""
    return replace(capture.provenance, computed_on=where, bf16_error=error)


def _channels(capture: Capture, key: Key) -> int:
    """Return how many channels a layer has for all images, as many passes as there may be."""
    return capture.layout(key).channels * len(capture.batch.photos)


def _chosen_layers(
    capture: Capture, layer: Layers | None, method: CamMethod, *, fuse: bool
) -> tuple[list[str], bool, bool]:
    """Return the layers, whether their maps are joined, and whether the layers were named."""
    if layer is not None and (layer != "auto" or "auto" in capture.activations):
        return split(layer, set(capture.activations)), fuse, True
    levels = _levels(capture, method)
    if levels:
        return levels, fuse or len(levels) > 1, False
    return _spatial(capture, method, every=fuse), fuse, False


def _shown_layers(names: Sequence[str], *, fuse: bool, by_sum: bool) -> tuple[str, ...]:
    if not fuse:
        return tuple(names)
    return (f"pyramid of {len(names)} levels" if by_sum else " | ".join(names),)


def _doubts(
    capture: Capture,
    method: CamMethod,
    keys: Sequence[Key],
    maps: Sequence[torch.Tensor],
    *,
    fuse: bool,
) -> Doubts:
    """Say why maps must not be read as evidence, and set those to zero that are known not to be."""
    count = len(capture.batch.photos)
    said, marks = list[str](), [[""] * count for _ in keys]
    if isinstance(method, GradientCam) and method.weighing is not None:
        said = _undone(capture, method, method.weighing, keys, maps, marks)
    if fuse:  # One of those that are joined may be evidence.
        marks = [[min(each, key=bool) for each in zip(*marks, strict=True)]]
    if not method.explains_class:
        return doubts(said, marks)
    constant, sure = _constant(capture, method), capture.saturated
    said += [*sure.values(), *constant.values()]
    return doubts(said, marks, (CONSTANT, constant), (SATURATED, sure))


def _undone(
    capture: Capture,
    method: GradientCam,
    weighing: Weighing,
    keys: Sequence[Key],
    maps: Sequence[torch.Tensor],
    marks: Sequence[list[str]],
) -> list[str]:
    """Set maps to zero whose weights what follows undoes, and say so; or that it is not known."""
    said, images = [], [photo.name for photo in capture.batch.photos]
    for key, found, own in zip(keys, maps, marks, strict=True):
        weights = undone(capture, key, weighing)
        found[weights.known] = 0.0
        said += weights.told(method.title, key[0], images)
        values = capture.activation_maps(key)
        terms = weighing.terms(values, capture.gradient_maps(key))
        # Without a value and a gradient in one channel the map is zero for another reason.
        weighed = (terms.flatten(2).any(2) & values.flatten(2).any(2)).any(1)
        blank = (weighed & ~weights.known & ~found.flatten(1).any(1)).nonzero()[:, 0].tolist()
        if blank:
            names = listed([images[image] for image in blank], _MOST_NAMED)
            said.append(
                f"{method.title} is zero at {layer_said(key[0])} for {names}: {weighing.cancelled}."
            )
        for mark, places in (
            (CANCELLED, [*blank, *weights.unknown.nonzero()[:, 0].tolist()]),
            (UNDONE, weights.known.nonzero()[:, 0].tolist()),
        ):
            for place in places:
                own[place] = mark
    return said


def _constant(capture: Capture, method: CamMethod) -> dict[int, str]:
    """Say of which images the maps tell nothing, since nothing moves their scores."""
    # Differences of scores, or shares of them, tell nothing of whether the scores differ.
    swings = torch.full((len(capture.batch.photos),), torch.nan)
    if isinstance(method, GradientCam):
        swings = gradient_swings(capture)
    return constant_told(capture, Scores(capture.scores, capture.resolved_targets), swings)


def _on_image(
    maps: list[torch.Tensor], extents: list[Extent], *, fuse: bool, by_sum: bool, relu: bool
) -> list[torch.Tensor]:
    """Return the maps that are drawn, over the image and no more than it."""
    if by_sum:
        return [summed(maps, extents, relu=relu)]
    cut = [
        one if extent == whole(len(extent)) else over_image(one, extent, covered(one, extent))
        for one, extent in zip(maps, extents, strict=True)
    ]
    return [fused(cut)] if fuse else cut


def _beyond_or_within(extents: list[Extent], noun: str) -> tuple[str, ...]:
    """Say of maps that they cover more than the input, or less."""
    ends = [each for extent in extents for each in extent]
    said = []
    if any(begin < 0.0 or end > 1.0 for begin, end in ends):
        said.append(
            f"The network puts the {noun} on a larger canvas; of the maps what lies over the "
            f"{noun} is shown."
        )
    if any(begin > 0.0 or end < 1.0 for begin, end in ends):
        said.append(
            f"The network cuts a part out of the {noun} and sees that alone: the map lies over it, "
            "and is zero around it."
        )
    return tuple(said)


def _levels(capture: Capture, method: CamMethod) -> list[str]:
    """Return the levels of a detector's pyramid that were captured and hold what a map needs."""
    usable = capture.mapped(method.usable(capture)) if capture.detects else ()
    return [name for name in usable if name in capture.pyramid]


def _of_levels(capture: Capture, keys: Sequence[Key], *, relu: bool) -> list[str]:
    """Say how the levels were joined, and of which image none of them has any evidence."""
    clipped = "after evidence against is set to zero at its own resolution, " if relu else ""
    said = [
        "These are the levels of the detector's pyramid: the map of each, "
        f"{clipped}is stretched to the size of the finest, and they are summed as they are, "
        "without a scale of their own."
    ]
    for image, photo in enumerate(capture.batch.photos):
        if any(_reaches(capture, key, image) for key in keys):
            continue
        others = [name for name in capture.pyramid if name in capture.gradients]
        points = [name for name in others if capture.gradients[name][image].any()]
        why = f"; it comes from {listed(points, _MOST_NAMED)}, a single position, which has no map"
        said.append(
            f"{photo.name}: the score depends on none of these levels{why if points else ''}."
        )
    return said


def _reaches(capture: Capture, key: Key, image: int) -> bool:
    try:
        return bool(capture.gradient_maps(key)[image].any())
    except LayerError:
        return False


def _made_at(capture: Capture, keys: Sequence[Key], *, chosen_for_you: bool) -> tuple[str, ...]:
    """Say at which layers the maps were made, and what of these is not in them."""
    names = listed([layer_said(_called(capture, key)) for key in keys], _MOST_NAMED)
    noun = capture.model.space.noun
    said = [f"Made at {names}."]
    if chosen_for_you and len(keys) == 1:
        said = [
            f"Made at {names}, the last captured layer that holds a map of features of the {noun}."
        ]
    for key in keys:
        layout = capture.layout(key)
        if layout.apart:
            apart = plural(layout.apart, layout.noun)
            said.append(
                f"Set apart at {layer_said(key[0])}: {apart} without a place in the {noun}."
            )
    return tuple(said)


def _called(capture: Capture, key: Key) -> str:
    """Return what a call is asked for by, and how many there are where it has several."""
    times = sum(other == key[0] for other, _ in capture.activations.calls)
    called = call_name(*key, times)
    return called if times == 1 else f"{called} (of {times} calls, #0 to #{times - 1})"


def _spatial(capture: Capture, method: CamMethod, *, every: bool) -> list[str]:
    """Return the captured layers that a map can be made of: all of them, or the last.

    Of maps of the classes themselves there is one only where nothing else was captured.
    """
    found = list(capture.mapped(method.usable(capture)))
    if not found:
        if not named_layers(capture.model.module):
            raise no_map(capture.model)
        check_calls_layers(capture.model.module)
        if not capture.mapped():
            # The reason of the first that is refused holds for those after it as well.
            for call in capture.activations.calls:
                capture.layout(capture.activations.name_of(call))
        raise LayerError(
            "This capture holds no layer with what a map needs: places of the image and a "
            "gradient.",
            "Capture one, such as layers='stages', with gradients=True."
            if len(capture.activations)
            else "If layers='stages' found none, name a layer to be told why it holds no map.",
            option="Name a layer with --layer to be told why it holds no map.",
        )
    features = [name for name in found if not capture.holds_classes(name)] or found
    return features if every else features[-1:]
