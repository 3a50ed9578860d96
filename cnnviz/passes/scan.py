"""One streaming pass over a data set: what chosen layers give for every image, seen once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from cnnviz.datasets import Dataset, LoadedBatch, Stream, nothing_left, stream
from cnnviz.errors import ModelChangedError, ModelError
from cnnviz.images import Refusal
from cnnviz.introspection.fast_copy import UnsoundFoldError
from cnnviz.introspection.function_calls import unwatched
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.passes_anew import anew
from cnnviz.introspection.saved_state import version
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.call_order import call_order
from cnnviz.passes.independence import independence
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.memory_shortage import is_short, release
from cnnviz.passes.precision import BF16, MEASURED, Precision, check_precision
from cnnviz.passes.run_to_layer import PartialForward, not_called
from cnnviz.passes.scan_way import ScanWay, scan_way
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import AS_IT_IS

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
    way : ScanWay, optional
        On what they were computed; None where there were none.
    itself : int
        How many the network itself computed, where others were computed on something else: those of
        another size than the first, and those for which it went another way.
    """

    images: int
    refused: Mapping[int, Refusal]
    way: ScanWay | None = None
    itself: int = 0

    @property
    def computed_on(self) -> str:
        """On what they were computed, for the provenance of a result."""
        if self.way is None:
            return AS_IT_IS
        return self.way.told + (f"; {AS_IT_IS} for {self.itself} of them" if self.itself else "")


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
    way: ScanWay | None = None,
    precision: Precision = "float32",
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
        next layer may write to it. They lie in it in any order, and are in bfloat16 where that was
        asked for.
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
    way : ScanWay, optional
        On what they are computed, where that was decided before (see `way_to_scan`): by default it
        is decided by the images of this call.
    precision : {"float32", "bf16"}
        In what they are computed, where there is no `way`; see `cnnviz.passes.precision`.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each batch, with the rate so far.

    Returns
    -------
    Scanned

    Raises
    ------
    LayerError
        If a layer does not exist, is not called for every image, or gives no channels with
        positions.
    ImageError
        If there were images, and none of them could be read.
    """
    chosen = range(len(dataset)) if indices is None else indices
    if not len(chosen):
        return ScannedImages(0, {})
    if way is None:
        way = way_to_scan(
            *(model, dataset, layers, chosen), precision=precision, answered=answered is not None
        )
    sample = first_batch(dataset, model, chosen)
    listener = _Listener.of(way, sample.tensor, layers, see)
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
        images = listener.run(batches, len(chosen), progress)
        return ScannedImages(images, dict(batches.refused), way, listener.itself)


def way_to_scan(
    model: Model,
    dataset: Dataset,
    layers: Sequence[str],
    indices: Sequence[int] | None = None,
    *,
    precision: Precision = "float32",
    answered: bool = True,
) -> ScanWay:
    """Decide on what the images of a scan are computed, for all calls that it is made of.

    Takes what `scan` takes; `answered` is whether the answers of the network are wanted.

    Raises
    ------
    UsageError
        If the network cannot be computed in such a precision here.
    ImageError
        If no image can be read.
    """
    check_precision(precision, model)
    chosen = range(len(dataset)) if indices is None else indices
    sample = first_batch(dataset, model, chosen, MEASURED if precision == BF16 else 1)
    asked = partial(scan_way, images=len(chosen), precision=precision, answered=answered)
    return asked(model, sample.tensor, layers)


def rows_of_scan(model: Model, sample: LoadedBatch, layers: Sequence[str]) -> int:
    """Return how many images `scan` sends through the network together where nobody says."""
    itself = ScanWay(model, model, model, tuple(sample.tensor.shape[1:]))
    listener = _Listener.of(itself, sample.tensor, layers, lambda *_: None)
    return rows_at_once(model, sample.tensor, listener.bytes_each)


def first_batch(
    dataset: Dataset, model: Model, indices: Sequence[int], count: int = 1
) -> LoadedBatch:
    """Return the first image that can be read, alone in a batch.

    With `count` more images come with it: those of the next so many places that can be read and
    have its size.

    Raises
    ------
    ImageError
        If there is none.
    """
    refused: list[Refusal] = []
    for at, index in enumerate(indices):
        places = [index, *indices[at + 1 : at + count]]
        with stream(
            dataset, model.preprocessing, count, 1, places, device=model.device, dtype=model.dtype
        ) as batches:
            for batch in batches:
                return batch
            refused += batches.refused.values()
    raise nothing_left(refused, dataset)


@dataclass
class _Listener:
    """Hands what the layers give to whoever sees it, and ends the pass after the last of them."""

    see: See
    way: ScanWay
    passages: Mapping[Key, PartialForward]
    last: Key | None
    bytes_each: int
    answered: Answered | None = None
    rows: int = 0
    writes: bool | None = None
    """Whether the network writes to its input; None until it was seen."""
    batch: LoadedBatch | None = None
    itself: int = 0
    seen: set[Key] = field(default_factory=set)
    """The layers that were shown of this batch."""
    most: int | None = None
    """How many images there was memory for, once there was too little for a batch."""
    forwards: dict[int, Callable[..., Any]] = field(default_factory=dict)
    """By the id of a network its pass, of which each meets it as the first did."""

    @classmethod
    def of(cls, way: ScanWay, inputs: torch.Tensor, layers: Sequence[str], see: See) -> _Listener:
        if not layers:  # what a network answers needs nothing to be known of its layers
            return cls(see, way, {}, None, 0)
        model = way.model
        found = PartialForward.each(model, inputs, layers)
        passages = {passage.key: passage for passage in found}
        ends = [(c.name, c.index) for c in call_order(model, inputs).calls]
        return cls(
            see=see,
            way=way,
            passages=passages,
            last=next((end for end in reversed(ends) if end in passages), None),
            bytes_each=max(passage.bytes_each for passage in found),
        )

    def run(self, batches: Stream, total: int, progress: Progress) -> int:
        images, what, start = 0, "reading images", time.perf_counter()
        rows = self.rows
        computing = {id(each.module): each for each in self._computing()}
        with ExitStack() as scope:
            scope.enter_context(freed_memory_kept())
            for place, each in computing.items():
                scope.enter_context(isolated(each.module, grad=False))
                self.forwards[place] = anew(each.module, each.forward)
            progress(0, total, what)
            for batch in batches:
                self._within_memory(batch, rows, set())
                self._check_all_seen(batches.dataset.name(int(batch.indices[0])))
                images += len(batch)
                rate = images / max(time.perf_counter() - start, 1e-9)
                progress(images + len(batches.refused), total, f"{rate:.3g} images/s")
        if not images:
            raise nothing_left(list(batches.refused.values()), batches.dataset)
        return images

    def _computing(self) -> Sequence[Model]:
        return self.way.model, self.way.computing, self.way.others

    def _within_memory(self, batch: LoadedBatch, rows: int, shown: set[Key]) -> None:
        """Run a batch; where there is too little memory for it, half as many images at once.

        Images of a smaller batch round differently. Layers that were shown of the whole batch, as
        far as there was memory for it, are not shown again.
        """
        size = max(rows, len(batch))
        if self.most is None or size <= self.most:
            self.batch, self.seen, self.rows = batch, set(shown), rows
            try:
                self._forward(batch)
                return
            except Exception as error:
                if size == 1 or not is_short(error):
                    raise
            # Not in the handler, where the error holds all that the pass has made.
            release()
            self.most, shown = -(-size // 2), set(self.seen)
        for part in batch.parts(self.most):
            self._within_memory(part, self.most if rows else 0, shown)

    def _forward(self, batch: LoadedBatch) -> None:
        tensor = batch.tensor
        lacking = self.rows - len(tensor)
        if lacking > 0:
            tensor = torch.cat([tensor, tensor[:1].expand(lacking, *tensor.shape[1:])])
        output = self._run(tensor, len(batch))
        if self.answered is not None:
            self.answered(output, batch)

    def _check_all_seen(self, image: str) -> None:
        """Raise `LayerError` where a layer was not called: its counts would be of other images."""
        lacking = [each.layer for key, each in self.passages.items() if key not in self.seen]
        if lacking:
            raise not_called(lacking, image)

    def _run(self, tensor: torch.Tensor, count: int) -> Any:
        computing = self.way.of(tensor)
        if computing is not self.way.model:
            # Where it goes another way than for the first image, or gives what is no number, the
            # network itself is asked, for what was not seen yet.
            try:
                output = self._pass(computing, tensor, doubted=True)
                if not _any_nan(output):
                    return output
            except (UnsoundFoldError, ModelError, ModelChangedError) as error:
                if is_short(error):
                    raise
        self.itself += count * (self.way.computing is not self.way.model)
        return self._pass(self.way.model, tensor, doubted=False)

    def _pass(self, computing: Model, tensor: torch.Tensor, *, doubted: bool) -> Any:
        # An in-place first layer may not write to what `see` is shown.
        given = tensor.clone() if self.writes is not False else tensor
        before = version(given)
        ends = () if self.last is None else (self.last,)
        modules = {name: computing.module.get_submodule(name) for name, _ in self.passages}
        take = partial(self._take, doubted=doubted)
        forward = self.forwards[id(computing.module)]
        output = run_to(forward, given, modules, ends, after=take)
        self.writes = bool(self.writes) or version(given) != before
        return output

    def _take(self, key: Key, _inputs: Any, output: Any, *, doubted: bool) -> None:
        passage = self.passages.get(key)
        if passage is None or self.batch is None or key in self.seen:
            return
        count = len(self.batch)
        maps = passage.maps(output, max(self.rows, count))
        # What is more than a tensor has functions of its own.
        with unwatched() if type(maps) is torch.Tensor else nullcontext():
            # Where a layer is read that was folded away, against all that was seen of the network,
            # there are no numbers anywhere in a map.
            if doubted and bool(maps.flatten(2)[:, :, :1].isnan().any()):
                raise UnsoundFoldError
            self.seen.add(key)
            self.see(passage.layer, maps[:count], self.batch)


def _any_nan(output: Any) -> bool:
    floats = (each for each in tree_leaves(output) if isinstance(each, torch.Tensor))
    return any(bool(each.isnan().any()) for each in floats if each.is_floating_point())
