"""The part of a network below one call of a layer: run on its own, and differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from cnnviz.errors import LayerError
from cnnviz.introspection.backward_rules import Rule, RuleCoverage, backward_rule, rule_coverage
from cnnviz.introspection.finite import check_rankable
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key, LayerTensors
from cnnviz.introspection.layers import named_layers
from cnnviz.introspection.receptive_fields import ReceptiveField
from cnnviz.introspection.stop_forward import run_to
from cnnviz.introspection.tracing import Trace
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap
from cnnviz.models import Model
from cnnviz.models.output_members import describe
from cnnviz.passes.call_order import call_order, calls_of_image
from cnnviz.passes.shared_captures import output_before
from cnnviz.passes.spatial_maps import checked_layout, passed_by, trace_of_calls


@dataclass(frozen=True)
class PartialForward:
    """The network as far as one call of one layer.

    Attributes
    ----------
    model : Model
        The network; every pass leaves it as it was.
    layer : str
        The layer, as it was asked for.
    key : (str, int)
        The layer's name and which of its calls.
    field : ReceptiveField or None
        What of an input of the traced size each position sees; None where that is unknown.
    bytes_each : int
        Memory of the outputs of all layers up to this one, for one image.
    layout : MapLayout or NoMap
        How the layer's output holds a map of the image, or why it holds none.
    """

    model: Model
    layer: str
    key: Key
    field: ReceptiveField | None
    bytes_each: int
    layout: MapLayout | NoMap

    @classmethod
    def to(cls, model: Model, inputs: torch.Tensor, layer: str) -> PartialForward:
        """Find a layer (``name#1`` is its second call) in the forward pass of these inputs.

        Raises
        ------
        LayerError
            If the network has no such layer, does not call it, or calls it several times.
        """
        (found,) = cls.each(model, inputs, [layer])
        return found

    @classmethod
    def each(
        cls, model: Model, inputs: torch.Tensor, layers: Sequence[str]
    ) -> tuple[PartialForward, ...]:
        """Find several layers, as `to` finds one; the network is traced once."""
        keys = _resolve(model, inputs, layers)
        traced = trace_of_calls(model, inputs, keys)
        found = []
        for layer, key in zip(layers, keys, strict=True):
            call = traced.find(*key)
            field = call.map_field
            size = _bytes_until(traced, call.order)
            found.append(cls(model, layer, key, field, size, call.map))
        return tuple(found)

    def run(
        self, inputs: torch.Tensor, rule: Rule | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, RuleCoverage | None]:
        """Run inputs [B, C, H, W] as far as the layer, and no further.

        Parameters
        ----------
        inputs : torch.Tensor
            Preprocessed images.
        rule : {"deconvnet", "guided", "gradient"}, optional
            How rectifiers send gradients back; None builds no graph.

        Returns
        -------
        maps : torch.Tensor
            [B, channels, h, w]; h and w are 1 where the layer has no spatial extent.
        leaf : torch.Tensor
            What gradients are taken with respect to.
        coverage : RuleCoverage or None
            How many activations follow the rule; None for the gradient and without a graph.

        Raises
        ------
        LayerError
            If these inputs do not go through the layer.
        """
        known = output_before(self.model, inputs, self.key) if rule is None else None
        if known is not None:
            return self.maps(known, len(inputs)), inputs.detach(), None
        held: dict[Key, Any] = {}
        layer = {self.key[0]: self.model.module.get_submodule(self.key[0])}

        def take(key: Key, _inputs: Any, output: Any) -> None:
            if key == self.key:
                held[key] = output

        with ExitStack() as scope:
            scope.enter_context(isolated(self.model.module, grad=rule is not None))
            leaf = inputs.detach().clone().requires_grad_(rule is not None)
            followed = rule is not None and rule != "gradient"
            if rule is not None and followed:
                scope.enter_context(backward_rule(rule))
            # An in-place first layer may not write to a leaf.
            run_to(self.model.forward, leaf.clone(), layer, [self.key], after=take)
            if self.key not in held:
                raise not_called([self.layer])
            maps = self.maps(held[self.key], len(inputs))
        return maps, leaf, rule_coverage(maps) if followed else None

    def peaks(self, inputs: torch.Tensor, at_once: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each channel's largest value in each image, with its position.

        The values are [N, channels], the positions [N, channels, axes]: rows and columns; of equal
        values the first counts. `at_once` images are run together.

        Raises
        ------
        NotFiniteError
            If any value is NaN or infinite; minus infinity marks positions that do not count.
        """
        values, places = [], []
        for start in range(0, len(inputs), at_once):
            maps, _, _ = self.run(inputs[start : start + at_once])
            check_rankable(maps, f"The activations of layer {self.layer!r}")
            value, place = maps.flatten(2).max(2)
            values.append(value)
            places.append(torch.stack(torch.unravel_index(place, maps.shape[2:]), -1))
        return torch.cat(values), torch.cat(places)

    def check_differentiable(self, maps: torch.Tensor) -> None:
        """Raise a `LayerError` unless what the layer gave has a graph that leads to the input."""
        if not maps.requires_grad:
            raise LayerError(
                f"Layer {self.layer!r} does not depend on the {self.model.space.noun} in a "
                "differentiable way.",
                "Choose another layer.",
            )

    def maps(self, output: Any, images: int) -> torch.Tensor:
        """Return what the layer gave for so many images as [images, channels, h, w].

        Raises
        ------
        LayerError
            If it holds no map of each image.
        """
        if not isinstance(output, torch.Tensor):
            raise LayerError(
                f"Layer {self.layer!r} gives {describe(output)}, which is no map of the image.",
                "Choose a layer that returns one tensor.",
            )
        return checked_layout(self.layout, self.layer, output, images).take(output, images)


def not_called(layers: Sequence[str], image: str = "an image") -> LayerError:
    """Return the error of layers that one image goes through and another does not."""
    named = ", ".join(repr(layer) for layer in layers)
    which = f"Layer {named} is" if len(layers) == 1 else f"Layers {named} are"
    return LayerError(
        f"{which} not called for {image}, though for others: "
        "the network goes by values which way it takes.",
        "Choose layers that every image goes through.",
        option="Name the layers that every image goes through: with --layer or --layers.",
    )


def _resolve(model: Model, inputs: torch.Tensor, layers: Sequence[str]) -> list[Key]:
    known = named_layers(model.module)
    order = call_order(model, inputs)
    names = {call.name for call in order.calls}
    if any(layer in known and layer not in names for layer in layers):
        # What is kept may be of an image that went another way.
        order = calls_of_image(model, inputs[:1])
        names = {call.name for call in order.calls}
    called = {(call.name, call.index): torch.empty(0) for call in order.calls}
    silent = {name: passed_by(name) for name in known if name not in names}
    held = LayerTensors(called, silent, model.module)
    return [held.resolve(layer) for layer in layers]


def _bytes_until(traced: Trace, order: int) -> int:
    return sum(call.output_bytes for call in traced.calls if call.order <= order)
