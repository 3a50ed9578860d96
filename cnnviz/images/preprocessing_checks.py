"""What is refused of the settings of a preprocessing, where they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.results.text import plural

if TYPE_CHECKING:
    from cnnviz.images.preprocessing import Preprocessing

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
COLOURS = ("rgb", "bgr")


def check_settings(settings: Preprocessing) -> None:
    """Raise UsageError where a value is out of range, or `mean` and `std` differ in length."""
    for name, values in (("mean", settings.mean), ("std", settings.std)):
        if not isinstance(values, Sequence) or not all(map(_is_number, values)):
            raise UsageError(
                f"The {name} {values!r} is not a number for each channel.",
                "Give them in brackets, such as (0.5, 0.5, 0.5).",
            )
    if not (
        settings.resize is None
        or _is_whole(settings.resize)
        or _is_height_and_width(settings.resize)
    ):
        raise UsageError(
            f"The resize {settings.resize!r} is neither a length in pixels nor a height and a "
            "width.",
            "Give a whole number such as 256, or two such as (224, 224).",
        )
    if not (settings.crop is None or _is_height_and_width(settings.crop)):
        raise UsageError(
            f"The crop {settings.crop!r} is not a height and a width in pixels.",
            "Give two whole numbers, such as (224, 224).",
        )
    if len(settings.mean) != len(settings.std) or not settings.mean:
        raise UsageError(
            f"The preprocessing has {plural(len(settings.mean), 'mean')} and "
            f"{plural(len(settings.std), 'deviation')}.",
            "Give one of each per channel.",
        )
    if not all(map(math.isfinite, settings.mean)):
        raise UsageError(f"The mean {settings.mean} is not finite.", "Give finite numbers.")
    if not all(math.isfinite(value) and value > 0 for value in settings.std):
        raise UsageError(f"The deviation {settings.std} is not positive.", "Give positive numbers.")
    if settings.interpolation not in INTERPOLATIONS:
        raise UsageError(
            f"There is no interpolation {settings.interpolation!r}.",
            did_you_mean(settings.interpolation, INTERPOLATIONS, f"Use {INTERPOLATIONS[1]!r}."),
        )
    if settings.colour not in COLOURS:
        raise UsageError(f"There is no order {settings.colour!r}.", "Use 'rgb' or 'bgr'.")
    if any(side < 1 for side in (*_pair(settings.resize), *_pair(settings.crop))):
        raise UsageError(
            f"The sizes {settings.resize} and {settings.crop} are not positive.",
            "Give pixels, 1 or more.",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_height_and_width(size: object) -> bool:
    return isinstance(size, tuple) and len(size) == 2 and all(map(_is_whole, size))


def _pair(size: int | tuple[int, int] | None) -> tuple[int, ...]:
    if size is None:
        return ()
    return size if isinstance(size, tuple) else (size,)
