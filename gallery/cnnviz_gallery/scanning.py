"""One pass over a data set: what every channel of the chosen layers responds to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from cnnviz.answers import distribution
from cnnviz.datasets import Dataset, Loaded, nothing_left, stream
from cnnviz.errors import LayerError, TargetError, UsageError
from cnnviz.hooks import listening, untouched
from cnnviz.layers import kind, select, split
from cnnviz.models import Model
from cnnviz.progress import Progress, silent
from cnnviz.projecting import Passage
from cnnviz.stages import STAGES, call_order
from cnnviz.targets import logits_of
from cnnviz_gallery import counting, layer_scan
from cnnviz_gallery.layer_scan import LayerScan
from cnnviz_gallery.picks import Picks
from cnnviz_gallery.scanned import Answers, Data, Grouping, Network, Scan, Settings, Skipped


def scan(
    model: Model,
    data: Dataset,
    layers: str | Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Scan:
    """Run every image of a data set through a network once, and keep what its channels respond to.

    Memory does not grow with the number of images, but for the answers: 16 bytes for each.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    data : Dataset
        The images.
    layers : str or sequence of str, optional
        Layers by kind, pattern or name (see `cnnviz.layers.select`), or "stages"; by default every
        convolution and linear layer.
    settings : Settings, optional
        What is kept of each channel.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in images.

    Raises
    ------
    LayerError
        If a layer does not exist, is not called, or has no channels.
    ImageError
        If no image can be read.
    UsageError
        If images come out in different sizes.
    """
    chosen = settings or Settings()
    names = scannable(model, layers)
    with stream(data, model, chosen.batch_size) as batches:
        counted: _Counting | None = None
        done = 0
        for batch in batches:
            progress(done, len(data), "scanning")
            if counted is None:
                counted = _Counting(model, data, names, chosen, batch)
            counted.add(batch)
            done += len(batch)
        refused = dict(batches.refused)
    if counted is None:
        raise nothing_left(list(refused.values()), data)
    progress(len(data), len(data), "scanned")
    return counted.scan([Skipped(at, each.name, each.reason) for at, each in refused.items()])


def scannable(model: Model, layers: str | Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the calls of the chosen layers in the order of the forward pass.

    Raises
    ------
    LayerError
        If none of the layers is called.
    """
    inputs = torch.zeros(1, *model.input_shape, device=model.device, dtype=model.dtype)
    order = call_order(model, inputs)
    if layers is None:
        wanted = {
            name
            for name, module in model.module.named_modules()
            if name and kind(module) in ("conv", "linear")
        }
    else:
        items = split(layers)
        stages = list(order.stages()) if STAGES in items else []
        items = [item.partition("#")[0] for item in items if item != STAGES] + stages
        wanted = set(select(model.module, items))
    often = {call.name for call in order.calls if call.index}
    found = tuple(
        f"{call.name}#{call.index}" if call.name in often else call.name
        for call in order.calls
        if call.name in wanted
    )
    if not found:
        raise LayerError("None of these layers is called.", "See `cnnviz layers`.")
    return found


class _Counting:
    """What is known after some batches."""

    def __init__(
        self,
        model: Model,
        data: Dataset,
        names: Sequence[str],
        settings: Settings,
        first: Loaded,
    ) -> None:
        self._model, self._data, self._settings = model, data, settings
        self._shape = tuple(first.tensor.shape[1:])
        self._passages = {
            passage.key: passage for passage in Passage.each(model, first.tensor[:1], names)
        }
        self._maps: dict[tuple[str, int], torch.Tensor] = {}
        logits = self._forward(first.tensor[:1])
        shapes = {key: _shape(maps) for key, maps in self._maps.items()}
        units = {
            key: counting.unit_for(float(maps.abs().max())) for key, maps in self._maps.items()
        }
        classes = 0 if logits is None else logits.shape[1]
        self._grouping: Grouping = "labels" if _labelled(data, first) else "predictions"
        groups = (len(data.classes) or classes) if self._grouping == "labels" else classes
        self._counts = np.zeros(groups, np.int64)
        self._answers = _no_answers(len(data)) if classes else None
        self._layers = {
            key: layer_scan.empty(
                passage.layer, shapes[key], units[key], groups, settings.kept, settings.sample
            )
            for key, passage in self._passages.items()
        }

    def add(self, batch: Loaded) -> None:
        """Count one batch."""
        if tuple(batch.tensor.shape[1:]) != self._shape:
            raise UsageError(
                f"Images come out as {list(self._shape)} and as {list(batch.tensor.shape[1:])}.",
                "A gallery needs one size: give the network a preprocessing with a crop.",
            )
        logits = self._forward(batch.tensor)
        groups = self._answered(batch, logits)
        known = groups >= 0
        np.add.at(self._counts, groups[known], 1)
        for key, layer in self._layers.items():
            part = _counted(layer, self._maps[key], batch.indices, groups)
            self._layers[key] = layer_scan.merged([layer, part], self._settings.seed)

    def scan(self, skipped: Sequence[Skipped]) -> Scan:
        """Return what was found."""
        model, data = self._model, self._data
        return Scan(
            network=Network(
                model.name,
                model.weights,
                model.sha256,
                model.preprocessing.describe(),
                (self._shape[0], self._shape[1], self._shape[2]),
                model.categories or (),
            ),
            data=Data(data.describe(), data.fingerprint, len(data), data.classes),
            settings=self._settings,
            layers=tuple(self._layers.values()),
            grouping=self._grouping,
            group_counts=self._counts,
            answers=self._answers,
            skipped=tuple(skipped),
            notes=(*model.notes, *data.notes),
        )

    def _forward(self, inputs: torch.Tensor) -> torch.Tensor | None:
        """Run the network, keep the maps of each layer, and return its logits if it has some."""
        calls: dict[str, int] = {}
        modules = {name: self._model.module.get_submodule(name) for name, _ in self._passages}

        def keep(name: str, _module: Any, _inputs: Any, output: Any) -> None:
            key = (name, calls.get(name, 0))
            calls[name] = key[1] + 1
            if key in self._passages:
                # A later in-place layer may write to it.
                self._maps[key] = self._passages[key].maps(output).float().clone()

        with ExitStack() as scope:
            scope.enter_context(torch.inference_mode())
            scope.enter_context(untouched(self._model.module))
            scope.enter_context(listening(modules, after=keep))
            output = self._model.forward(inputs.clone())
        try:
            logits = logits_of(output)
        except TargetError:  # such as a map of classes for every pixel
            return None
        return logits if logits.ndim == 2 else None

    def _answered(self, batch: Loaded, logits: torch.Tensor | None) -> np.ndarray[Any, Any]:
        """Note the answers to a batch, and return the group of each image, -1 for none."""
        labels = batch.labels
        top = np.full(len(batch), -1, np.int64)
        if self._answers is not None and logits is not None:
            shares = distribution(logits)[0].numpy()
            top = shares.argmax(1)
            rows = np.arange(len(batch))
            self._answers.top[batch.indices] = top
            self._answers.probability[batch.indices] = shares[rows, top]
            self._answers.labels[batch.indices] = labels
            known = (labels >= 0) & (labels < shares.shape[1])
            self._answers.label_probability[batch.indices[known]] = shares[
                rows[known], labels[known]
            ]
        groups = labels if self._grouping == "labels" else top
        return np.where((groups >= 0) & (groups < len(self._counts)), groups, -1)


def _shape(maps: torch.Tensor) -> tuple[int, int, int]:
    _, channels, height, width = maps.shape
    return channels, height, width


def _labelled(data: Dataset, first: Loaded) -> bool:
    return bool((first.labels >= 0).any()) or data.label(0) is not None


def _no_answers(count: int) -> Answers:
    none, nan = np.full(count, -1, np.int32), np.full(count, np.nan, np.float32)
    return Answers(none, nan, none.copy(), nan.copy())


def _counted(
    layer: LayerScan, maps: torch.Tensor, places: np.ndarray[Any, Any], groups: Any
) -> LayerScan:
    """Return what a batch [N, C, H, W] of a layer adds to it."""
    count, channels, _, width = maps.shape
    flat = maps.flatten(2)
    peaks, at = flat.max(2)
    at = at.cpu()
    values = peaks.T.cpu().contiguous().numpy()
    picks = Picks(
        np.broadcast_to(places, (channels, count)).copy(),
        values,
        (at // width).T.contiguous().numpy(),
        (at % width).T.contiguous().numpy(),
    )
    part = layer_scan.empty(layer.layer, layer.shape, layer.unit, layer.group_sums.shape[1], 1, 1)
    rows = np.broadcast_to(np.arange(channels), (count, channels))
    np.add.at(part.histogram, (rows, counting.bin_of(peaks).cpu().numpy()), 1)
    positive = counting.in_units(peaks.clamp(min=0.0), layer.unit).cpu().numpy()
    known = groups >= 0
    np.add.at(part.group_sums.T, groups[known], positive[known])
    return replace(
        part,
        images=count,
        positions=count * flat.shape[2],
        strongest=picks,
        sample=picks,
        active_images=(peaks > 0).sum(0).cpu().numpy(),
        active_positions=(flat > 0).sum((0, 2)).cpu().numpy(),
        sums=counting.in_units(peaks, layer.unit).sum(0).cpu().numpy(),
        lowest=values.min(1),
    )
