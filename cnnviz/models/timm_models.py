"""Networks of timm by name, with their weights, transforms and class names; an optional extra."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from cnnviz.errors import InstallationError, ModelError, UsageError, did_you_mean
from cnnviz.images import Preprocessing
from cnnviz.models.checkpoints import load_state, not_finite, read_cached, read_state
from cnnviz.models.hub import fetch
from cnnviz.models.model import Model
from cnnviz.models.randomness import RANDOM, seeded
from cnnviz.models.torchvision_import import import_torchvision

PREFIX = "timm:"
_FILES = ("model.safetensors", "pytorch_model.bin")


def import_timm() -> Any:
    """Import timm.

    Raises
    ------
    InstallationError
        It is not installed, or does not fit the installed torch and torchvision.
    """
    import_torchvision()  # which timm imports; its mismatch with torch is told there
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise InstallationError(
            "timm is not installed.", 'Install it: pip install "cnnviz[timm]".'
        ) from error


def names() -> list[str]:
    """Return the names of timm's networks, as `cnnviz.load` takes them."""
    return [f"{PREFIX}{name}" for name in import_timm().list_models()]


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return timm's network for ``timm:NAME``, or None (see `cnnviz.models.sources`)."""
    if not name.startswith(PREFIX):
        return None
    return load_timm(name.removeprefix(PREFIX), weights)


def load_timm(name: str, weights: str | Path) -> Model:
    """Build a network of timm.

    Parameters
    ----------
    name : str
        As timm has it, with or without the tag of its weights: ``resnet18``, or
        ``resnet18.a1_in1k``.
    weights : str or pathlib.Path
        ``DEFAULT``, the weights of that tag or timm's choice; a tag by name, such as ``a1_in1k``;
        ``random``; or the path of a checkpoint.
    """
    timm = import_timm()
    if not timm.is_model(name):
        raise ModelError(
            f"timm has no network {name!r}.",
            did_you_mean(name, timm.list_models(), "See timm.list_models()."),
        )
    if isinstance(weights, str) and weights not in ("DEFAULT", "random"):
        name = _tagged(timm, name, weights)
    if weights == "random":
        model = _describe(_create(timm, name), name, RANDOM)
        model.untrained = True
        return model
    if isinstance(weights, Path):
        module = _create(timm, name)
        choice = load_state(module, read_state(weights), name, weights.name)
        notes = (*choice, *not_finite(module))
        return _describe(module, name, f"checkpoint {weights.name}", notes)
    file = _published(timm, name)
    read_cached(file)
    # Some networks read the files of other frameworks in a way of their own; this is none of those.
    overlay = {"file": str(file), "custom_load": False}
    try:
        module = _create(timm, name, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:
        told = str(error).strip().partition("\n")[0].rstrip(".:") or type(error).__name__
        raise ModelError(
            f"{file.name} in {file.parent} does not fit timm's {name}: {told}.",
            "Delete the file to have it downloaded again.",
        ) from error
    tag = getattr(module, "pretrained_cfg", {}).get("tag") or "timm"
    return _describe(module, name, tag, not_finite(module))


def _tagged(timm: Any, name: str, tag: str) -> str:
    bare = name.partition(".")[0]
    known = timm.list_pretrained(f"{bare}.*") if hasattr(timm, "list_pretrained") else []
    known = known or timm.list_models(f"{bare}.*", pretrained=True)
    if f"{bare}.{tag}" in known:
        return f"{bare}.{tag}"
    tags = [entry.partition(".")[2] for entry in known]
    raise UsageError(
        f"timm has no weights {tag!r} for {bare}.",
        f"There are: {', '.join([*tags, 'random'])}; or give the path of a checkpoint.",
    )


def _create(timm: Any, name: str, **options: Any) -> nn.Module:
    with seeded():
        module: nn.Module = timm.create_model(name, **options)
    return module


def _published(timm: Any, name: str) -> Path:
    """Return the file of weights: from the hub's own cache, torch's cache, or downloaded there."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        raise ModelError(
            f"timm has no weights for {name}.",
            'Take weights="random".',
            option="Take --weights random.",
        )
    if not config.hf_hub_id:
        return fetch(config.url, name)
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    # The hub's own client retries for most of a minute and prints each time; fetch does neither.
    for file in _FILES:
        found = try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(found, str):
            return Path(found)
    repository = config.hf_hub_id.rpartition("/")[2]
    url = hf_hub_url(config.hf_hub_id, config.hf_hub_filename or _FILES[0])
    return fetch(url, f"timm:{name}", f"{repository}{Path(url).suffix}")


def _describe(module: nn.Module, name: str, weights: str, notes: tuple[str, ...] = ()) -> Model:
    config = import_module("timm.data").resolve_model_data_config(module)
    try:
        preprocessing = Preprocessing.from_timm(config)
    except UsageError:
        preprocessing = None
        notes = (*notes, "timm's own preprocessing pads or stretches and is not used")
    return Model(
        module,
        name=f"{PREFIX}{name}",
        preprocessing=preprocessing,
        categories=_categories(module),
        weights=weights,
        notes=notes,
    )


def _categories(module: nn.Module) -> tuple[str, ...] | None:
    data = import_module("timm.data")
    subset = data.infer_imagenet_subset(module)
    if subset is None:
        return None
    return tuple(data.ImageNetInfo(subset).label_descriptions())
