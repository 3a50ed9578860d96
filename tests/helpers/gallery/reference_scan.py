"""A scan written without regard to speed or memory: what any other scan must agree with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from cnnviz.datasets import Dataset, open_dataset, stream
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz_gallery.scan import layer_result, quantised_sums
from cnnviz_gallery.scan.ranked_images import RankedImages
from cnnviz_gallery.scan.scan_result import (
    Answers,
    Data,
    Network,
    ScanResult,
    ScanSettings,
    Skipped,
)
from tests.helpers.gallery.empty_layer import empty_layer


def scan(
    model: Model,
    data: Dataset,
    layers: str | Sequence[str] = "conv",
    settings: ScanSettings | None = None,
) -> ScanResult:
    settings = settings or ScanSettings()
    images = open_dataset(data)
    categories = model.categories or ()
    labelled = any(images.label(place) is not None for place in range(len(images)))
    groups = len(images.classes) if labelled else len(categories)
    counts = np.zeros(groups, np.int64)
    answers = Answers(
        np.full(len(images), -1, np.int32),
        np.full(len(images), np.nan, np.float32),
        np.full(len(images), -1, np.int32),
        np.full(len(images), np.nan, np.float32),
    )
    found: dict[str, layer_result.LayerResult] = {}
    with stream(
        images, model.preprocessing, settings.batch_size, 1, device=model.device, dtype=model.dtype
    ) as batches:
        for batch in batches:
            seen = capture(model, batch.tensor, layers=layers, gradients=False)
            shares = seen.logits.double().softmax(1).numpy()
            for row, place in enumerate(batch.indices):
                label = int(batch.labels[row])
                answers.top[place] = shares[row].argmax()
                answers.probability[place] = shares[row].max()
                answers.labels[place] = label
                told = images.classes[label] if label >= 0 else ""
                if told in categories:
                    at = categories.index(told)
                    answers.label_probability[place] = shares[row, at]
                group = label if labelled else int(answers.top[place])
                counts[group] += 1
                for name, values in seen.activations.items():
                    one = values[row].reshape(values.shape[1], -1)
                    if name not in found:
                        shape = (*values.shape[1:], 1, 1)[:3]
                        units = quantised_sums.units_for(one.abs().amax(1).numpy())
                        found[name] = empty_layer(
                            name,
                            shape,
                            units,
                            groups,
                            settings.kept,
                            settings.sample,
                            quantised_sums.centres_for(one.amax(1), units),
                        )
                    entry = single(found[name], one, int(place), group)
                    found[name] = layer_result.merged([found[name], entry], settings.seed)
    skipped = [Skipped(place, each.name, each.reason) for place, each in batches.refused.items()]
    return ScanResult(
        network=Network(
            model.name,
            model.weights,
            model.sha256,
            model.preprocessing.describe(),
            model.input_shape,
            categories,
        ),
        data=Data(images.describe(), images.fingerprint, len(images), images.classes),
        settings=settings,
        layers=tuple(found.values()),
        grouping="labels" if labelled else "predictions",
        group_counts=counts,
        answers=answers,
        skipped=tuple(skipped),
        notes=images.notes,
    )


def single(
    layer: layer_result.LayerResult, values: torch.Tensor, place: int, group: int
) -> layer_result.LayerResult:
    """Return what one image [C, positions] adds."""
    empty = empty_layer(
        layer.layer, layer.shape, layer.units, layer.group_sums.shape[1], 1, 1, layer.centres
    )
    peaks, at = values.max(1)
    width = layer.shape[2]
    pick = RankedImages(
        np.full((len(values), 1), place),
        peaks[:, None].numpy(),
        (at // width)[:, None].numpy(),
        (at % width)[:, None].numpy(),
    )
    units = torch.from_numpy(layer.units)
    bins = quantised_sums.bin_of(peaks, layer.unit).numpy()
    empty.histogram[np.arange(len(values)), bins] += 1
    above = quantised_sums.in_units(peaks.clamp(min=0), units).numpy()
    empty.group_sums[:, group] += above
    empty.group_squares[:, group] += quantised_sums.squares_of(
        above - layer.centres, quantised_sums.finer_than(layer.units)
    )
    return replace(
        empty,
        images=1,
        positions=values.shape[1],
        strongest=pick,
        sample=pick,
        active_images=(peaks > 0).long().numpy(),
        active_positions=(values > 0).sum(1).numpy(),
        sums=quantised_sums.in_units(peaks, units).numpy(),
        lowest=peaks.numpy(),
    )
