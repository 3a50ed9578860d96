"""What views are given in tests of all of them, so that none takes long."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache, cached_property
from typing import Any

import torch
from torch import nn

from cnnviz.results.result import Result
from cnnviz.testing import Trial, small_network
from cnnviz.testing.trial import images
from cnnviz.views import VIEWS
from tests.helpers.quick_code import few_random_maps

BRIEF: dict[str, dict[str, Any]] = {
    "attribute": {"steps": 4},
    "augmentation": {"draws": 4},
    "explanations": {"methods": ["gradcam", "saliency"]},
    "faithfulness": {"steps": 4, "stages": 2, "baselines": ["mean"], "random": 2},
    "activation_functions": {"functions": "relu,tanh,maxout", "width": 32},
    "losses": {"functions": "mse,cross_entropy"},
    "pixels": {"side": 4},
    "softmax": {"temperatures": (0.5, 2.0)},
    "receptive_field": {"draws": 2},
    "gradient_whiteness": {"points": 8},
    "top_activations": {"k": 2, "top": 3},
    "invariance": {"steps": 5},
    "loss_landscape": {"points": 5},
    "challenges": {"steps": 3},
    "feature_visualization": {"units": "3:0,1", "steps": 3, "size": 16},
    "famous_networks": {"names": "LeNet-5,AlexNet,MobileNet v1"},
    "optimizers": {"optimizers": "gd,adam", "steps": 1},
    "convolve": {"stride": 5},
    "convolve_signals": {"signal": [0.0, 1.0, 0.0, 2.0], "response": [1.0, 0.5]},
    "overfitting": {"scenes": 10, "epochs": 2, "seeds": 2, "validation": 10, "test": 10},
    "transfer_learning": {"samples": (1, 2), "epochs": 1, "seeds": 2, "test": 8},
}
"""What a view that cannot do without it, or would take long, is given besides."""


_OF_NUMBERED = {"feature_visualization": {"units": "9004:0,1", "steps": 3, "size": 16}}
"""What is given in place of it to a view that is told a layer of the network by name."""


def numbered() -> nn.Sequential:
    """Return the small network that views are tried on, with names that stand nowhere else.

    Its layers are numbers, as in every Sequential, by which a text may speak of none of them alone.
    """
    layers = enumerate(small_network(), 9001)
    return nn.Sequential(OrderedDict((str(number), layer) for number, layer in layers)).eval()


def brief(name: str, network: nn.Module, shown: torch.Tensor) -> Result:
    """Return what a view gives for a numbered network and a batch of images."""
    view = next(view for view in VIEWS if view.name == name)
    return BriefTrial(view, _OF_NUMBERED.get(name, BRIEF.get(name, {}))).run(network, shown)


@cache
def brief_result(name: str) -> Result:
    """Return what a view gives for the numbered network; made once."""
    return brief(name, numbered(), images())


class BriefTrial(Trial):
    """A view under trial that shares its result with the tests of JSON, and is brief."""

    def run(self, module: nn.Module, shown: torch.Tensor) -> Result:
        """Run the view, with two random maps for a heatmap where nobody says how many."""
        with few_random_maps():
            return super().run(module, shown)

    @cached_property
    def result(self) -> Result:
        """What the view gives for the numbered network; made once for all tests."""
        return brief_result(self.view.name)

    @cached_property
    def again(self) -> Result:
        """What it gives for such a network the second time; made once."""
        return brief(self.view.name, numbered(), images())
