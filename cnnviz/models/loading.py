"""`load`: one door for every kind of network."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from cnnviz.bounds import bounded
from cnnviz.errors import ModelError, UsageError, did_you_mean
from cnnviz.images import Preprocessing
from cnnviz.images.paths import expand
from cnnviz.introspection.hooks import put_into_eval_mode
from cnnviz.models.categories import Categories, check_count, read_categories
from cnnviz.models.checkpoints import SUFFIXES, class_names
from cnnviz.models.model import Decode, Model, as_model
from cnnviz.models.output_kinds import OutputKind, read_output_kind
from cnnviz.models.settings import Settings, beside_model, check_settings, with_settings
from cnnviz.models.sources import SOURCES, forms
from cnnviz.models.torchscript_files import check_no_script

_OTHER_FRAMEWORKS = {
    ".keras": "Keras",
    ".h5": "Keras",
    ".hdf5": "Keras",
    ".onnx": "ONNX",
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow",
    ".mlmodel": "Core ML",
}
"""What files of these suffixes hold that somebody may name in place of a network of PyTorch."""


@bounded
def load(
    source: str | os.PathLike[str] | nn.Module | Model = "shapes",
    weights: str | os.PathLike[str] | None = "DEFAULT",
    *,
    categories: Categories | None = None,
    preprocessing: Settings | None = None,
    device: str | torch.device = "auto",
    output: OutputKind | str | None = None,
    member: str | int | None = None,
    decode: Decode | None = None,
    exact: bool = False,
) -> Model:
    """Load a network by name, from a file of code, or around a module at hand.

    Parameters
    ----------
    source : str, os.PathLike, torch.nn.Module or Model
        A shipped network (``shapes``, which is ``shapes-plain``; ``shapes-residual``; ``lenet5``);
        a network of the family of depths (``plain-56``, ``resnet-110``, ``mlp-10:sigmoid:xavier``;
        see `cnnviz.models.networks.depth_network`), with random weights;
        a network of torchvision that classifies, such as ``resnet50``, segments or detects
        (``fasterrcnn_resnet50_fpn``);
        ``timm:NAME`` (needs ``pip install "cnnviz[timm]"``); ``hf:OWNER/NAME``, on the hub of
        Hugging Face (needs transformers or timm); ``path/to/file.py:factory``, which runs that
        file; ``path/to/file.pt2``, a program of `torch.export`; or a module, which stays exactly as
        it is.
    weights : str, os.PathLike or None
        ``DEFAULT``; ``random`` or None, drawn with seed 0 whatever the global random state, which
        stays as it is; the name of published weights (``IMAGENET1K_V2``); or the path of a
        checkpoint: ``.safetensors``, or what torch saved, a state_dict, also under a key such as
        ``state_dict``, ``model``, ``model_state_dict``, ``net`` or ``state_dict_ema`` and with
        prefixes such as ``module.``. A checkpoint is read as data; no code in it runs.
    categories : sequence of str, mapping, str or os.PathLike, optional
        The class names in the order of the outputs, or a text file (one a line) or JSON file with
        them. Those of the weights when not given.
    preprocessing : Preprocessing, mapping, str or os.PathLike, optional
        What the network was trained on. A mapping, or a TOML file, says only what differs from what
        is known: ``resize``, ``crop``, ``mean``, ``std``, ``interpolation`` and ``colour``
        ("rgb", "bgr" or "grey"). When not given, its own: of the weights, of a file beside the
        checkpoint or beside the network's file (NAME.toml, preprocessing.toml, or Hugging Face's
        preprocessor_config.json); else a guess, which is reported.
    device : str or torch.device
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``. A module given as such
        stays where it is.
    output : OutputKind or str, optional
        What the output means: "classes", "labels", "logit", "value", "embedding", "class-map" or
        "boxes"; its own, or a guess that results tell, when not given.
    member : str or int, optional
        Which member of an output that is a tuple, a dict or an object: ``"logits"``, ``1``,
        ``"heads.age"``.
    decode : callable, optional
        What makes boxes of what a detector returns, where that is something else, such as a grid;
        see `Model`.
    exact : bool
        Whether all passes run on the network itself, bit for bit, also where many images would
        run on a private copy that computes the same faster, to within rounding.

    Returns
    -------
    Model
        Its module is in eval mode, unless it was given as a module.

    Raises
    ------
    ModelError
        The network cannot be found, built or downloaded.
    CheckpointError
        The checkpoint cannot be read or does not fit.
    InstallationError
        torch and torchvision do not fit together, or timm is not installed.
    UsageError
        Another argument is out of range.

    Examples
    --------
    >>> import cnnviz
    >>> model = cnnviz.load()
    >>> model.name, len(model.categories)
    ('shapes-plain', 10)
    """
    names = None if categories is None else read_categories(categories)
    check_settings(preprocessing)
    kind = None if output is None else read_output_kind(output)
    if not isinstance(source, str | os.PathLike):
        model = _given(source, weights, device)
    else:
        target = choose_device(device)
        chosen = _weights(weights)
        model = _by_name(os.fspath(source), chosen)
        if isinstance(chosen, Path):
            beside_model(model, chosen, class_names(chosen))
        put_into_eval_mode(model.module)
        model.module.to(target)
    if names is not None:
        if model.categories is not None:
            check_count(names, len(model.categories), model.name)
        model.categories = names
    if isinstance(preprocessing, Preprocessing):
        model.preprocessing = preprocessing
    elif preprocessing is not None:
        model.preprocessing = with_settings(model.preprocessing, preprocessing)
    if kind is not None:
        model.output = kind
    if member is not None:
        model.member = str(member)
    if decode is not None:
        model.decode_by(decode)
    model.exact = model.exact or exact
    return model


def available() -> dict[str, list[str]]:
    """Return the names that `load` knows, by where they come from; timm only where installed.

    Of the family of depths, which has a network for every number of layers, these are examples.
    """
    found = {source.key: source.names() for source in SOURCES}
    return {key: names for key, names in found.items() if names}


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Of several processes that `torchrun` has started on a machine, each has a GPU of its own where
    ``auto`` or ``cuda`` leaves it open.

    Raises
    ------
    UsageError
        This machine, or this build of torch, does not have it.
    """
    if device in ("auto", "cuda") and torch.cuda.is_available():
        place = os.environ.get("LOCAL_RANK", "")
        own = f":{int(place) % torch.cuda.device_count()}" if place.isdecimal() else ""
        return torch.device(f"cuda{own}")
    if device == "auto":
        return torch.device("cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"There is no device {device!r}.", "Use 'auto', 'cpu', 'cuda' or 'cuda:1'."
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"The device {str(chosen)!r} is not available: torch finds no GPU.",
            "Use device 'auto' or 'cpu', or install a torch that was built for your GPU.",
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise UsageError(f"There is no device {str(chosen)!r}.", f"The last one is 'cuda:{last}'.")
    if chosen.type not in ("cpu", "cuda", "mps", "xpu"):
        raise UsageError(f"The device {str(chosen)!r} cannot be used.", "Use 'cpu' or 'cuda'.")
    _check_accelerator(chosen)
    return chosen


def _check_accelerator(device: torch.device) -> None:
    missing = (device.type == "mps" and not torch.backends.mps.is_available()) or (
        device.type == "xpu" and not torch.xpu.is_available()
    )
    if missing:
        raise UsageError(
            f"The device {str(device)!r} is not available: torch finds none of this kind.",
            "Use device 'auto' or 'cpu'.",
        )


def _given(
    source: Model | nn.Module, weights: str | os.PathLike[str] | None, device: str | torch.device
) -> Model:
    if weights != "DEFAULT":
        raise UsageError(
            "A module is taken with the weights it has.",
            "Load the checkpoint into it first, with module.load_state_dict.",
        )
    model = as_model(source)
    if device != "auto" and choose_device(device).type != model.device.type:
        raise UsageError(
            f"The module is on {model.device} and stays there.",
            f"Move it first: module.to({str(device)!r}).",
        )
    return model.around(
        model.module, weights=model.weights, notes=model.notes, untrained=model.untrained
    )


def _weights(weights: str | os.PathLike[str] | None) -> str | Path:
    """Tell a checkpoint's path from the name of published weights."""
    if weights is None:
        return "random"
    if not isinstance(weights, str):
        return expand(weights)
    if weights.lower() in ("default", "random"):
        return "DEFAULT" if weights.lower() == "default" else "random"
    path = expand(weights)
    named_like_one = path.suffix in SUFFIXES or len(path.parts) > 1
    return path if named_like_one or path.is_file() else weights


def _by_name(name: str, weights: str | Path) -> Model:
    for source in SOURCES:
        found = source.load(name, weights)
        if found is not None:
            return found
    if Path(name).suffix in SUFFIXES:
        check_no_script(expand(name))
        raise ModelError(
            f"The checkpoint {name!r} does not say which network it belongs to.",
            'Name both: load("resnet18", weights="checkpoint.pth").',
            option=f"Name both: --model resnet18 --weights {name}.",
        )
    if Path(name).suffix.lower() in _OTHER_FRAMEWORKS and expand(name).exists():
        raise ModelError(
            f"{name!r} is a network of {_OTHER_FRAMEWORKS[Path(name).suffix.lower()]}, and cnnviz "
            "looks into those of PyTorch.",
            f"Build its layers in PyTorch and copy the weights into them, then name {forms()}.",
        )
    module, _, factory = name.partition(":")
    file = Path(f"{module.replace('.', '/')}.py")
    if factory and file.is_file():
        raise ModelError(
            f"{name!r} names a module, and a factory is named by its file.",
            f"Name the file: {file.as_posix()}:{factory}.",
        )
    known = [suggestion for source in SOURCES for suggestion in source.suggestions()]
    raise ModelError(
        f"There is no network called {name!r}.",
        did_you_mean(name, known, f"See cnnviz.models.available(), or name {forms()}."),
        option=did_you_mean(name, known, f"See `cnnviz models`, or name {forms()}."),
    )
