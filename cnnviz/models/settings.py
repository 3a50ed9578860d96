"""Preprocessing and class names from files: beside a checkpoint, beside a network's own file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from cnnviz.bounds import Within
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.images import ArrayPreprocessing, Preprocessing
from cnnviz.images.paths import expand
from cnnviz.models.categories import Categories, read_categories
from cnnviz.models.input_trials import find_input
from cnnviz.models.model import Model
from cnnviz.results.given_files import given_text
from cnnviz.results.space import IMAGE
from cnnviz.results.structured import decoded, fitted
from cnnviz.results.text import dimensions, plural

Settings = Preprocessing | Mapping[str, Any] | str | os.PathLike[str]

KEYS = ("resize", "crop", "mean", "std", "interpolation", "colour", "rate", "spectrogram")
_COLOURS = {"grey": 1, "gray": 1, "rgb": 3, "bgr": 3}
_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
HUGGING_FACE = "preprocessor_config.json"
"""The file in which Hugging Face keeps how images are prepared."""
_SIDE = Within(1, 16_384)
"""Pixels of a side that photos are resized or cut to."""
_VALUES = Within(-1e6, 1e6)


class _Sides(Struct):
    """A size in a preprocessor_config.json."""

    shortest_edge: Annotated[int, Meta(ge=1, le=16_384)] | UnsetType = UNSET
    height: Annotated[int, Meta(ge=1, le=16_384)] | UnsetType = UNSET
    width: Annotated[int, Meta(ge=1, le=16_384)] | UnsetType = UNSET


class _Processor(Struct):
    """What is read of a preprocessor_config.json."""

    size: Annotated[int, Meta(ge=1, le=16_384)] | list[int] | _Sides | None = None
    crop_size: Annotated[int, Meta(ge=1, le=16_384)] | list[int] | _Sides | None = None
    crop_pct: Annotated[float, Meta(gt=0, le=1)] | None = None
    rescale_factor: Annotated[float, Meta(gt=0, le=1e6)] = 1 / 255
    resample: int | None = None
    image_mean: float | list[float] | None = None
    image_std: float | list[float] | None = None


def with_settings(known: Preprocessing, given: Settings) -> Preprocessing:
    """Return a network's preprocessing, changed where something else was said.

    Parameters
    ----------
    known : Preprocessing
        Its own, or a guess.
    given : Preprocessing, mapping, str or os.PathLike
        All of it; or some of `KEYS`, or a TOML or JSON file with them. Values of `mean` and `std`
        above 1 are those of pixels from 0 to 255. `resize` and `crop` are a number, height and
        width, or "none"; a `resize` alone is also the side of the crop. `rate` is the samples a
        second of signals. `spectrogram`, true or false, says that a network of images takes
        spectrograms, frequency by time, as numbers that nothing is done to but `mean` and `std`.

    Raises
    ------
    UsageError
        If the file cannot be read, a key is unknown, or a value is out of range.
    """
    if isinstance(given, Preprocessing):
        return given
    if isinstance(given, (str, os.PathLike)):
        path = expand(given)
        return _with_file(known, path, _read(path))
    return _checked_crop(_with(_as_spectrogram(known, given), given, "as given"))


def check_settings(given: Settings | None) -> None:
    """Raise a `UsageError` for a size or number that no preprocessing has, whatever the network.

    `with_settings` finds it out as well, once the network is loaded, which may take long.
    """
    if isinstance(given, Mapping):
        for name in given.keys() & {"resize", "crop"}:
            _sides(name, given[name])
        for name in given.keys() & {"mean", "std"}:
            _many(name, given[name])


def beside(path: Path, known: Preprocessing) -> Preprocessing | None:
    """Return the preprocessing that a file beside a checkpoint or a network's file says, if any.

    Looked for are NAME.toml and NAME.json beside NAME.pth or NAME.py, preprocessing.toml and
    preprocessing.json, and a preprocessor_config.json as Hugging Face writes it.
    """
    names = (f"{path.stem}.toml", "preprocessing.toml", f"{path.stem}.json", "preprocessing.json")
    for name in (*names, HUGGING_FACE):
        found = path.with_name(name)
        if found.is_file():
            content = _read(found)
            if name.startswith(f"{path.stem}.") and not set(content) & set(KEYS):
                continue  # something else of that name
            return _with_file(known, found, content)
    return None


def categories_beside(path: Path) -> Path | None:
    """Return the list of class names beside a checkpoint or a network's file, if there is one."""
    for stem in (f"{path.stem}-categories", "categories", "classes", "labels"):
        for suffix in (".txt", ".json"):
            found = path.with_name(stem + suffix)
            if found.is_file():
                return found
    return None


def beside_model(model: Model, path: Path, names: Categories | None = None) -> None:
    """Give a network what stands beside its checkpoint or its own file, or in the checkpoint.

    Parameters
    ----------
    model : Model
        The network, whose preprocessing and class names are set.
    path : pathlib.Path
        The checkpoint, or the Python file.
    names : sequence or mapping, optional
        Class names in the checkpoint itself; a list beside it comes first.
    """
    found = beside(path, model.preprocessing)
    if found is not None:
        model.preprocessing = found
    listed = categories_beside(path)
    source = names if listed is None else listed
    if source is None:
        return
    read = read_categories(source)
    outputs = len(model.categories) if model.categories else _outputs(model)
    # One output may be a logit, whose two classes have a name each.
    if outputs is not None and outputs != len(read) and (outputs, len(read)) != (1, 2):
        where = path.name if listed is None else listed.name
        said = (
            f"The {len(read)} class names in {where} are not used: {model.name} has "
            f"{plural(outputs, 'output')}"
        )
        # The list may lie beside the checkpoint and beside the file of the network.
        model.notes = tuple(dict.fromkeys((*model.notes, said)))
        return
    model.categories = read


def _outputs(model: Model) -> int | None:
    tried = find_input(model.module)
    if tried is None:
        return None
    return tried.mapped if tried.outputs is None else tried.outputs


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = given_text(path)
        content = decoded(text, Any) if path.suffix == ".json" else tomllib.loads(text)
        if isinstance(content, dict) and ("image_mean" in content or "do_normalize" in content):
            fitted(content, _Processor)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"The preprocessing in {str(path)!r} cannot be read: {reason}.",
            f"Write a TOML file with {', '.join(KEYS)}.",
        ) from error
    if not isinstance(content, dict):
        return {}
    if "image_mean" in content or "do_normalize" in content:
        return _of_hugging_face(content)
    return content


def _of_hugging_face(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of Hugging Face's image processors in our words."""
    size, crop = _size(config.get("size")), _size(config.get("crop_size"))
    found: dict[str, Any] = {
        "resize": size if config.get("do_resize", True) and size else "none",
        "crop": crop if config.get("do_center_crop", False) and crop else "none",
    }
    if config.get("crop_pct") and isinstance(size, int) and size < 384:
        found |= {"resize": int(size / config["crop_pct"]), "crop": size}  # as ConvNeXt has it
    elif isinstance(size, int) and not isinstance(config.get("size"), Mapping):
        found["resize"] = [size, size] if found["crop"] == "none" else size
    scale = 255 * float(config.get("rescale_factor", 1 / 255))
    if not config.get("do_rescale", True):
        scale = 255.0
    normalises = config.get("do_normalize", True) and config.get("image_mean")
    if normalises and not config.get("image_std"):
        raise UsageError(
            f"{HUGGING_FACE} has an image_mean and no image_std.",
            "Write image_std in it, or set do_normalize to false.",
        )
    mean = config["image_mean"] if normalises else [0.0]
    std = config["image_std"] if normalises else [1.0]
    found["mean"] = [value / scale for value in _many("image_mean", mean)]
    found["std"] = [value / scale for value in _many("image_std", std)]
    if config.get("resample") in _PILLOW:
        found["interpolation"] = _PILLOW[config["resample"]]
    return found


def _size(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "shortest_edge" in value:
            return int(value["shortest_edge"])
        return [int(value["height"]), int(value["width"])] if "height" in value else None
    return value


def _with_file(known: Preprocessing, path: Path, content: Mapping[str, Any]) -> Preprocessing:
    if not content:
        raise UsageError(f"{path.name} holds no settings.", f"Write {', '.join(KEYS)} in it.")
    return _with(_as_spectrogram(known, content), content, f"as {path.name} says")


def _with(known: Preprocessing, given: Mapping[str, Any], origin: str) -> Preprocessing:
    unknown = [key for key in given if key not in KEYS]
    if unknown:
        raise UsageError(
            f"There is no setting {unknown[0]!r} of the preprocessing, {origin}.",
            did_you_mean(unknown[0], KEYS, f"There are {', '.join(KEYS)}."),
        )
    colour = str(given.get("colour", known.colour)).lower()
    if colour not in _COLOURS:
        raise UsageError(f"There is no colour {given['colour']!r}.", "Use 'rgb', 'bgr' or 'grey'.")
    channels = _COLOURS[colour] if "colour" in given else known.channels
    mean, std = _normalisation(known, given, channels, origin)
    resize = _sides("resize", given["resize"]) if "resize" in given else known.resize
    crop = known.crop
    if "crop" in given:
        side = _sides("crop", given["crop"])
        crop = (side, side) if isinstance(side, int) else side
    elif "resize" in given:
        crop = (resize, resize) if isinstance(resize, int) else None
    # One of the two alone leaves the other a guess.
    sized, scaled = "resize" in given or "crop" in given, "mean" in given
    told = known.is_guess and not (sized and scaled)
    return replace(
        _at_rate(known, given),
        resize=resize,
        crop=crop,
        mean=mean,
        std=std,
        interpolation=str(given.get("interpolation", known.interpolation)),
        colour="bgr" if colour == "bgr" else "rgb",
        origin=f"{known.origin}; the rest {origin}" if told else origin,
        is_guess=told,
        is_undivided="std" not in given and ("mean" in given or known.is_undivided),
    )


def _as_spectrogram(known: Preprocessing, given: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing of spectrograms, where it was said that a network takes them."""
    if not given.get("spectrogram"):
        return known
    if isinstance(known, ArrayPreprocessing) and known.space != IMAGE:
        raise UsageError(
            f"The network takes {known.takes}, and a spectrogram is an image.",
            "Leave the spectrogram out.",
        )
    zeros, ones = (0.0,) * known.channels, (1.0,) * known.channels
    return ArrayPreprocessing(mean=zeros, std=ones, axes=2, axis_names=("frequency", "time"))


def _at_rate(known: Preprocessing, given: Mapping[str, Any]) -> Preprocessing:
    """Return a preprocessing with the sampling rate that was said, where one was."""
    if "rate" not in given:
        return known
    try:
        rate = float(given["rate"])
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{given['rate']!r} is no sampling rate.", "Give samples a second, such as 16000."
        ) from error
    if not isinstance(known, ArrayPreprocessing):
        raise UsageError("Photos have no sampling rate.", "Leave the rate out.")
    return replace(known, rate=rate)


def _checked_crop(prepared: Preprocessing) -> Preprocessing:
    """Refuse a crop that no photo fills, since each has been resized to less before."""
    resize, crop = prepared.resize, prepared.crop
    if resize is None or crop is None:
        return prepared
    if isinstance(resize, int):
        never_filled, becomes = min(crop) > resize, f"a shorter side of {resize} px"
    else:
        never_filled = any(cut > side for cut, side in zip(crop, resize, strict=True))
        becomes = f"{dimensions(resize)} px (height x width)"
    if never_filled:
        raise UsageError(
            f"Each photo is resized to {becomes}, which does not fill a crop of "
            f"{dimensions(crop)} px: the rest would be black.",
            f"Give a larger resize as well, such as {min(crop)}, or a smaller crop; with a resize "
            "of none photos keep their own size.",
        )
    return prepared


def _normalisation(
    known: Preprocessing, given: Mapping[str, Any], channels: int, origin: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    fits = known.channels == channels
    mean = _many("mean", given["mean"]) if "mean" in given else list(known.mean) if fits else [0.0]
    std = _many("std", given["std"]) if "std" in given else list(known.std) if fits else [1.0]
    if "mean" in given and "std" not in given:
        std = [1.0]
    if "mean" in given and max(map(abs, mean)) > 1:
        mean, std = [value / 255 for value in mean], [value / 255 for value in std]
    elif "std" in given and max(std) > 1:
        std = [value / 255 for value in std]
    if "mean" in given and "colour" not in given and known.is_guess:
        channels = max(channels if len(mean) == 1 else len(mean), len(std))
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise UsageError(
                f"{name} has {plural(len(values), 'number')}, {origin}, and the network takes "
                f"{plural(channels, 'channel')}.",
                "Give one number, or one for each channel.",
            )
    return _spread(mean, channels), _spread(std, channels)


def _spread(values: list[float], channels: int) -> tuple[float, ...]:
    return tuple(values * channels if len(values) == 1 else values)


def _many(name: str, value: Any) -> list[float]:
    try:
        parts: Any = value.split(",") if isinstance(value, str) else value
        found = [float(part) for part in parts] if hasattr(parts, "__iter__") else [float(parts)]
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{value!r} are no numbers.", "Give one for each channel: 0.485,0.456,0.406."
        ) from error
    _VALUES.check(name, found)
    return found


def _sides(name: str, value: Any) -> int | tuple[int, int] | None:
    if value is None or value == "none":
        return None
    try:
        parts: Any = value.lower().split("x") if isinstance(value, str) else value
        numbers = [int(part) for part in parts] if hasattr(parts, "__iter__") else [int(parts)]
    except (TypeError, ValueError, OverflowError):  # infinite, as TOML has it
        numbers = []
    if len(numbers) not in (1, 2):
        raise UsageError(
            f"{value!r} is no size.",
            "Give pixels, such as 224, height and width as 224x320, or none.",
        )
    _SIDE.check(name, numbers)
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
