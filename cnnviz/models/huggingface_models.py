"""Networks on the hub of Hugging Face: ``hf:NAME``, of transformers (an optional extra) or timm."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from cnnviz.errors import InstallationError, ModelError
from cnnviz.images import IMAGENET, Preprocessing
from cnnviz.models.checkpoints import load_state, not_finite, read_state
from cnnviz.models.model import Model
from cnnviz.models.randomness import RANDOM, seeded
from cnnviz.models.settings import with_settings
from cnnviz.models.timm_models import import_timm, load_timm

PREFIX = "hf:"
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
    config = json.loads(_fetch(name, "config.json").read_text(encoding="utf-8"))
    if "architecture" in config:
        return _of_timm(name, config, weights)
    return _of_transformers(name, weights)


def _fetch(name: str, file: str) -> Path:
    """Return a file of a repository: of a folder, of the hub's cache, or downloaded there."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if (folder / file).is_file():
            return folder / file
        raise ModelError(f"There is no {file} in {name!r}.", "Name a folder that has one.")
    try:
        hub = import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise InstallationError(
            "huggingface_hub is not installed.", "Install it: pip install transformers."
        ) from error
    found = hub.try_to_load_from_cache(name, file) if "/" in name else None
    if isinstance(found, str):
        return Path(found)
    try:
        return Path(hub.hf_hub_download(name, file, etag_timeout=10))
    except Exception as error:  # of the client, of the network, or of the name
        raise ModelError(
            f"{PREFIX}{name} is not on this machine and could not be downloaded "
            f"({type(error).__name__}).",
            f"Check the name, or download it where there is a network: hf download {name}.",
        ) from error


def _of_timm(name: str, config: dict[str, Any], weights: str | Path) -> Model:
    timm = import_timm()
    settings = {**config, **config.get("pretrained_cfg", {})}
    architecture = str(config["architecture"])
    if not timm.is_model(architecture):
        raise ModelError(f"timm has no network {architecture!r}.", "Install a newer timm.")
    with seeded():
        module = timm.create_model(architecture, num_classes=settings.get("num_classes", 1000))
    told = RANDOM
    if weights != "random":
        file = weights if isinstance(weights, Path) else _fetch(name, _WEIGHTS)
        load_state(module, read_state(file), f"{PREFIX}{name}", file.name)
        told = name if weights == "DEFAULT" else f"checkpoint {file.name}"
    module.pretrained_cfg = {**module.pretrained_cfg, **settings}
    labels = settings.get("label_names")
    return Model(
        module,
        name=f"{PREFIX}{name}",
        categories=labels if isinstance(labels, list) and labels else None,
        weights=told,
        notes=not_finite(module),
        untrained=weights == "random",
    )


def _of_transformers(name: str, weights: str | Path) -> Model:
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise InstallationError(
            f"{PREFIX}{name} is a network of transformers, which is not installed.",
            "Install it: pip install transformers.",
        ) from error
    settings = _fetch(name, "preprocessor_config.json")
    file = weights if isinstance(weights, Path) else None
    if weights == "DEFAULT":
        file = _fetch(name, _WEIGHTS)
    kind = transformers.AutoModelForImageClassification
    config = transformers.AutoConfig.from_pretrained(
        str(settings.parent), local_files_only=True, trust_remote_code=False
    )
    try:
        with seeded():
            module = kind.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"{PREFIX}{name} is no image classifier of transformers ({type(error).__name__}).",
            "Name one of the task image-classification.",
        ) from error
    if file is not None:
        load_state(module, read_state(file), f"{PREFIX}{name}", file.name)
    labels = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    return Model(
        module,
        name=f"{PREFIX}{name}",
        preprocessing=_said(settings),
        categories=[labels[index] for index in sorted(labels)] or None,
        weights=RANDOM if file is None else name if weights == "DEFAULT" else str(file.name),
        notes=not_finite(module),
        untrained=file is None,
    )


def _said(settings: Path) -> Preprocessing:
    return with_settings(IMAGENET, settings)
