"""Send units back to the pixels: many picks, as few passes as they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.backward_rules import Rule
from cnnviz.errors import LayerError, UsageError
from cnnviz.memory import rows_at_once
from cnnviz.models import Model
from cnnviz.progress import Progress, silent
from cnnviz.projecting.passage import Passage
from cnnviz.projecting.projected import Pick, Projected
from cnnviz.projecting.windows import overlap, window_of
from cnnviz.receptive_fields import Window
from cnnviz.units import check_channels

RULES: tuple[Rule, ...] = ("deconvnet", "guided", "gradient")


def project(
    model: Model,
    inputs: torch.Tensor,
    layer: str,
    picks: Sequence[Pick],
    rule: Rule = "deconvnet",
    *,
    progress: Progress = silent,
) -> Projected:
    """Send what units respond to back to the pixels, one unit at a time.

    The unit's value at its position starts the way back and everything else in its layer is zero
    (Zeiler and Fergus 2013, section 2.1). Convolutions are transposed and max pooling goes back
    through its switches, as the gradient does both; rectifiers follow `rule`.

    Parameters
    ----------
    model : Model
        The network; it is left as it was, and only what lies below the layer runs.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W].
    layer : str
        The layer's name; ``name#1`` is the second call of a layer that is called twice.
    picks : sequence of Pick
        The P units. One that is not active (its value is not above zero) sends nothing back.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers send the signal back: it is rectified itself; rectified and masked
        (Springenberg et al. 2014); or masked only, which is the gradient. The first two start from
        the unit's value, the gradient from one.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in picks.

    Returns
    -------
    Projected
        One entry for each pick, in the order of the picks.

    Raises
    ------
    LayerError
        If the layer or a channel does not exist, or the layer has no channels with positions.
    UsageError
        If there is no pick, a pick lies outside the images or the layer, or the rule is unknown.
    """
    _check(picks, len(inputs), rule)
    inputs = inputs.to(model.device, model.dtype)
    passage = Passage.to(model, inputs, layer)
    work = _Work.empty(passage, inputs, picks, rule)
    done = 0
    for chunk in _chunks(picks, rows_at_once(model, inputs, passage.bytes_each)):
        for count in _send_back(work, inputs, chunk):
            progress(done, len(picks), "sending units back to the pixels")
            done += count
    progress(len(picks), len(picks), "done")
    return work.projected()


def _check(picks: Sequence[Pick], images: int, rule: str) -> None:
    if rule not in RULES:
        raise UsageError(f"There is no rule {rule!r}.", f"Choose {', '.join(RULES)}.")
    if not picks:
        raise UsageError("No unit was picked.", "Pick at least one.")
    for pick in picks:
        if not 0 <= pick.image < images:
            raise UsageError(
                f"There is no image {pick.image}: there are {images}.", "Images count from 0."
            )
        if (pick.row is None) != (pick.column is None):
            raise UsageError(
                "A pick has a row without a column, or a column without a row.",
                "Give both, or neither for the strongest position.",
            )


def _chunks(picks: Sequence[Pick], at_once: int) -> Iterator[dict[int, list[int]]]:
    """Yield the places of picks by image, for as many images as go together.

    Images with many picks come first, so that those that go together have about as many.
    """
    places: dict[int, list[int]] = {}
    for place, pick in enumerate(picks):
        places.setdefault(pick.image, []).append(place)
    images = sorted(places, key=lambda image: -len(places[image]))
    for start in range(0, len(images), at_once):
        yield {image: places[image] for image in images[start : start + at_once]}


@dataclass
class _Work:
    """What is filled in while picks are sent back."""

    passage: Passage
    picks: Sequence[Pick]
    rule: Rule
    image: tuple[int, int]
    channels: int
    windows: list[Window | None]
    signals: NDArray[np.float32] | None
    activations: NDArray[np.float32]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    outside: NDArray[np.float32]
    coverage: str = field(default="")

    @classmethod
    def empty(
        cls, passage: Passage, inputs: torch.Tensor, picks: Sequence[Pick], rule: Rule
    ) -> _Work:
        count = len(picks)
        image = (int(inputs.shape[2]), int(inputs.shape[3]))
        return cls(
            passage=passage,
            picks=picks,
            rule=rule,
            image=image,
            channels=int(inputs.shape[1]),
            windows=[None] * count,
            signals=None,
            activations=np.zeros(count, np.float32),
            rows=np.zeros(count, np.int64),
            columns=np.zeros(count, np.int64),
            outside=np.zeros(count, np.float32),
        )

    def locate(self, place: int, maps: torch.Tensor) -> None:
        """Note position and value of a pick, from the maps [channels, h, w] of its image."""
        pick, layer = self.picks[place], self.passage.layer
        check_channels([pick.channel], len(maps), layer)
        values = maps[pick.channel]
        height, width = values.shape
        row, column = divmod(int(values.argmax()), width)
        if pick.row is not None and pick.column is not None:
            row, column = pick.row, pick.column
        if not (0 <= row < height and 0 <= column < width):
            raise UsageError(
                f"Position ({row}, {column}) lies outside the {height} x {width} maps of {layer}.",
                f"Rows go from 0 to {height - 1} and columns from 0 to {width - 1}.",
            )
        self.rows[place], self.columns[place] = row, column
        self.activations[place] = float(values[row, column])
        found = self.passage.field
        self.windows[place] = window_of(found and found.local, self.image, row, column)

    def keep(self, place: int, signal: torch.Tensor) -> None:
        """Cut a signal [C, H, W] at the network's input to its pick's window."""
        window = self.windows[place]
        assert window is not None
        inside, there = overlap(window, self.image)
        kept = signal[(slice(None), *inside)].float().cpu().numpy()
        self._all()[(place, slice(None), *there)] = kept
        rest = signal.abs()
        total = float(rest.sum())
        rest[(slice(None), *inside)] = 0.0
        self.outside[place] = float(rest.sum()) / total if total > 0.0 else 0.0

    def _all(self) -> NDArray[np.float32]:
        if self.signals is None:
            window = next(window for window in self.windows if window is not None)
            shape = (len(self.picks), self.channels, window.height, window.width)
            self.signals = np.zeros(shape, np.float32)
        return self.signals

    def projected(self) -> Projected:
        return Projected(
            signals=self._all(),
            windows=tuple(window for window in self.windows if window is not None),
            activations=self.activations,
            rows=self.rows,
            columns=self.columns,
            outside=self.outside,
            coverage=self.coverage,
        )


def _send_back(work: _Work, inputs: torch.Tensor, chunk: dict[int, list[int]]) -> Iterator[int]:
    """Send the picks of some images back; yield ahead of each pass how many picks it serves.

    The graph is built once, and one backward pass serves one pick of each image. Several passes
    over the graph of one image are faster on a CPU than one pass over as many copies of the image
    (nine channels of SqueezeNet's features.7 at 224 px, one thread: 0.28 s; nine copies 0.72 s;
    one pass mapped over nine cotangents 0.38 s).
    """
    images = list(chunk)
    maps, leaf, work.coverage = work.passage.run(inputs[images], work.rule)
    if not maps.requires_grad:
        raise LayerError(
            f"Layer {work.passage.layer!r} does not depend on the image in a differentiable way.",
            "Choose another layer.",
        )
    waiting: list[list[tuple[int, int]]] = []
    for index, image in enumerate(images):
        for place in chunk[image]:
            work.locate(place, maps[index].detach())
        active = [place for place in chunk[image] if work.activations[place] > 0.0]
        for turn, place in enumerate(active):
            if turn == len(waiting):
                waiting.append([])
            waiting[turn].append((index, place))
    for turn, pairs in enumerate(waiting):
        yield len(pairs)
        signals = _backward(work, maps, leaf, pairs, keep_graph=turn < len(waiting) - 1)
        for index, place in pairs:
            work.keep(place, signals[index])


def _backward(
    work: _Work,
    maps: torch.Tensor,
    leaf: torch.Tensor,
    pairs: Sequence[tuple[int, int]],
    *,
    keep_graph: bool,
) -> torch.Tensor:
    rows = [index for index, _ in pairs]
    places = [place for _, place in pairs]
    channels = [work.picks[place].channel for place in places]
    with torch.inference_mode(False), torch.enable_grad():
        chosen = maps[rows, channels, work.rows[places].tolist(), work.columns[places].tolist()]
        start = torch.ones_like(chosen) if work.rule == "gradient" else chosen.detach()
        (signal,) = torch.autograd.grad(chosen, leaf, start, retain_graph=keep_graph)
    return signal
