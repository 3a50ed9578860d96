"""How maps were made: what a heatmap keeps, so that its maps can be made again exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cnnviz.heatmaps.attribution_methods import ATTRIBUTION_METHODS, AttributionName
from cnnviz.heatmaps.cam_methods import CamName
from cnnviz.images.baselines import Baseline
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.layer_tensors import Key

Channels = Literal["auto", "sum", "largest"]
"""How the channels of the input become one map."""


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """The method and the arguments that maps were made with; one subclass for each view.

    Attributes
    ----------
    method : str
        The method's name, as it is asked for.
    """

    method: str

    @property
    def values(self) -> str:
        """What the values of a map are, in words; empty where the method does not say."""
        return ""

    def of_map(self, place: int) -> MapSettings:
        """Return the settings that make one of the maps alone."""
        return self


@dataclass(frozen=True, kw_only=True)
class CamSettings(MapSettings):
    """What a class activation map was made with.

    Attributes
    ----------
    layers : tuple of (str, int)
        The name and the call index of each layer, in the order of the maps.
    fused : bool
        Whether the maps of all layers were joined into one.
    rule : {"gradient", "deconvnet", "guided"}
        How rectifiers sent the gradients of the capture back.
    relu : bool
        Whether only the evidence for the target counts.
    """

    method: CamName
    layers: tuple[Key, ...]
    fused: bool
    rule: Rule
    relu: bool = True

    @property
    def values(self) -> str:
        """What every method of the family computes."""
        return "weighted sum of activations"

    def of_map(self, place: int) -> MapSettings:
        """Return the settings with one layer, or all of them for a fused map."""
        return self if self.fused else replace(self, layers=(self.layers[place],))


@dataclass(frozen=True, kw_only=True)
class AttributionSettings(MapSettings):
    """What an attribution was made with; see `cnnviz.attribute` for each."""

    method: AttributionName
    baseline: Baseline
    channels: Channels
    steps: int
    seed: int

    @property
    def values(self) -> str:
        """What the method computes; without its sign where the largest channel counts."""
        method = ATTRIBUTION_METHODS[self.method]
        signed = self.channels == "sum" or (self.channels == "auto" and method.sums)
        return method.values if signed else f"size of the {method.values}"


@dataclass(frozen=True, kw_only=True)
class OcclusionSettings(MapSettings):
    """What an occlusion was made with; see `cnnviz.occlusion` for each."""

    window: int
    stride: int
    fill: Baseline
    approximate: float | None
