"""The two ways back to the pixels: through whole images, or through crops that hold the units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from cnnviz.errors import LayerError, ModelError
from cnnviz.introspection.forward import backward_pass
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.receptive_fields import Box
from cnnviz.passes.independence import independence
from cnnviz.units.projection.crops import Crops
from cnnviz.units.projection.projection_state import ProjectionState
from cnnviz.units.projection.unit_projections import UnitPosition

_MOST = 64
"""Crops in one batch; more gain nothing."""


class MisfitError(Exception):
    """A unit has another value in its crop than in the image."""


def whole_images(work: ProjectionState, at_once: int) -> Iterator[int]:
    """Send the picks back through whole images; yield how many picks each pass served.

    The graph of an image is built once, and one backward pass serves one pick of each image.
    Several passes over the graph of one image are faster on a CPU than one pass over as many copies
    of the image (nine channels of SqueezeNet's features.7 at 224 px, one thread: 0.28 s; nine
    copies 0.72 s; one pass mapped over nine starts 0.38 s).
    """
    for chunk in _chunks(work.picks, at_once):
        waiting, located = chunk, False
        while waiting:
            images = list(waiting)
            maps, leaf, work.coverage = work.passage.run(work.inputs[images], work.rule)
            if not located:
                for index, image in enumerate(images):
                    for place in chunk[image]:
                        work.locate(place, maps[index].detach())
                waiting = {image: work.active(places) for image, places in chunk.items()}
                located = True
            turns = _turns(list(waiting.values()))
            for number, turn in enumerate(turns):
                _send_turn(work, maps, leaf, turn, keep_graph=number < len(turns) - 1)
                yield len(turn)
            # A pass goes back through every image of the graph: for few of them make another.
            waiting = {image: places[len(turns) :] for image, places in waiting.items()}
            waiting = {image: places for image, places in waiting.items() if places}


def _turns(places: Sequence[Sequence[int]]) -> list[list[tuple[int, int]]]:
    """Return passes of one pick of each image (index, place), while half of the images have one."""
    turns: list[list[tuple[int, int]]] = []
    while True:
        at = len(turns)
        turn = [(index, each[at]) for index, each in enumerate(places) if len(each) > at]
        if 2 * len(turn) < len(places) or not turn:
            # Something has to be sent, or the next graph would be of the same images.
            return turns or ([turn] if turn else [])
        turns.append(turn)


def _send_turn(
    work: ProjectionState,
    maps: torch.Tensor,
    leaf: torch.Tensor,
    turn: Sequence[tuple[int, int]],
    *,
    keep_graph: bool,
) -> None:
    indices, places = zip(*turn, strict=True)
    where = [work.position(place) for place in places]
    chosen = _values(work, maps, indices, places, where)
    signals = _backward(work, chosen, leaf, keep_graph=keep_graph)
    for index, place in turn:
        work.keep(place, signals[index])


def crops_only(work: ProjectionState, crops: Crops, at_once: int) -> Iterator[int]:
    """Send the picks back through crops of the images; yield how many picks each pass served.

    Each unit finds its whole field in its crop, at the same place of every layer's grid, so it has
    the same value there and the same way back; the value is checked.

    Raises
    ------
    MisfitError
        If a unit has another value in its crop: the network does not treat all places alike.
    """
    for chunk in _chunks(work.picks, at_once):
        maps, _, _ = work.passage.run(work.inputs[list(chunk)])
        for index, places in enumerate(chunk.values()):
            for place in places:
                work.locate(place, maps[index])
    active = work.active(range(len(work.picks)))
    alone = independence(work.passage.model, work.inputs).alone
    step = 1 if alone else max(1, min(_MOST, int(at_once / crops.share)))
    for start in range(0, len(active), step):
        places = active[start : start + step]
        _send_crops(work, crops, places)
        yield len(places)


def _send_crops(work: ProjectionState, crops: Crops, places: Sequence[int]) -> None:
    around = [crops.around(work.windows[place]) for place in places]
    parts = [
        work.inputs[work.picks[place].image][(slice(None), *_inside(crop))]
        for place, crop in zip(places, around, strict=True)
    ]
    where = [
        crops.position(crop, work.position(place))
        for place, crop in zip(places, around, strict=True)
    ]
    if min(min(position) for position in where) < 0:
        raise MisfitError
    try:
        maps, leaf, work.coverage = work.passage.run(torch.stack(parts), work.rule)
        chosen = _values(work, maps, range(len(places)), places, where)
    except (ModelError, LayerError, IndexError) as error:
        raise MisfitError from error
    expected = torch.as_tensor(work.activations[places], device=chosen.device)
    # Another shape of input may be summed in another order, which moves the last digits.
    slack = min(0.05, 1000 * torch.finfo(chosen.dtype).eps) * float(expected.max())
    if not bool(((chosen.detach() - expected).abs() <= slack).all()):
        raise MisfitError
    signals = _backward(work, chosen, leaf)
    for place, crop, signal in zip(places, around, signals, strict=True):
        work.keep(place, signal, crop.starts)


def _inside(box: Box) -> tuple[slice, ...]:
    return tuple(map(slice, box.starts, box.ends))


def _chunks(picks: Sequence[UnitPosition], at_once: int) -> Iterator[dict[int, list[int]]]:
    """Yield the places of picks by image, for as many images as go together.

    Images with many picks come first, so that those that go together have about as many.
    """
    places: dict[int, list[int]] = {}
    for place, pick in enumerate(picks):
        places.setdefault(pick.image, []).append(place)
    images = sorted(places, key=lambda image: -len(places[image]))
    for start in range(0, len(images), at_once):
        yield {image: places[image] for image in images[start : start + at_once]}


def _values(
    work: ProjectionState,
    maps: torch.Tensor,
    indices: Sequence[int],
    places: Sequence[int],
    where: Sequence[tuple[int, ...]],
) -> torch.Tensor:
    """Return the values of picks in maps [B, channels, h, w], with their graph."""
    channels = [work.picks[place].channel for place in places]
    at = [list(axis) for axis in zip(*where, strict=True)]
    entries: tuple[Any, ...] = (list(indices), channels, *at)
    with torch.inference_mode(False), torch.enable_grad():
        chosen = maps[entries]
    work.passage.check_differentiable(chosen)
    return chosen


def _backward(
    work: ProjectionState, chosen: torch.Tensor, leaf: torch.Tensor, *, keep_graph: bool = False
) -> torch.Tensor:
    """Return what the chosen values send back to the inputs, [B, C, H, W]."""
    start = torch.ones_like(chosen) if work.rule == "gradient" else chosen.detach()
    # A network that computes parts anew on the way back has to be in the state it was in.
    with isolated(work.passage.model.module, grad=True), backward_pass(work.passage.model.name):
        (signals,) = torch.autograd.grad(chosen, leaf, start, retain_graph=keep_graph)
    return signals
