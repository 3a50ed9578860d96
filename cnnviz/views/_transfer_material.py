"""What a transfer is tried on: the network, its last layer, and samples of the new task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.course.transfer import Samples, headless, run
from cnnviz.course.transfer_tasks import TransferTask
from cnnviz.errors import UsageError
from cnnviz.images import prepare
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.forward import forward
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.tolerance import differ
from cnnviz.models import Model
from cnnviz.models.networks import ShapesPlain, ShapesResidual
from cnnviz.models.training.data import normalise
from cnnviz.passes.call_order import call_order
from cnnviz.results import drawing

_EXAMPLES, _TILE = 4, 96


@dataclass(frozen=True)
class Material:
    """What all trainings have in common.

    Attributes
    ----------
    model : Model
        The network that knows another task; it is never changed.
    task, told : str
        The name of the new task, and what it is.
    classes : tuple of str
        The K classes of the task.
    pool : Samples
        All samples, as the network takes them.
    training : tuple of torch.Tensor
        The places of each seed's training samples; the first n K of them have n of each class.
    judging : torch.Tensor
        The places of the samples that judge, the same for all seeds.
    notes : tuple of str
        What a reader must know of them.
    head : str
        The last linear layer of the network, which gives its answer.
    """

    model: Model
    task: str
    told: str
    classes: tuple[str, ...]
    pool: Samples
    training: tuple[torch.Tensor, ...]
    judging: torch.Tensor
    notes: tuple[str, ...] = ()
    head: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", last_linear(self.model, self.pool.inputs[:2]))

    def train(self, place: int, per_class: int) -> torch.Tensor:
        """Return the places of so many training samples a class of a seed."""
        return self.training[place][: per_class * len(self.classes)]

    @property
    def judges(self) -> Samples:
        """The samples that judge."""
        return self.pool.at(self.judging)

    def examples(self) -> NDArray[np.uint8]:
        """Return a few training images of each class as the network takes them, [K, E, h, w, 3]."""
        kinds = len(self.classes)
        count = min(_EXAMPLES, len(self.training[0]) // kinds)
        places = self.training[0][: count * kinds].reshape(count, kinds).T.flatten()
        tiles = [
            drawing.fit(self.model.preprocessing.invert(one), _TILE)
            for one in self.pool.inputs[places]
        ]
        return np.stack(tiles).reshape(kinds, count, *tiles[0].shape)


def of_scenes(
    model: Model, task: TransferTask, largest: int, seeds: Sequence[int], test: int
) -> Material:
    """Draw the scenes of a task: others for each seed, and others again to judge."""
    count = largest * len(task.classes)
    parts = [task.draw(seed, "train", 0, count) for seed in seeds]
    parts.append(task.draw(seeds[0], "held-out", 0, test))
    images = torch.cat([part.images for part in parts])
    if isinstance(model.module, (ShapesPlain, ShapesResidual)):
        # They take any size, and enlarged to theirs a scene would cost nine times as much.
        inputs = normalise(images)
    else:
        inputs = prepare(list(images.numpy()), model.preprocessing).tensor
    ends = np.cumsum([len(part.labels) for part in parts]).tolist()
    places = [torch.arange(end - len(p.labels), end) for end, p in zip(ends, parts, strict=True)]
    return Material(
        model=model,
        task=task.name,
        told=task.told,
        classes=task.classes,
        pool=on_device(model, inputs, torch.cat([part.labels for part in parts])),
        training=tuple(places[:-1]),
        judging=places[-1],
    )


def on_device(model: Model, inputs: torch.Tensor, labels: torch.Tensor) -> Samples:
    """Return samples where the network is, in the layout in which convolutions are fastest."""
    inputs = inputs.to(model.device, model.dtype)
    return Samples(inputs.contiguous(memory_format=torch.channels_last), labels.to(model.device))


def last_linear(model: Model, inputs: torch.Tensor) -> str:
    """Return the name of the linear layer whose output is the network's answer.

    Raises
    ------
    UsageError
        If the network has none.
    """
    layers = dict(model.module.named_modules())
    called = [call.name for call in call_order(model, inputs).calls]
    linear = [name for name in called if name and isinstance(layers.get(name), nn.Linear)]
    if linear and _ends_with(model, linear[-1], inputs):
        return linear[-1]
    raise UsageError(
        f"{model.name} does not answer with what a linear layer makes of one row of features, "
        "so that there is no last layer to exchange.",
        "Give a classifier that ends with nn.Linear, such as resnet18 or shapes-plain.",
    )


def _ends_with(model: Model, head: str, inputs: torch.Tensor) -> bool:
    """Return whether the answer is this layer's output, and the layer's input one row an image."""
    network = copy_network(model.module).eval()
    given: list[torch.Tensor] = []
    with (
        torch.no_grad(),
        module_hooks(
            {head: network.get_submodule(head)}, after=lambda *call: given.append(call[-1].clone())
        ),
    ):
        answer = forward(network, inputs.clone(), model.name)
    # What follows on the layer may not take its features, as the units of LeNet-5 do not.
    if not isinstance(answer, torch.Tensor) or not given or given[-1].shape != answer.shape:
        return False
    if differ(given[-1], answer) != 0.0:
        return False
    features = run(headless(model.module, head), inputs.clone())
    if features.ndim != 2:
        return False
    with torch.no_grad():
        found = network.get_submodule(head)(features)
    return found.shape == answer.shape and differ(found, answer) == 0.0
