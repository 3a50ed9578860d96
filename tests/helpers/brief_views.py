"""What views are given in tests of all of them, so that none takes long."""

from __future__ import annotations

from functools import cache
from typing import Any

from cnnviz.results.result import Result
from cnnviz.testing import Trial
from cnnviz.views import VIEWS

BRIEF: dict[str, dict[str, Any]] = {
    "explanations": {"methods": ["gradcam", "saliency"]},
    "faithfulness": {"steps": 4, "stages": 2, "baselines": ["mean"], "random": 2},
    "activation_functions": {"functions": "relu,tanh,maxout", "width": 32},
    "losses": {"functions": "mse,cross_entropy"},
    "pixels": {"side": 4},
    "softmax": {"temperatures": (0.5, 2.0)},
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


@cache
def brief_result(name: str) -> Result:
    """Return what a view gives for the small network that views are tried on; made once."""
    return Trial(next(view for view in VIEWS if view.name == name), BRIEF.get(name, {})).result
