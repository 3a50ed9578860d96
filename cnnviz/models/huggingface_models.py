"""Networks on the hub of Hugging Face: ``hf:NAME``, of transformers (an optional extra) or timm."""

from __future__ import annotations

import socket
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from msgspec import Meta, Struct
from torch import nn

from cnnviz.errors import InstallationError, ModelError
from cnnviz.images import IMAGENET
from cnnviz.images.paths import expand
from cnnviz.models.checkpoints import load_state, not_finite, read_state
from cnnviz.models.model import Model
from cnnviz.models.randomness import RANDOM, seeded
from cnnviz.models.settings import HUGGING_FACE, with_settings
from cnnviz.models.timm_models import import_timm, load_timm
from cnnviz.results.given_files import given_text
from cnnviz.results.structured import decoded, fitted

PREFIX = "hf:"
_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"


def names() -> list[str]:
    """Return no name: the hub has a million."""
    return []


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the network of ``hf:NAME``, or None (see `cnnviz.models.sources`)."""
    if not name.startswith(PREFIX):
        return None
    return load_huggingface(name.removeprefix(PREFIX), weights)


def load_huggingface(name: str, weights: str | Path) -> Model:
    """Load an image classifier from the hub's cache on this machine, or download it.

    No code of the repository runs, and weights are read from safetensors alone.

    Parameters
    ----------
    name : str
        ``owner/name``, as on the hub, or a folder with config.json and model.safetensors.
    weights : str or pathlib.Path
        ``DEFAULT``, ``random``, or the path of a checkpoint.

    Raises
    ------
    InstallationError
        What it needs is not installed: transformers, or timm.
    ModelError
        It is not on this machine and cannot be downloaded, or is no image classifier.
    """
    if isinstance(weights, str) and weights not in ("DEFAULT", "random"):
        raise ModelError(
            f"{PREFIX}{name} has no weights {weights!r}.", "Use 'DEFAULT' or 'random', or a file."
        )
    owner, _, bare = name.partition("/")
    if owner == "timm" and bare:
        return load_timm(bare, weights)
    file = _fetch(name, _CONFIG)
    config = _config(file, name)
    if "architecture" in config:
        return _of_timm(name, config, weights)
    return _of_transformers(name, file.parent, weights)


class _Config(Struct):
    """What is read of a config.json of timm."""

    architecture: str | None = None
    num_classes: Annotated[int, Meta(ge=0, le=10**7)] | None = None
    pretrained_cfg: dict[str, Any] | None = None
    label_names: list[str] | None = None


def _config(file: Path, name: str) -> dict[str, Any]:
    try:
        found = decoded(given_text(file), dict[str, Any])
        fitted({**found, **(fitted(found, _Config).pretrained_cfg or {})}, _Config)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(
            f"The {_CONFIG} of {name!r} cannot be read: {reason}.", "Download it again."
        ) from error
    return found


def _fetch(name: str, file: str) -> Path:
    """Return a file of a repository, which must have it."""
    found = _find(name, file)
    if found is None:
        raise ModelError(
            f"There is no {file} in {name!r}.",
            "Name a repository, or a folder, of an image classifier that has one.",
        )
    return found


def _find(name: str, file: str) -> Path | None:
    """Return a file of a folder, of the hub's cache, or downloaded there; None if it has none."""
    folder = expand(name)
    if folder.is_dir():
        return folder / file if (folder / file).is_file() else None
    try:
        hub = import_module("huggingface_hub")
        errors = import_module("huggingface_hub.errors")
    except ModuleNotFoundError as error:
        raise InstallationError(
            "huggingface_hub is not installed.", "Install it: pip install transformers."
        ) from error
    found = hub.try_to_load_from_cache(name, file) if "/" in name else None
    if isinstance(found, str):
        return Path(found)
    if not _is_reachable(str(hub.constants.ENDPOINT)):
        raise _not_here(name, "there is no connection")
    try:
        return Path(hub.hf_hub_download(name, file, etag_timeout=10))
    except Exception as error:  # of the client, of the network, or of the name
        # Without a connection it is "not found" here, which says nothing of the repository.
        unreached = isinstance(error, errors.LocalEntryNotFoundError)
        if isinstance(error, errors.EntryNotFoundError) and not unreached:
            return None
        raise _not_here(name, type(error).__name__) from error


def _not_here(name: str, why: str) -> ModelError:
    return ModelError(
        f"{PREFIX}{name} is not on this machine and could not be downloaded ({why}).",
        f"Check the name, or download it where there is a network: hf download {name}.",
    )


def _is_reachable(address: str) -> bool:
    """Whether a host has an address: the hub's client would try for half a minute, and say so."""
    if getproxies():  # which look it up themselves
        return True
    try:
        socket.getaddrinfo(urlsplit(address).hostname, None)
    except OSError:
        return False
    return True


def _of_timm(name: str, config: dict[str, Any], weights: str | Path) -> Model:
    timm = import_timm()
    settings = {**config, **config.get("pretrained_cfg", {})}
    architecture = str(config["architecture"])
    if not timm.is_model(architecture):
        raise ModelError(f"timm has no network {architecture!r}.", "Install a newer timm.")
    with seeded():
        module = timm.create_model(architecture, num_classes=settings.get("num_classes", 1000))
    told, choice = _load_weights(module, name, weights)
    module.pretrained_cfg = {**module.pretrained_cfg, **settings}
    labels = settings.get("label_names")
    return Model(
        module,
        name=f"{PREFIX}{name}",
        categories=labels if isinstance(labels, list) and labels else None,
        weights=told,
        notes=(*choice, *not_finite(module)),
        untrained=weights == "random",
    )


def _of_transformers(name: str, folder: Path, weights: str | Path) -> Model:
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise InstallationError(
            f"{PREFIX}{name} is a network of transformers, which is not installed.",
            "Install it: pip install transformers.",
        ) from error
    settings = _find(name, HUGGING_FACE)
    try:
        config = transformers.AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        with seeded():
            kind = transformers.AutoModelForImageClassification
            module = kind.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"{PREFIX}{name} is no image classifier of transformers ({type(error).__name__}).",
            "Name one of the task image-classification.",
        ) from error
    told, choice = _load_weights(module, name, weights)
    labels = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    return Model(
        module,
        name=f"{PREFIX}{name}",
        preprocessing=None if settings is None else with_settings(IMAGENET, settings),
        categories=[labels[index] for index in sorted(labels)] or None,
        weights=told,
        notes=(*choice, *not_finite(module)),
        untrained=weights == "random",
    )


def _load_weights(module: nn.Module, name: str, weights: str | Path) -> tuple[str, tuple[str, ...]]:
    """Load what was asked for into a network; return what to call it, and which part was taken."""
    if weights == "random":
        return RANDOM, ()
    file = weights if isinstance(weights, Path) else _fetch(name, _WEIGHTS)
    choice = load_state(module, read_state(file), f"{PREFIX}{name}", file.name)
    return (f"checkpoint {file.name}" if isinstance(weights, Path) else name), choice
