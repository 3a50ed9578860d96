"""One streaming pass over a data set: what chosen layers give for every image, seen once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnviz.datasets import Dataset, LoadedBatch, Stream, nothing_left, stream
from cnnviz.images import Refusal
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.saved_state import version
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.call_order import call_order
from cnnviz.passes.independence import independence
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.run_to_layer import PartialForward
from cnnviz.results.progress import Progress, silent

See = Callable[[str, torch.Tensor, LoadedBatch], None]
"""``see(layer, maps, batch)``: maps [N, C, H, W], valid until it returns."""
Answered = Callable[[Any, LoadedBatch], None]
"""``answered(output, batch)``: what the network returned."""


@dataclass(frozen=True)
class ScannedImages:
    """What a pass saw.

    Attributes
    ----------
    images : int
        How many images went through the network.
    refused : dict of int to Refusal
        Those that could not be read, by their place in the data set.
    """

    images: int
    refused: Mapping[int, Refusal]


def scan(
    model: Model,
    dataset: Dataset,
    layers: Sequence[str],
    see: See,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    indices: Sequence[int] | None = None,
    even: bool = False,
    within: int | None = None,
    answered: Answered | None = None,
    progress: Progress = silent,
) -> ScannedImages:
    """Send every image of a data set through the network, as far as the last of some layers.

    Images are read by background threads while the network runs, and nothing is kept but what
    `see` keeps: memory does not grow with the data set.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    dataset : Dataset
        The images.
    layers : sequence of str
        Names of layers; ``name#1`` is the second call of a layer that is called twice. None are
        needed with `answered`.
    see : callable
        Called as ``see(layer, maps, batch)`` for each layer and batch, in the order of calls. The
        maps [N, C, H, W] (1 x 1 for a layer without positions) are the layer's own memory: the
        next layer may write to it.
    batch_size, workers : int, optional
        Images in a batch, and threads that read; by default what suits this machine. Images that
        change each other's answers are read one at a time in any case.
    indices : sequence of int, optional
        Which images, in this order; all by default.
    even : bool
        Fill a batch that is not full up with copies of its first image. Batches of different sizes
        round differently; in batches of one size an image gives the same to the last bit, whatever
        images come with it, and however they are shared out between processes.
    within : int, optional
        Cut the data set into blocks of so many places; no batch has images of two of them.
    answered : callable, optional
        Run the network to its end, and call ``answered(output, batch)`` after each batch, when its
        layers were seen. With `even` the output has rows for the copies as well, at its end.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each batch, with the rate so far.

    Returns
    -------
    Scanned

    Raises
    ------
    LayerError
        If a layer does not exist, is not called, or gives no channels with positions.
    ImageError
        If there were images, and none of them could be read.
    """
    chosen = range(len(dataset)) if indices is None else indices
    if not len(chosen):
        return ScannedImages(0, {})
    sample = first_batch(dataset, model, chosen)
    listener = _Listener.of(model, sample.tensor, layers, see)
    if answered is not None:
        listener.answered, listener.last = answered, None
    size = batch_size or rows_at_once(model, sample.tensor, listener.bytes_each)
    if size > 1 and independence(model, sample.tensor).alone:
        size = 1
    with stream(
        dataset,
        model.preprocessing,
        size,
        workers,
        chosen,
        within=within,
        device=model.device,
        dtype=model.dtype,
    ) as batches:
        listener.rows = size if even else 0
        images = listener.run(model, batches, len(chosen), progress)
        return ScannedImages(images, dict(batches.refused))


def first_batch(dataset: Dataset, model: Model, indices: Sequence[int]) -> LoadedBatch:
    """Return the first image that can be read, alone in a batch.

    Raises
    ------
    ImageError
        If there is none.
    """
    refused: list[Refusal] = []
    for index in indices:
        with stream(
            dataset, model.preprocessing, 1, 1, [index], device=model.device, dtype=model.dtype
        ) as batches:
            for batch in batches:
                return batch
            refused += batches.refused.values()
    raise nothing_left(refused, dataset)


@dataclass
class _Listener:
    """Hands what the layers give to whoever sees it, and ends the pass after the last of them."""

    see: See
    passages: Mapping[Key, PartialForward]
    modules: Mapping[str, nn.Module]
    last: Key | None
    bytes_each: int
    answered: Answered | None = None
    rows: int = 0
    writes: bool | None = None
    """Whether the network writes to its input; None until it was seen."""
    batch: LoadedBatch | None = None

    @classmethod
    def of(cls, model: Model, inputs: torch.Tensor, layers: Sequence[str], see: See) -> _Listener:
        if not layers:  # what a network answers needs nothing to be known of its layers
            return cls(see, {}, {}, None, 0)
        found = PartialForward.each(model, inputs, layers)
        passages = {passage.key: passage for passage in found}
        ends = [(c.name, c.index) for c in call_order(model, inputs).calls]
        return cls(
            see=see,
            passages=passages,
            modules={name: model.module.get_submodule(name) for name, _ in passages},
            last=next((end for end in reversed(ends) if end in passages), None),
            bytes_each=max(passage.bytes_each for passage in found),
        )

    def run(self, model: Model, batches: Stream, total: int, progress: Progress) -> int:
        images, what, start = 0, "reading images", time.perf_counter()
        with ExitStack() as scope:
            scope.enter_context(freed_memory_kept())
            scope.enter_context(isolated(model.module, grad=False))
            progress(0, total, what)
            for batch in batches:
                self.batch = batch
                self._forward(model, batch)
                images += len(batch)
                rate = images / max(time.perf_counter() - start, 1e-9)
                progress(images + len(batches.refused), total, f"{rate:.3g} images/s")
        if not images:
            raise nothing_left(list(batches.refused.values()), batches.dataset)
        return images

    def _forward(self, model: Model, batch: LoadedBatch) -> None:
        tensor = batch.tensor
        lacking = self.rows - len(tensor)
        if lacking > 0:
            tensor = torch.cat([tensor, tensor[:1].expand(lacking, *tensor.shape[1:])])
        elif self.writes is not False:
            # An in-place first layer may not write to what `see` is shown.
            tensor = tensor.clone()
        before = version(tensor)
        ends = () if self.last is None else (self.last,)
        output = run_to(model.forward, tensor, self.modules, ends, after=self._take)
        if self.answered is not None:
            self.answered(output, batch)
        self.writes = bool(self.writes) or version(tensor) != before

    def _take(self, key: Key, _inputs: Any, output: Any) -> None:
        passage = self.passages.get(key)
        if passage is not None and self.batch is not None:
            count = len(self.batch)
            maps = passage.maps(output, max(self.rows, count))
            self.see(passage.layer, maps[:count], self.batch)
