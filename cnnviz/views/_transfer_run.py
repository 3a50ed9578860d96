"""The trainings of a transfer, and what fine-tuning changed in the network."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.course.cka import LEAST, MinibatchCKA, gram
from cnnviz.course.small_trainings import one_thread
from cnnviz.course.transfer import (
    HEAD_RATE,
    accuracy,
    fit_head,
    headless,
    run,
    train_whole,
    with_new_head,
)
from cnnviz.datasets.workers import default_workers
from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.randomisation import all_layers, redraw
from cnnviz.introspection.layers import Layers, named_layers, select, without_call
from cnnviz.introspection.random_draws import RandomDraws
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.passes.stages import STAGES
from cnnviz.results.progress import Progress
from cnnviz.results.text import listed
from cnnviz.views._transfer_material import Material

FROZEN, TUNED, SCRATCH = "frozen", "fine-tuned", "scratch"
METHODS = (FROZEN, TUNED, SCRATCH)
RATES = {TUNED: 5e-4, SCRATCH: 2e-3}
"""The learning rate of all layers, but for the new last one in fine-tuning; chosen on seeds that
no default uses."""
_SHARES = {FROZEN: 0.0, TUNED: 0.5, SCRATCH: 1.0}
"""Fine-tuning fits its samples in fewer epochs, so that it is given half as many."""
REFERENCE = 128
"""Samples a class of which a training sees each as often as `epochs` says."""
_MOST_CONVOLUTIONS = 12
COMPARED = 128
"""Of how many images that judge the CKA is, at most."""
_AT_ONCE = 32


@dataclass(frozen=True)
class Found:
    """What M methods made of N numbers of samples with S seeds.

    Attributes
    ----------
    accuracy, train_accuracy : ndarray of float64
        The shares that are right, [M, N, S].
    layers : tuple of str
        The L layers that are compared before and after fine-tuning.
    cka, weight_change : ndarray of float64
        [L, S], after fine-tuning on the most samples; empty where nothing was fine-tuned.
    """

    accuracy: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    layers: tuple[str, ...]
    cka: NDArray[np.float64]
    weight_change: NDArray[np.float64]


def epochs_for(method: str, epochs: int, per_class: int) -> int:
    """Return how often a method sees each sample; of a quarter as many each twice as often."""
    share = _SHARES[method]
    return max(1, round(share * epochs * math.sqrt(REFERENCE / per_class))) if share else 0


def run_all(
    material: Material,
    methods: Sequence[str],
    samples: Sequence[int],
    epochs: int,
    seeds: Sequence[int],
    layers: Layers | None,
    progress: Progress,
) -> Found:
    """Train with every method, number of samples and seed."""
    found = np.zeros((2, len(methods), len(samples), len(seeds)))
    jobs = [
        _Training(material, method, n, epochs, place, seed)
        for place, seed in enumerate(seeds)
        for n in samples
        for method in methods
        if method != FROZEN
    ]
    progress(0, len(jobs), "features of the frozen network")
    if FROZEN in methods:
        found[:, methods.index(FROZEN)] = _frozen(material, samples, len(seeds))
    changes = _Changes.of(material, layers) if TUNED in methods else _Changes()
    for done, (job, trained) in enumerate(_side_by_side(jobs)):
        at = methods.index(job.method), samples.index(job.per_class), job.place
        found[:, *at] = trained.accuracies
        if job.method == TUNED and job.per_class == max(samples):
            changes.add(trained.network)
        progress(done + 1, len(jobs), f"{job.method}, {job.per_class} a class, seed {job.seed}")
    cka, weights = changes.arrays(len(seeds))
    return Found(found[0], found[1], changes.layers, cka, weights)


def _frozen(material: Material, samples: Sequence[int], seeds: int) -> NDArray[np.float64]:
    """Fit new heads to the features, which are computed once; accuracies [2, N, S]."""
    pool, classes = material.pool, len(material.classes)
    features = run(headless(material.model.module, material.head), pool.inputs)
    found = np.zeros((2, len(samples), seeds))
    for n, place in product(range(len(samples)), range(seeds)):
        own = material.train(place, samples[n])
        # A caller may hold gradients off.
        with torch.inference_mode(False), torch.enable_grad():
            head = fit_head(features[own], pool.labels[own], classes)
        for at, places in enumerate((material.judging, own)):
            found[at, n, place] = head.accuracy(features[places], pool.labels[places])
    return found


@dataclass(frozen=True)
class _Trained:
    network: nn.Module
    accuracies: tuple[float, float]


@dataclass(frozen=True)
class _Training:
    """A training of the whole network, from its own weights or from weights drawn anew."""

    material: Material
    method: str
    per_class: int
    epochs: int
    place: int
    seed: int

    def __call__(self) -> _Trained:
        material, model = self.material, self.material.model
        network = with_new_head(model.module, material.head, len(material.classes))
        if self.method == SCRATCH:
            every = all_layers(model, material.pool.inputs[:1])
            # What computed the weight of the head went with it.
            kept = [name for name in every if not name.startswith(f"{material.head}.")]
            redraw(network, kept, self.seed)
        network = network.to(memory_format=torch.channels_last)
        own = material.pool.at(material.train(self.place, self.per_class))
        epochs, rate = epochs_for(self.method, self.epochs, self.per_class), RATES[self.method]
        rates = (rate, HEAD_RATE if self.method == TUNED else rate)
        with torch.inference_mode(False), torch.enable_grad():
            train_whole(network, material.head, own, rates, epochs, self.seed)
        return _Trained(network, (accuracy(network, material.judges), accuracy(network, own)))


def _side_by_side(jobs: Sequence[_Training]) -> Iterator[tuple[_Training, _Trained]]:
    """Yield what each training comes to, in order; several run at once where that is the same.

    It is not where a network draws from the global generators, as dropout does, which the first
    training tells.
    """
    with one_thread():
        at, alone = 0, True
        while alone and at < len(jobs):
            with RandomDraws(jobs[at].seed) as draws:
                found = jobs[at]()
            yield jobs[at], found
            alone = draws.any or jobs[at].material.model.device.type != "cpu"
            at += 1
        pool = ThreadPoolExecutor(default_workers(), "cnnviz-train", torch.set_num_threads, (1,))
        try:
            ahead = deque(pool.submit(job) for job in jobs[at : at + 2 * default_workers()])
            for place, job in enumerate(jobs[at:], start=at + len(ahead)):
                yield job, ahead.popleft().result()
                ahead.extend(pool.submit(later) for later in jobs[place : place + 1])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Changes:
    """What fine-tuning changed in each layer, seed by seed."""

    def __init__(
        self,
        material: Material | None = None,
        inputs: Sequence[torch.Tensor] = (),
        layers: tuple[str, ...] = (),
    ) -> None:
        self.layers = layers
        self._material, self._inputs = material, inputs
        self._cka: list[NDArray[np.float64]] = []
        self._weights: list[list[float]] = []
        own = None if material is None else material.model.module
        self._before = [] if own is None else [self._kernels(own, batch) for batch in inputs]

    @classmethod
    def of(cls, material: Material, layers: Layers | None) -> _Changes:
        """Choose the layers: each convolution, or the ends of stages where these are many.

        The last layer is left out, and what holds it.
        """
        model, asked = material.model, layers is not None
        if layers is None:
            many = len(select(model.module, "conv")) > _MOST_CONVOLUTIONS
            layers = STAGES if many else "conv"
        inputs = material.judges.inputs[:COMPARED]
        held = capture(model, inputs[:1], layers=layers, gradients=False, logits=False)
        known = dict(named_layers(model.module))
        # The new last layer has no weights, and no answers, from before.
        kept = tuple(
            name
            for name in held.activations
            if not f"{material.head}.".startswith(f"{without_call(name, known)}.")
        )
        if asked and not kept:
            raise UsageError(
                f"{listed([*held.activations], 3)} is or holds {material.head}, which is exchanged "
                "for a new layer: there is nothing from before to compare it with.",
                "Name other layers.",
            )
        parts = max(1, round(len(inputs) / _AT_ONCE))
        batches = inputs.tensor_split(parts) if len(inputs) >= LEAST else ()
        return cls(material, batches, kept) if kept else cls()

    def add(self, network: nn.Module) -> None:
        """Compare a fine-tuned network with what it was before."""
        if not self.layers:
            return
        found = MinibatchCKA(len(self.layers), len(self.layers))
        for before, batch in zip(self._before, self._inputs, strict=True):
            found.add(before, self._kernels(network, batch))
        self._cka.append(
            found.values().diagonal() if found.sizes else np.full(len(self.layers), np.nan)
        )
        self._weights.append([self._moved(network, layer) for layer in self.layers])

    def arrays(self, seeds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return CKA and the relative change of the weights, [L, S]."""
        if not self.layers:
            return np.zeros((0, seeds)), np.zeros((0, seeds))
        return np.array(self._cka).T, np.array(self._weights).T

    def _kernels(self, network: nn.Module, batch: torch.Tensor) -> list[NDArray[np.float64]]:
        assert self._material is not None
        model = Model(network, preprocessing=self._material.model.preprocessing)
        names = [*dict.fromkeys(without_call(name, self._known(network)) for name in self.layers)]
        held = capture(model, batch, layers=names, gradients=False, logits=False)
        return [gram(held.activations[name].flatten(1)) for name in self.layers]

    def _known(self, network: nn.Module) -> dict[str, nn.Module]:
        return dict(named_layers(network))

    def _moved(self, network: nn.Module, layer: str) -> float:
        """Return how far the weights of a layer moved, as a share of their norm."""
        assert self._material is not None
        own = self._material.model.module
        name = without_call(layer, self._known(own))
        pairs = zip(
            own.get_submodule(name).parameters(), network.get_submodule(name).parameters(),
            strict=True,
        )  # fmt: skip
        sums = [
            (float((new - old).detach().double().square().sum()),
             float(old.detach().double().square().sum()))
            for old, new in pairs
        ]  # fmt: skip
        moved, before = (sum(column) for column in zip(*sums, strict=True)) if sums else (0.0, 0.0)
        return (moved / before) ** 0.5 if before else float("nan")
