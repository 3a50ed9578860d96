"""Networks of torchvision by name, with their weights, transforms and class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from cnnviz.errors import ModelError, UsageError, did_you_mean
from cnnviz.images import ArrayPreprocessing, Preprocessing
from cnnviz.images.array_preprocessing import FRAMES
from cnnviz.models.checkpoints import (
    load_state,
    mismatches,
    not_finite,
    read_cached,
    read_state,
)
from cnnviz.models.guesses import TO_UNIT_RANGE
from cnnviz.models.hub import fetch
from cnnviz.models.model import Model
from cnnviz.models.output_kinds import OutputKind
from cnnviz.models.randomness import RANDOM, seeded
from cnnviz.models.torchvision_import import import_torchvision
from cnnviz.models.weight_sets import strip_prefixes

_NO_THRESHOLD = (
    "No box of random weights would pass torchvision's threshold, so the score below which a box "
    "is dropped is 0."
)
_WITH_AUXILIARY_HEADS = {"googlenet": "aux1.", "inception_v3": "AuxLogits."}


def names() -> list[str]:
    """Return the names of torchvision's networks: to classify, segment, detect, and for clips."""
    models = import_torchvision("torchvision.models")
    kinds = (models, models.segmentation, models.detection, models.video)
    return [name for kind in kinds for name in models.list_models(module=kind)]


def find(name: str) -> str | None:
    """Return the name under which torchvision knows a network, or None.

    Raises
    ------
    ModelError
        torchvision has it, but it takes no single still image to one output (optical
        flow, quantized).
    """
    models = import_torchvision("torchvision.models")
    wanted = name.lower()
    if wanted in names():
        return wanted
    if wanted in models.list_models():
        known = names()
        raise ModelError(
            f"{wanted} is a network of torchvision for another task than to classify or segment a "
            "photo, to find boxes in it, or to classify a clip.",
            did_you_mean(wanted, known, "Name one of torchvision's classification networks."),
        )
    return None


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return torchvision's network of this name, or None (see `cnnviz.models.sources`)."""
    found = find(name)
    return None if found is None else load_torchvision(found, weights)


def load_torchvision(name: str, weights: str | Path) -> Model:
    """Build a network of torchvision.

    Parameters
    ----------
    name : str
        What `find` returned.
    weights : str or pathlib.Path
        ``DEFAULT``, the best that torchvision has; one by name, such as ``IMAGENET1K_V1``;
        ``random``; or the path of a checkpoint. A checkpoint may be for another number of classes
        than torchvision's own weights: the last layer is then built to fit.

    Notes
    -----
    A published file of weights is refused unless it holds weights alone. GoogLeNet and
    Inception v3 come without their auxiliary heads, which only training uses, and with the input
    transformation that torchvision gives its own weights. Random weights and checkpoints get the
    preprocessing and the class names of torchvision's best weights; for a checkpoint
    `Model.notes` says so.
    """
    enum = import_torchvision("torchvision.models").get_model_weights(name)
    if weights == "random":
        options = _without_threshold(name) if _detects(name) else {}
        told = (_NO_THRESHOLD,) if options else ()
        model = _describe(_build(name, **options), name, enum, RANDOM, notes=told)
        model.untrained = True
        return model
    if isinstance(weights, Path):
        return _from_checkpoint(name, enum, weights)
    return _published(name, enum, weights)


def _published(name: str, enum: Any, weights: str) -> Model:
    chosen = _choose(enum, weights, name)
    file = fetch(chosen.url, f"{name} ({chosen.name})")
    read_cached(file)
    try:
        with seeded():
            module = _get_model(name, weights=chosen, progress=False)
    except (RuntimeError, KeyError, OSError) as error:
        raise ModelError(
            f"{file.name} in {file.parent} does not fit {name}: {str(error).splitlines()[0]}",
            "Delete the file to have it downloaded again.",
        ) from error
    return _describe(module, name, enum, chosen.name, chosen=chosen, notes=not_finite(module))


def _choose(enum: Any, weights: str, name: str) -> Any:
    if weights == "DEFAULT" and len(enum) == 0:
        raise ModelError(
            f"torchvision has no weights for {name}.",
            'Take weights="random".',
            option="Take --weights random.",
        )
    wanted = weights.removeprefix(f"{enum.__name__}.").upper()
    if wanted in enum.__members__:
        return enum[wanted]
    known = [*enum.__members__, "random"]
    raise UsageError(
        f"torchvision has no weights {weights!r} for {name}.",
        f"There are: {', '.join(known)}; or give the path of a checkpoint.",
    )


def _from_checkpoint(name: str, enum: Any, path: Path) -> Model:
    state = read_state(path)
    head = _WITH_AUXILIARY_HEADS.get(name)
    auxiliary = any(head in key for key in state) if head else False
    module = _build(name, auxiliary)
    classes = _other_class_count(module, strip_prefixes(state, module.state_dict()), enum)
    if classes is not None:
        module = _build(name, auxiliary, num_classes=classes)
    choice = load_state(module, state, name, path.name)
    origin = f"checkpoint {path.name}"
    model = _describe(module, name, enum, origin)
    taken = "preprocessing and class names"
    if classes is not None:
        model.categories, taken = None, "preprocessing"
    assumed = f"{taken} taken from torchvision's weights, not from the checkpoint"
    model.notes = (assumed, *choice, *not_finite(module))
    return model


def _other_class_count(module: nn.Module, state: dict[str, Any], enum: Any) -> int | None:
    """Return the number of classes in the file if that alone keeps it from fitting."""
    usual = _class_count(enum)
    different = mismatches(module, state).values()
    counts = {theirs[0] for _, theirs in different if len(theirs)}
    only_classes = all(
        ours[:1] == (usual,) and ours[1:] == theirs[1:] for ours, theirs in different
    )
    return int(counts.pop()) if len(counts) == 1 and only_classes else None


def _class_count(enum: Any) -> int:
    return max((len(entry.meta.get("categories") or ()) for entry in enum), default=0) or 1000


def _build(name: str, auxiliary: bool = False, **options: Any) -> nn.Module:
    """Build with seeded random weights and nothing downloaded."""
    if name in _WITH_AUXILIARY_HEADS:
        options |= {"aux_logits": auxiliary, "init_weights": True}
    if name in import_torchvision("torchvision.models").segmentation.__dict__ or _detects(name):
        options |= {"weights_backbone": None}
    with seeded():
        return _get_model(name, weights=None, **options)


def _detects(name: str) -> bool:
    return name in import_torchvision("torchvision.models").detection.__dict__


def _without_threshold(name: str) -> dict[str, Any]:
    return {"box_score_thresh" if "rcnn" in name else "score_thresh": 0.0}


def _get_model(name: str, **options: Any) -> nn.Module:
    module: nn.Module = import_torchvision("torchvision.models").get_model(name, **options)
    return module


def _describe(
    module: nn.Module,
    name: str,
    enum: Any,
    weights: str,
    *,
    chosen: Any = None,
    notes: tuple[str, ...] = (),
) -> Model:
    """Give a network the transforms and class names of its weights, or else of the best ones."""
    entry = chosen or _fitting(module, enum)
    if _detects(name):
        categories = None if entry is None else entry.meta.get("categories")
        return Model(
            module,
            name=name,
            preprocessing=TO_UNIT_RANGE,
            categories=categories,
            weights=weights,
            notes=notes,
            output=OutputKind.BOXES,
        )
    if entry is None:
        return Model(module, name=name, weights=weights, notes=notes)
    named = next((e for e in (entry, *enum) if e.meta.get("categories")), entry)
    return Model(
        module,
        name=name,
        preprocessing=_preprocessing(entry),
        categories=named.meta.get("categories"),
        weights=weights,
        notes=notes,
    )


def _fitting(module: nn.Module, enum: Any) -> Any:
    """Return the best weights whose photos have the size that the network is built for."""
    if not len(enum):
        return None
    built_for = getattr(module, "image_size", None)  # a ViT takes no other
    sizes = {
        entry: getattr(entry.transforms(), "crop_size", None) for entry in (enum.DEFAULT, *enum)
    }
    return next((entry for entry, size in sizes.items() if size == [built_for]), enum.DEFAULT)


def _preprocessing(entry: Any) -> Preprocessing:
    """Return what torchvision does to a photo, or to a clip, for these weights."""
    preset = entry.transforms()
    of_clips = import_torchvision("torchvision.transforms._presets").VideoClassification
    if not isinstance(preset, of_clips):
        return Preprocessing.from_torchvision(preset)
    frames = max(entry.meta.get("min_temporal_size") or 1, FRAMES)
    return ArrayPreprocessing.from_torchvision_clips(preset, frames)
