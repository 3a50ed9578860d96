"""One line of the table of views: what is told of a view without importing it."""

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
