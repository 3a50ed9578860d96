"""The table of views, the only list of them; views of other packages join it by `plugins`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

ANSWER = "The answer, and why"
LAYERS = "Layers and units"
TRAINING = "Whether it learns"
COURSE = "The course"


@dataclass(frozen=True)
class View:
    """One line of the table.

    What the line says of the function's parameters is all that the command line and the report
    know of them; `cnnviz.testing.check_view` holds the one to the other.

    Attributes
    ----------
    name : str
        The name of the function, and of the file in this folder that holds it.
    needs : {"model", "capture", "photo", "nothing"}
        What the function takes first: "photo" for a view of one photo, as it is, in its parameter
        ``image``, for which no network is run; "nothing" for a view of neither network nor photo.
    summary : str
        What it shows, in one short sentence for lists and help.
    images : {"photos", "data", "none"}
        What it is shown: photos, in its parameter ``images`` or in the capture; many images, in its
        parameter ``data``; or none.
    layers : str
        For a view of a capture: the layers that the command line captures where none are named.
    layers_from : str
        For a view of a capture: its parameter that names layers; the command line captures these.
    gradients : bool
        For a view of a capture: whether it needs gradients.
    target : bool
        Whether it explains a class: in its parameter ``target``, or that of the capture.
    progress, announce : bool
        Whether it has these parameters: called before each step, and with what there is to say.
    compare : bool
        Whether its parameter ``compare`` takes further networks to set beside the first.
    shared : bool
        Whether processes that `torchrun` has started share its work, through the folder in its
        parameter ``state``.
    own_input : bool
        Whether it makes an input of its own where no photo is named, rather than get a sample.
    prepares : bool
        Whether what it shows without any photo named hangs on how photos are prepared.
    network : bool
        For a view of a photo: whether its parameter ``model`` takes a network to look into, which
        it does without where none is named.
    verb : str
        Its command, where that is not the name with hyphens for underscores.
    module : str
        The module that holds its function, where that is not a file in this folder.
    panel : str
        The heading of the help under which its command stands.
    section : str
        For a view of another package: ``module:function``, what builds its section of a report;
        by default a picture of the result with its caption and summary.
    """

    name: str
    needs: Literal["model", "capture", "photo", "nothing"]
    summary: str
    images: Literal["photos", "data", "none"] = "photos"
    layers: str = "conv"
    layers_from: str = ""
    gradients: bool = False
    target: bool = False
    progress: bool = False
    announce: bool = False
    compare: bool = False
    shared: bool = False
    own_input: bool = False
    prepares: bool = True
    network: bool = False
    verb: str = ""
    module: str = ""
    panel: str = ANSWER
    section: str = ""

    @property
    def command(self) -> str:
        """The view's name on the command line."""
        return self.verb or self.name.replace("_", "-")

    @property
    def home(self) -> str:
        """The name of the module that holds its function."""
        return self.module or f"cnnviz.views.{self.name}"

    def function(self) -> Callable[..., Any]:
        """Import the view's file and return its function."""
        found: Callable[..., Any] = getattr(import_module(self.home), self.name)
        return found


VIEWS: tuple[View, ...] = (
    View("predictions", "capture", "What the network answers, and how confident it is.", layers=""),
    View(
        "architecture",
        "model",
        "Layers, shapes, parameters, MACs and receptive fields.",
        images="none",
        prepares=False,
        panel=LAYERS,
    ),
    View(
        "network_diagram",
        "model",
        "The network as a drawing: blocks, branches, skip connections.",
        images="none",
        prepares=False,
        panel=COURSE,
    ),
    View(
        "receptive_field",
        "model",
        "How much of a photo a layer could see, and how much it does see.",
        progress=True,
        panel=LAYERS,
    ),
    View(
        "filters",
        "model",
        "The kernels of a convolution, and which of them are dead.",
        images="none",
        prepares=False,
        panel=LAYERS,
    ),
    View(
        "feature_maps",
        "capture",
        "What each channel of a layer responds to in the photo.",
        layers_from="layer",
        panel=LAYERS,
    ),
    View(
        "deconvnet",
        "model",
        "What in a photo made the units of a layer respond.",
        progress=True,
        panel=LAYERS,
    ),
    View(
        "top_activations",
        "model",
        "The patches of many images that excite each channel most.",
        images="data",
        progress=True,
        shared=True,
        panel=LAYERS,
    ),
    View(
        "hierarchy",
        "model",
        "From edges to parts to objects: the strongest patches of every stage.",
        images="data",
        progress=True,
        panel=COURSE,
    ),
    View(
        "compare",
        "model",
        "Two networks: how similar their layers are, their answers and heatmaps.",
        images="data",
        progress=True,
        compare=True,
        panel=LAYERS,
    ),
    View(
        "cam",
        "capture",
        "Where the network looked: Grad-CAM and its family.",
        layers="stages",
        layers_from="layer",
        gradients=True,
        target=True,
        progress=True,
        announce=True,
    ),
    View(
        "localisation",
        "capture",
        "From a heatmap to a box, compared with an annotated box.",
        layers="stages",
        layers_from="layer",
        gradients=True,
        target=True,
        progress=True,
    ),
    View(
        "attribute",
        "model",
        "Which pixels the answer depends on: gradient attribution.",
        target=True,
    ),
    View(
        "occlusion",
        "model",
        "How much the score falls when a part of the photo is hidden.",
        target=True,
        progress=True,
        verb="occlude",
    ),
    View(
        "invariance",
        "model",
        "How the answer changes when a photo is shifted, scaled or rotated.",
        target=True,
        progress=True,
    ),
    View(
        "equivariance",
        "model",
        "How closely feature maps and the answer follow a shifted image.",
        target=True,
        progress=True,
        panel=COURSE,
    ),
    View(
        "challenges",
        "model",
        "Light, pose, clutter, occlusion and more, until the answer changes.",
        target=True,
        progress=True,
        own_input=True,
        panel=COURSE,
    ),
    View(
        "augmentation",
        "model",
        "Samples of a training transform applied to a photo, and the answer to each.",
        target=True,
        progress=True,
        panel=COURSE,
    ),
    View(
        "faithfulness",
        "model",
        "How far to trust a heatmap, compared with random maps.",
        target=True,
        progress=True,
    ),
    View(
        "explanations",
        "model",
        "Many heatmaps of one answer, each with its checks.",
        target=True,
        progress=True,
    ),
    View(
        "feature_visualization",
        "model",
        "What a unit looks for: pictures optimised to activate it most.",
        images="none",
        progress=True,
        announce=True,
        shared=True,
        verb="visualize",
        panel=LAYERS,
    ),
    View(
        "gradient_flow",
        "model",
        "Whether gradients reach every layer: a verdict, its cause, and remedies.",
        progress=True,
        compare=True,
        own_input=True,
        prepares=False,
        panel=TRAINING,
    ),
    View(
        "skip_connections",
        "model",
        "How much of the gradient flows back through the skips.",
        target=True,
        panel=TRAINING,
    ),
    View(
        "gradient_whiteness",
        "model",
        "Whether the gradient changes smoothly from image to image, or like noise.",
        progress=True,
        compare=True,
        panel=TRAINING,
    ),
    View(
        "loss_landscape",
        "model",
        "The loss around the weights, along random directions.",
        progress=True,
        panel=TRAINING,
    ),
    View(
        "training_history",
        "model",
        "Kernels and units over the epochs of a training, and when layers settle.",
        images="data",
        progress=True,
        panel=TRAINING,
    ),
    View(
        "pixels",
        "model",
        "An image as the computer sees it: its channels and its numbers.",
        panel=COURSE,
    ),
    View(
        "convolve",
        "photo",
        "A kernel slides over a photo: one position worked out, and the result.",
        network=True,
        panel=COURSE,
    ),
    View(
        "convolve_signals",
        "nothing",
        "One signal slides over another: the impulse response.",
        images="none",
        panel=COURSE,
    ),
    View(
        "weight_sharing",
        "photo",
        "How many weights a layer over this photo needs: full, local, shared.",
        panel=COURSE,
    ),
    View(
        "pooling",
        "capture",
        "Pooling of a feature map, its switches, and what a small shift changes.",
        layers="stages",
        layers_from="layer",
        panel=COURSE,
    ),
    View(
        "normalization",
        "model",
        "Feature maps before and after batch, layer, instance and group norm.",
        panel=COURSE,
    ),
    View(
        "activation_functions",
        "nothing",
        "Activation functions, and what ten layers of each do to a gradient.",
        images="none",
        panel=COURSE,
    ),
    View(
        "famous_networks",
        "nothing",
        "The networks of the course: errors, parameters and depth over the years.",
        images="none",
        progress=True,
        panel=COURSE,
    ),
    View(
        "softmax",
        "capture",
        "From logits to probabilities, and what the loss sends back.",
        layers="",
        panel=COURSE,
    ),
    View(
        "losses",
        "nothing",
        "Loss functions, their slopes, where they saturate, and their descent.",
        images="none",
        panel=COURSE,
    ),
    View(
        "optimizers",
        "nothing",
        "The paths of optimizers down a loss surface, and the rates they tolerate.",
        images="none",
        progress=True,
        panel=COURSE,
    ),
    View(
        "overfitting",
        "nothing",
        "A network memorises a few scenes, and what prevents that.",
        images="none",
        progress=True,
        panel=COURSE,
    ),
    View(
        "transfer_learning",
        "model",
        "A trained network learns a new task: frozen, fine-tuned, from scratch.",
        images="none",
        progress=True,
        panel=COURSE,
    ),
)
