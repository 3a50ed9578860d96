"""The network as far as the layer that pictures are optimised for, and no further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from cnnviz.errors import LayerError, ModelError
from cnnviz.introspection.fast_copy import UnsoundFoldError
from cnnviz.introspection.finite import finite
from cnnviz.introspection.hooks import isolated, preserve_state
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.stop_forward import run_to
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap
from cnnviz.models import Model
from cnnviz.models.outputs import scores_of
from cnnviz.passes.fast_model import ascent_model, computed_on
from cnnviz.passes.independence import independence
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.output_recorder import not_one_tensor
from cnnviz.passes.spatial_maps import UNTRACED, checked_layout, traced_outputs
from cnnviz.results.provenance import AS_IT_IS
from cnnviz.units.visualization.objectives import Objective
from cnnviz.units.visualization.value_range import given


class ObjectiveScorer:
    """Scores pictures by objectives at one layer. Made by `scoring`, which isolates the network.

    Parameters
    ----------
    model : Model
        The network.
    layer : (str, int) or None
        The call of the layer at which all objectives lie; None for the logits.
    texture : (str, int) or None
        The call of the layer whose textures are compared for diversity; None for none.
    scope : ExitStack
        Puts back, when it is closed, the state of the network and of the copies that it runs on.

    Attributes
    ----------
    affine : bool
        Whether the layer is a plain convolution, without hooks of the caller's own.
    one_by_one : bool
        Whether each picture of the last ones went through the network by itself, as it has to
        where others change its scores or the network takes no more.
    """

    def __init__(
        self, model: Model, layer: Key | None, texture: Key | None, scope: ExitStack
    ) -> None:
        self._model = model
        self._scope = scope
        self._computing: dict[torch.Size, Model] = {}
        self._isolated = {id(model.module)}
        self._layer = layer
        self._texture = texture
        self._wanted = {key for key in (layer, texture) if key is not None}
        names = {key[0] for key in (layer, texture) if key is not None}
        self._modules = {name: model.module.get_submodule(name) for name in names}
        self._found: dict[Key, torch.Tensor] = {}
        self._layouts: dict[tuple[Key, torch.Size], MapLayout | NoMap] = {}
        self._apart: dict[torch.Size, bool] = {}
        self._size = torch.Size()
        self._pictures = 0
        self._module = self._modules[layer[0]] if layer is not None else None
        self._slopes: dict[tuple[str, torch.Size], tuple[torch.Tensor, torch.Tensor]] = {}
        # Such a layer need not be computed: an objective that is linear in its output is the
        # product of its input with one fixed map, its gradient, which is found once.
        self.affine = type(self._module) is nn.Conv2d and not (
            self._module._forward_hooks or self._module._forward_pre_hooks
        )
        self._preprocessing = model.preprocessing
        self._alone = False
        self.one_by_one = False
        self.device = model.device
        # Pictures are computed in single precision for networks of half precision.
        self.dtype = torch.float64 if model.dtype == torch.float64 else torch.float32

    def scores(
        self, pictures: torch.Tensor, objectives: Sequence[Objective]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the score of each picture, [R], and the layer of textures [R, C, h, w] if any.

        Parameters
        ----------
        pictures : torch.Tensor
            [R, C, H, W], with values between 0 and 1.
        objectives : sequence of Objective
            The objective of each.
        """
        linear = all(
            objective.kind != "layer" and not objective.rectified for objective in objectives
        )
        values = self._run(pictures, linear=linear)
        if self._alone:
            scores = torch.stack(
                [
                    self._product(objective, values[place])
                    for place, objective in enumerate(objectives)
                ]
            )
        else:
            scores = torch.cat(
                [
                    objective.score(values[place : place + 1])
                    for place, objective in enumerate(objectives)
                ]
            )
        finite(scores, "The scores of the units")
        return scores, None if self._texture is None else self._found[self._texture]

    def _run(self, pictures: torch.Tensor, *, linear: bool) -> torch.Tensor:
        inputs = given(pictures, self._preprocessing).to(self._model.dtype)
        if inputs.ndim == 4:
            # Convolutions on a CPU are up to a third faster in this order of memory.
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        self._learn_layouts(inputs.detach())
        self._alone = linear and self.affine and self._texture is None and self._is_plain()
        if self._size not in self._apart:
            self._apart[self._size] = independence(self._model, inputs.detach()).alone
        self.one_by_one = self._apart[self._size]
        if not self.one_by_one:
            return self._values(inputs)
        values, textures = [], []
        for place in range(len(inputs)):
            values.append(self._values(inputs[place : place + 1]))
            if self._texture is not None:
                textures.append(self._found[self._texture])
        if self._texture is not None:
            self._found[self._texture] = torch.cat(textures)
        return torch.cat(values)

    def _values(self, inputs: torch.Tensor) -> torch.Tensor:
        """Run pictures through the network, and return what the objectives are scored on."""
        self._found.clear()
        self._pictures = len(inputs)
        computing = self._computing_for(inputs)
        try:
            output = self._pass(computing, inputs)
        except (UnsoundFoldError, ModelError):
            if computing is self._model:
                raise
            # What it does is not what was seen when the copy was made: the network does it.
            self._computing[self._size] = self._model
            self._found.clear()
            output = self._pass(self._model, inputs)
        if self._layer is None:
            return scores_of(self._model, output)
        if self._layer not in self._found:
            raise LayerError(
                f"Layer {self._layer[0]!r} was not called with this input.", "Choose another layer."
            )
        return self._found[self._layer]

    def _pass(self, computing: Model, inputs: torch.Tensor) -> Any:
        modules = {name: computing.module.get_submodule(name) for name in self._modules}
        if self._layer is None:
            return run_to(computing.forward, inputs, modules, after=self._take)
        if self._alone:
            ends = [self._layer]
            return run_to(computing.forward, inputs, modules, ends, before=self._take_input)
        return run_to(computing.forward, inputs, modules, self._wanted, after=self._take)

    def _computing_for(self, inputs: torch.Tensor) -> Model:
        """Return what makes the passes of pictures of this size: the model, or a faster copy."""
        if self._size not in self._computing:
            found = ascent_model(self._model, inputs.detach(), keeps=self._modules)
            if id(found.module) not in self._isolated:
                self._scope.enter_context(preserve_state(found.module))
                self._isolated.add(id(found.module))
            self._computing[self._size] = found
        return self._computing[self._size]

    def computed_on(self) -> str:
        """Say on what the passes of the last size of pictures were made."""
        if not self._computing:
            return AS_IT_IS
        size, computing = list(self._computing.items())[-1]
        return computed_on(computing, torch.empty(1, *size, dtype=self._model.dtype))

    def _learn_layouts(self, inputs: torch.Tensor) -> None:
        """Find out how the layers hold their maps for pictures of this size."""
        self._size = inputs.shape[1:]
        if any((key, self._size) not in self._layouts for key in self._wanted):
            usual = inputs.new_zeros(1, *self._model.input_shape)
            # A head may take one size only, while the layers below it take any.
            traced = traced_outputs(self._model, inputs) or traced_outputs(self._model, usual)
            for key in self._wanted:
                self._layouts[key, self._size] = traced.get(key, UNTRACED).map

    def _is_plain(self) -> bool:
        """Whether the layer's output is the map: what is put around or turned needs the output."""
        assert self._layer is not None
        layout = self._layouts[self._layer, self._size]
        return isinstance(layout, MapLayout) and layout.plain

    def _product(self, objective: Objective, values: torch.Tensor) -> torch.Tensor:
        key = objective.name, values.shape
        if key not in self._slopes:
            self._slopes[key] = self._expand(objective, values)
        slope, at_zero = self._slopes[key]
        return (slope * values).sum() + at_zero

    def _expand(
        self, objective: Objective, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._module is not None
        with torch.enable_grad():
            zeros = torch.zeros_like(values)[None].requires_grad_()
            # Past the hooks, which would take this for a call of the network's.
            score = objective.score(self._module.forward(zeros))[0]
            (slope,) = torch.autograd.grad(score, zeros)
        return slope[0], score.detach()

    def _take_input(self, key: Key, inputs: tuple[Any, ...]) -> None:
        """Take what goes into the layer, where that is enough."""
        if key == self._layer:
            self._found[key] = inputs[0]

    def _take(self, key: Key, inputs: tuple[Any, ...], output: Any) -> None:
        """Take what comes out of a layer."""
        if key not in self._wanted:
            return
        if not isinstance(output, torch.Tensor):
            raise not_one_tensor(key[0], output)
        layout = self._layouts[key, self._size]
        layout = checked_layout(layout, key[0], output, self._pictures)
        output = layout.take(output, self._pictures)
        self._found[key] = output
        if self._layer is None or not self._wanted <= set(self._found):
            # The pass goes on, and an in-place layer may write to this.
            self._found[key] = output.clone()


@contextmanager
def scoring(
    model: Model, layer: Key | None, texture: Key | None = None
) -> Iterator[ObjectiveScorer]:
    """Yield a probe of a network that is in eval mode and frozen, and left as it was."""
    with isolated(model.module, grad=True), ExitStack() as scope, freed_memory_kept():
        yield ObjectiveScorer(model, layer, texture, scope)
