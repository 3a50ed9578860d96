"""One pass over a data set: what every channel of the chosen layers responds to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cnnviz.datasets import Dataset, nothing_left
from cnnviz.default_device import made_on_the_processor
from cnnviz.errors import LayerError
from cnnviz.images import Refusal
from cnnviz.introspection.layers import Layers, items, kind, named_layers, without_call
from cnnviz.introspection.tolerance import told_rounding
from cnnviz.introspection.tracing.map_layout import NoMap
from cnnviz.models import Model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.call_order import call_order
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.precision import check_precision
from cnnviz.passes.processes import ALONE, Processes, sharing
from cnnviz.passes.scan_plan import agree, depends_on, shard_size
from cnnviz.passes.shared_scan import EVERY, SharedScan
from cnnviz.passes.spatial_maps import passed_by
from cnnviz.passes.stages import STAGES, CallOrder
from cnnviz.results.progress import Progress, silent
from cnnviz.results.shard_files import ShardFiles
from cnnviz.results.text import plural
from cnnviz_gallery.scan.accumulator import Accumulator
from cnnviz_gallery.scan.partial_scan import PartialScan, PartialScans
from cnnviz_gallery.scan.plan import ScanPlan, class_names, plan_scan
from cnnviz_gallery.scan.scan_result import Data, Network, ScanResult, ScanSettings

FORMAT = "cnnviz scan parts 5"


@made_on_the_processor()
def scan(
    model: Model,
    data: Dataset,
    layers: Layers | None = None,
    *,
    settings: ScanSettings | None = None,
    folder: Path | None = None,
    shard: int | None = None,
    workers: int | None = None,
    every: float = EVERY,
    progress: Progress = silent,
    alone: bool = False,
) -> ScanResult:
    """Run every image of a data set through a network once, and keep what its channels respond to.

    Memory does not grow with the number of images, but for the answers: 16 bytes for each. With a
    folder a scan that was interrupted goes on, and one that is complete is only read. Processes
    that `torchrun` has started share the work, and each returns the whole scan; what is found is
    the same to the last bit as with a single one.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    data : Dataset
        The images.
    layers : sequence of str or str, optional
        Layers by kind, pattern or name (see `cnnviz.introspection.layers.select`), or "stages"; by
        default every convolution and linear layer.
    settings : ScanSettings, optional
        What is kept of each channel.
    folder : Path, optional
        Where what was found so far is kept, apart for each network, data set and choice of
        settings. Several processes must see the same one.
    shard : int, optional
        Images in a shard, rounded up to whole batches: the work is shared out and kept in shards.
        By default a 64th of the images, and at most 512.
    workers : int, optional
        Threads that read images; one for each processor, up to 8, by default.
    every : float
        Seconds between writing to the folder; more where writing takes long.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in the images of this process.
    alone : bool
        Whether this process scans all by itself, though `torchrun` has started others.

    Raises
    ------
    LayerError
        If a layer does not exist, is not called, or has no channels.
    ImageError
        If no image can be read.
    UsageError
        If images come out in different sizes, several processes share no folder, or the machine
        does not compute in the precision of the settings.
    OutputError
        If the folder cannot be written to. All that was written before stays.
    """
    chosen = settings or ScanSettings()
    check_precision(chosen.precision, model)
    with nullcontext(ALONE) if alone else sharing(folder, "a scan") as processes:
        start, whole, run = _shared(
            model, data, layers, chosen, folder, shard, workers, every, progress, processes
        )
    if len(whole.skipped) == len(data):
        raise nothing_left([Refusal(e.name, e.reason, "") for e in whole.skipped], data)
    progress(len(data), len(data), "scanned")
    return replace(
        _scan(model, data, chosen, start, whole),
        computed_on=run.computed_on,
        bf16_error=run.bf16_error,
    )


def _shared(
    model: Model,
    data: Dataset,
    layers: Layers | None,
    settings: ScanSettings,
    folder: Path | None,
    shard: int | None,
    workers: int | None,
    every: float,
    progress: Progress,
    processes: Processes,
) -> tuple[ScanPlan, PartialScan, SharedScan[PartialScan]]:
    """Return what all processes find together, and what it began with."""
    names = scannable(model, layers)
    size = shard_size(len(data), settings.batch_size, shard)
    files: ShardFiles[PartialScan] = ShardFiles(folder, key(model, data, names, settings, size))
    start = agree(
        files,
        processes,
        find=lambda: plan_scan(model, data, names),
        read=ScanPlan.from_json,
        kind=lambda plan: PartialScans(plan, settings.seed),
    )
    kind, counter = (
        PartialScans(start, settings.seed),
        Accumulator(start, settings, len(data), model),
    )
    sizes = size, settings.batch_size
    run = SharedScan(
        model,
        data,
        names,
        files,
        kind,
        processes,
        *sizes,
        even=True,
        workers=workers,
        precision=settings.precision,
    )
    run.count(counter, every if folder else float("inf"), progress)
    return start, run.finish(), run


def key(
    model: Model, data: Dataset, names: Sequence[str], settings: ScanSettings, shard: int
) -> dict[str, Any]:
    """Return everything that what is found in a shard depends on."""
    kept = {"format": FORMAT, "settings": settings, "shard": shard}
    return depends_on(model, data, names, settings.precision, **kept)


def scannable(model: Model, layers: Layers | None = None) -> tuple[str, ...]:
    """Return the calls of the chosen layers in the order of the forward pass.

    Without a choice these are the convolutions and linear layers whose output depends on the image.

    Raises
    ------
    LayerError
        If none of the layers is called.
    """
    check_takes_images(model, "gallery")
    order = _blank_order(model)
    if layers is None:
        beside = set(beside_the_image(model))
        wanted = {
            name
            for name, module in model.module.named_modules()
            if name and kind(module) in ("conv", "linear") and name not in beside
        }
    else:
        wanted = _wanted(model, layers, order)
    found = tuple(
        order.written(call.name, call.index) for call in order.calls if call.name in wanted
    )
    if not found:
        raise LayerError(
            "None of these layers is called for the blank image, by which layers are found.",
            "See `cnnviz layers`.",
        )
    return found


def beside_the_image(model: Model) -> tuple[str, ...]:
    """Return the layers none of whose calls depends on the image, as those of a second input."""
    calls = _blank_order(model).calls
    called = dict.fromkeys(call.name for call in calls)
    seen = {call.name for call in calls if call.map is not NoMap.NO_IMAGE}
    return tuple(name for name in called if name not in seen)


def _blank_order(model: Model) -> CallOrder:
    inputs = torch.zeros(1, *model.input_shape, device=model.device, dtype=model.dtype)
    return call_order(model, inputs)


def _wanted(model: Model, layers: Layers, order: CallOrder) -> set[str]:
    """Return the chosen layers; those that are named themselves have to be called."""
    known, called = named_layers(model.module), {call.name for call in order.calls}
    wanted: set[str] = set()
    for item in items(layers, known):
        text = without_call(item.text, known)
        named = [text] if item.name or text != item.text else text
        found = choose(model, named, {STAGES: order.stage_layers()})
        if text in known and list(found) == [text] and text not in called:
            raise LayerError(passed_by(text, "blank image"), "Choose another layer.")
        wanted.update(found)
    return wanted


def _scan(
    model: Model, data: Dataset, settings: ScanSettings, start: ScanPlan, found: PartialScan
) -> ScanResult:
    lost = [layer.layer for layer in found.layers if not layer.finite]
    rounded = told_rounding(model.device, model.dtype)
    odd = f"Some values of {', '.join(lost)} are not finite numbers." if lost else ""
    told = filter(None, (rounded, odd, _unlabelled(data, start, found)))
    return ScanResult(
        network=Network(
            model.name,
            model.weights,
            model.sha256,
            model.preprocessing.describe(),
            start.input_shape,
            class_names(model),
        ),
        data=Data(data.describe(), data.fingerprint, len(data), data.classes),
        settings=settings,
        layers=found.layers,
        grouping=start.grouping,
        group_counts=found.counts,
        answers=found.answers,
        skipped=found.skipped,
        notes=(
            *model.notes,
            *data.notes,
            *told,
        ),
    )


def _unlabelled(data: Dataset, start: ScanPlan, found: PartialScan) -> str:
    """Say how many images count in no class, where classes are labels."""
    images = found.layers[0].images
    left = images - int(found.counts.sum())
    if start.grouping == "predictions" or not left:
        return ""
    some, classes = f"{left} of {plural(images, 'image')}", len(found.counts)
    beyond = _beyond(data, found, classes)
    such = f", such as {beyond}" if beyond else ""
    return f"{some} have no label of one class{such}: they count in none."


def _beyond(data: Dataset, found: PartialScan, classes: int) -> str:
    """Name the first image whose label is none of the classes; "" where there is none."""
    told = {at: label for at in range(len(data)) if (label := data.label(at)) is not None}
    if found.answers is not None:
        # Some data sets tell a label with the image alone.
        told = dict(enumerate(found.answers.labels.tolist())) | told
    odd = next(((at, label) for at, label in sorted(told.items()) if label >= classes), None)
    if odd is None:
        return ""
    return f"{data.name(odd[0])} with the label {odd[1]}, where they go from 0 to {classes - 1}"
