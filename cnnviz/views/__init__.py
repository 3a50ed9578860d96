"""One file per view: one public function, one result type. This table is the only list of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal


@dataclass(frozen=True)
class View:
    """One line of the table.

    Attributes
    ----------
    name : str
        The name of the function, and of the file in this folder that holds it.
    needs : {"model", "capture", "nothing"}
        What the function takes first; "nothing" for a view of neither network nor photo.
    summary : str
        What it shows, in one short sentence for lists and help.
    layers : str
        For a view of a capture: the layers that the command line captures where none are named.
    gradients : bool
        For a view of a capture: whether it needs gradients.
    verb : str
        Its command, where that is not the name with hyphens for underscores.
    own_input : bool
        Whether it makes an input of its own where no photo is named, rather than get a sample.
    """

    name: str
    needs: Literal["model", "capture", "nothing"]
    summary: str
    layers: str = "conv"
    gradients: bool = False
    verb: str = ""
    own_input: bool = False

    @property
    def command(self) -> str:
        """The view's name on the command line."""
        return self.verb or self.name.replace("_", "-")

    def function(self) -> Callable[..., Any]:
        """Import the view's file and return its function."""
        found: Callable[..., Any] = getattr(import_module(f"{__name__}.{self.name}"), self.name)
        return found


VIEWS: tuple[View, ...] = (
    View("predictions", "capture", "What the network answers, and how sure it is.", layers=""),
    View("architecture", "model", "Layers, shapes, parameters, MACs and receptive fields."),
    View("receptive_field", "model", "What a layer could see of a photo, and what it does see."),
    View("filters", "model", "The kernels of a convolution, and which of them are dead."),
    View("feature_maps", "capture", "What each channel of a layer responds to in the photo."),
    View("deconvnet", "model", "What of a photo made the units of a layer respond."),
    View("top_activations", "model", "The patches of many images that excite each channel most."),
    View("cam", "capture", "Where the network looked: Grad-CAM and its family.", "stages", True),
    View("attribute", "model", "Which pixels the answer hangs on: gradient attribution."),
    View(
        "occlusion",
        "model",
        "What the answer loses when a part of the photo is hidden.",
        verb="occlude",
    ),
    View(
        "invariance", "model", "How the answer changes when a photo is moved, enlarged or turned."
    ),
    View("faithfulness", "model", "How far a heatmap may be believed, beside random maps."),
    View("explanations", "model", "Many heatmaps of one answer, each with its checks."),
    View(
        "feature_visualization",
        "model",
        "What a unit looks for: pictures optimised to drive it furthest.",
        verb="visualize",
    ),
    View(
        "gradient_flow",
        "model",
        "Whether the gradient arrives: a verdict, its cause, and remedies.",
        own_input=True,
    ),
    View("skip_connections", "model", "How much of the gradient comes back through the skips."),
    View(
        "gradient_whiteness",
        "model",
        "Whether the gradient changes smoothly from image to image, or like noise.",
    ),
    View("loss_landscape", "model", "The loss around the weights, along random directions."),
    View(
        "activation_functions",
        "nothing",
        "Activation functions, and what ten layers of each do to a gradient.",
    ),
)


def find(name: str) -> View:
    """Return the line of the table with this name; KeyError where there is none."""
    for view in VIEWS:
        if view.name == name:
            return view
    raise KeyError(name)
