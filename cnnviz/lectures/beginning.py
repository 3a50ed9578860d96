"""What every lecture begins with: the network, the photo, and one capture of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cnnviz
from cnnviz.datasets.opening import SHAPES
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.lectures.chapter import Step
from cnnviz.lectures.located import located
from cnnviz.models import Model
from cnnviz.models.sources import SOURCES
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.no_map import no_map
from cnnviz.passes.stages import STAGES

CAPTURE = 'capture = cnnviz.capture(model, photo, layers="stages", gradients="layers")'
STAGE_NAMES = "stages = list(capture.activations)"
_FACTORY, _PROGRAM = ".py:", ".pt2"


@dataclass(frozen=True)
class Loading:
    """How a network is loaded: in Python, and by the options of a command.

    Attributes
    ----------
    code : str
        What makes the network, as a Python expression, with a remark after it where it takes one.
    options : str
        The options of a command; empty where no command can load it.
    """

    code: str
    options: str

    @classmethod
    def of(
        cls,
        source: str,
        weights: str = "DEFAULT",
        *,
        preparation: Mapping[str, str] | None = None,
        folder: Path | None = None,
        **settings: str,
    ) -> Loading:
        """Return how a network is loaded by name, said with as little as it takes.

        Parameters
        ----------
        source, weights : str
            The network, and what it knows.
        preparation : mapping of str to str, optional
            What was said of how photos are prepared.
        folder : Path, optional
            The folder that files are named from; by default they have their absolute paths.
        **settings : str
            What else `cnnviz.load` was told, under the names that its options have too.
        """
        if source.endswith(_PROGRAM) or _FACTORY in source:
            source = located(source, folder)
        weights = _located_file(weights, folder)
        files = {"categories"} & set(settings)
        told = {**settings, **{name: _located_file(settings[name], folder) for name in files}}
        said = [repr(source), *([] if weights == "DEFAULT" else [repr(weights)])]
        said += [f"{name}={value!r}" for name, value in told.items()]
        if preparation:
            said.append(f"preprocessing={dict(preparation)!r}")
        named = {"model": source, "weights": "" if weights == "DEFAULT" else weights}
        flags = {**named, **told, **(preparation or {})}
        options = [f"--{name} {shlex.quote(value)}" for name, value in flags.items() if value]
        return cls(f"cnnviz.load({', '.join(said)})", " ".join(options))

    @classmethod
    def of_model(cls, model: Model) -> Loading:
        """Return how a network that is at hand is loaded, as far as its name tells."""
        if any(model.name in source.names() for source in SOURCES if not source.package):
            return cls.of(model.name, "random" if model.untrained else "DEFAULT")
        return cls(f"cnnviz.Model(network)  # {model.name}, which was at hand: put it here", "")


def _located_file(text: str, folder: Path | None) -> str:
    """Return what names a file, or something of that name, as it is named from a folder."""
    return located(text, folder) if Path(text).expanduser().is_file() else text


def located_data(data: str | Sequence[str], folder: Path | None) -> str | list[str]:
    """Return what names many images as it is named from a folder."""
    if isinstance(data, str):
        return data if data == SHAPES else located(data, folder)
    return [located(one, folder) for one in data]


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
        What stands for the photo, the network, the data and the layers in a command.
    """

    names: dict[str, Any]
    code: str
    options: dict[str, str]

    def command(self, step: Step) -> str:
        """Return the command of a step that has run; none where no command loads the network."""
        if "{model}" in step.command and not self.options["model"]:
            return ""
        spelled = {name: shlex.quote(str(self.run(code))) for name, code in step.spelled.items()}
        return step.command.format(**self.options, **spelled)

    @property
    def capture(self) -> Capture:
        """The one capture of the photo."""
        found: Capture = self.names["capture"]
        return found

    def run(self, call: str) -> Any:
        """Return what a call of a chapter, which is text of this package, comes to."""
        return eval(compile(call, "<lecture>", "eval"), dict(self.names))


def begin(
    model: Model,
    loading: Loading,
    photo: Any,
    photo_file: str,
    data: str | Sequence[str],
    folder: Path | None = None,
) -> Beginning:
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
    folder : Path, optional
        The folder of the notebook, from which files are named.

    Raises
    ------
    LayerError
        If no layer of the network holds a map of the image.
    """
    held = capture(model, photo, layers=STAGES, gradients="layers")
    stages = list(held.activations)
    if not stages:
        raise no_map(
            model,
            "A lecture is about networks that have one; cnnviz.report tells of any.",
            option="A lecture is about networks that have one; cnnviz report tells of any.",
        )
    names = {
        "cnnviz": cnnviz,
        "model": model,
        "photo": photo,
        "data": data,
        "capture": held,
        "stages": stages,
    }
    told = located_data(data, folder)
    lines = (
        "import cnnviz",
        "",
        "# The photo lies beside this notebook; other files are where they were.",
        f"model = {loading.code}",
        f"photo = {photo_file!r}",
        f"data = {told!r}",
        CAPTURE,
        STAGE_NAMES,
    )
    many = told if isinstance(told, str) else ",".join(told)
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
