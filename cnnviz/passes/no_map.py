"""What to say of a network in which no layer holds a map of its input."""

from __future__ import annotations

from cnnviz.errors import LayerError
from cnnviz.introspection.layers import check_calls_layers, named_layers
from cnnviz.models import Model


def no_map(model: Model, remedy: str = "Name a layer.", *, option: str | None = None) -> LayerError:
    """Return the error of a view that found no layer to look at.

    Parameters
    ----------
    model : Model
        The network.
    remedy, option : str
        What helps where the network has layers; see `cnnviz.errors.CnnvizError`.

    Raises
    ------
    LayerError
        In its place, if the network calls none of its layers: TorchScript, and flat exported
        programs.
    """
    check_calls_layers(model.module)
    if not named_layers(model.module):
        return LayerError(
            f"{model.name} has no layers: its forward calls functions alone.",
            "Make a module of what is to be looked at, such as torch.nn.Conv2d.",
        )
    what = f"{model.name} has no layer that is known to hold a map of the {model.space.noun}."
    return LayerError(what, remedy, option=option)
