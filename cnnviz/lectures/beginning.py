"""What every lecture begins with: the network, the photo, and one capture of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cnnviz
from cnnviz.errors import LayerError
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.models import Model
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.stages import STAGES

CAPTURE = 'capture = cnnviz.capture(model, photo, layers="stages", gradients="layers")'
STAGE_NAMES = "stages = list(capture.activations)"


@dataclass(frozen=True)
class Loading:
    """How a network is loaded: in Python, and by the options of a command."""

    code: str
    options: str

    @classmethod
    def of(
        cls,
        source: str,
        weights: str = "DEFAULT",
        *,
        preparation: Mapping[str, str] | None = None,
        **settings: str,
    ) -> Loading:
        """Return how a network is loaded by name, said with as little as it takes.

        Parameters
        ----------
        source, weights : str
            The network, and what it knows.
        preparation : mapping of str to str, optional
            What was said of how photos are prepared.
        **settings : str
            What else `cnnviz.load` was told, under the names that its options have too.
        """
        said = [repr(source), *([] if weights == "DEFAULT" else [repr(weights)])]
        said += [f"{name}={value!r}" for name, value in settings.items()]
        if preparation:
            said.append(f"preprocessing={dict(preparation)!r}")
        named = {"model": source, "weights": "" if weights == "DEFAULT" else weights}
        flags = {**named, **settings, **(preparation or {})}
        options = [f"--{name} {shlex.quote(value)}" for name, value in flags.items() if value]
        return cls(f"cnnviz.load({', '.join(said)})", " ".join(options))


@dataclass(frozen=True)
class Beginning:
    """The names that the calls of a lecture are made with, and how they come about.

    Attributes
    ----------
    names : dict of str to object
        The names and what they stand for.
    code : str
        What defines them, for the first cell of the notebook.
    options : dict of str to str
        What stands for the photo, the network and the data in a command.
    """

    names: dict[str, Any]
    code: str
    options: dict[str, str]

    @property
    def capture(self) -> Capture:
        """The one capture of the photo."""
        found: Capture = self.names["capture"]
        return found

    def run(self, call: str) -> Any:
        """Return what a call of a chapter, which is text of this package, comes to."""
        return eval(compile(call, "<lecture>", "eval"), dict(self.names))


def begin(model: Model, loading: Loading, photo: Any, photo_file: str, data: Any) -> Beginning:
    """Look at the photo once, and return what the chapters need.

    Parameters
    ----------
    model : Model
        The network.
    loading : Loading
        How it is loaded.
    photo : path, PIL image or uint8 array
        The photo.
    photo_file : str
        What the photo is called beside the notebook.
    data : str or list of str
        Many images.

    Raises
    ------
    LayerError
        If no layer of the network holds a map of the image.
    """
    held = capture(model, photo, layers=STAGES, gradients="layers")
    stages = list(held.activations)
    if not stages:
        raise LayerError(
            f"{model.name} has no layer that is known to hold a map of the image.",
            "A lecture is about networks that have one; cnnviz.report tells of any.",
        )
    names = {
        "cnnviz": cnnviz,
        "model": model,
        "photo": photo,
        "data": data,
        "capture": held,
        "stages": stages,
    }
    lines = (
        "import cnnviz",
        "",
        f"model = {loading.code}",
        f"photo = {photo_file!r}",
        f"data = {data!r}",
        CAPTURE,
        STAGE_NAMES,
    )
    many = data if isinstance(data, str) else ",".join(data)
    # A command names a layer, whichever of its calls the capture holds.
    known = named_layers(model.module)
    first, *_, last = (shlex.quote(without_call(name, known)) for name in (stages[0], *stages))
    options = {
        "photo": shlex.quote(photo_file),
        "model": loading.options,
        "data": f"--data {shlex.quote(many)}",
        "first": first,
        "last": last,
    }
    return Beginning(names, "\n".join(lines), options)
