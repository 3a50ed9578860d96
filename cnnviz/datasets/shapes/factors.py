"""The factors a `shapes` sample is made from, named after the classic challenges of vision."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cnnviz.errors import UsageError, did_you_mean

CLASSES: tuple[str, ...] = (
    "circle",
    "square",
    "triangle",
    "star",
    "cross",
    "ring",
    "crescent",
    "arrow",
    "heart",
    "hexagon",
)
TEXTURES: tuple[str, ...] = ("plain", "gradient", "stripes", "dots", "checker", "noise")

Value: TypeAlias = float | int | str
Setting: TypeAlias = Value | tuple[float, float] | tuple[str, ...]

CHALLENGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "illumination": ("brightness", "contrast", "light_angle", "light_strength"),
        "pose": ("rotation", "scale", "x", "y"),
        "clutter": ("clutter",),
        "occlusion": ("occlusion",),
        "intra-class appearance": ("texture", "hue", "saturation", "aspect", "form"),
        "viewpoint": ("perspective", "view_angle"),
    }
)
"""The classic challenges of vision, and the factors that belong to each."""

LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "brightness": (0.1, 2.0),
        "contrast": (0.1, 2.0),
        "light_angle": (-360.0, 360.0),
        "light_strength": (0.0, 0.9),
        "rotation": (-360.0, 360.0),
        "scale": (0.1, 1.5),
        "x": (0.0, 1.0),
        "y": (0.0, 1.0),
        "clutter": (0, 60),
        "occlusion": (0.0, 0.95),
        "hue": (-360.0, 360.0),
        "saturation": (0.0, 1.0),
        "aspect": (0.4, 2.5),
        "form": (-1.0, 1.0),
        "perspective": (0.0, 70.0),
        "view_angle": (-360.0, 360.0),
    }
)
"""The smallest and the largest value that each numeric factor takes."""


@dataclasses.dataclass(frozen=True)
class Factors:
    """Everything about a sample that has a name; the defaults are the plainest picture.

    Angles are degrees, counter-clockwise as seen in the picture, 0 to the right. Lengths and
    positions are fractions of the side of the picture. `LIMITS` has the range of every number.

    Attributes
    ----------
    brightness : float
        Illumination: gain of the whole picture; 1 leaves it as painted.
    contrast : float
        Illumination: spread of the values around mid-grey; 1 leaves them as painted.
    light_angle : float
        Illumination: where the light comes from; it decides the light's gradient over the
        picture, the shading of the object's rim and the side the shadows fall to.
    light_strength : float
        Illumination: strength of that gradient; 0.3 means 30% brighter at the lit border and
        30% darker at the opposite one.
    rotation : float
        Pose: turn of the object in the picture plane.
    scale : float
        Pose: diameter of the circle around the object, before aspect and perspective.
    x : float
        Pose: where the object's centre lies, from the left.
    y : float
        Pose: where the object's centre lies, from the top.
    clutter : int
        Clutter: number of distractors behind the object.
    occlusion : float
        Occlusion: fraction of the object's area that something in front of it hides.
    texture : str
        Intra-class appearance: the pattern on the object: plain, gradient, stripes, dots,
        checker or noise.
    hue : float
        Intra-class appearance: hue angle of the object's colour in the Oklab colour space.
    saturation : float
        Intra-class appearance: 0 is grey, 1 the most vivid colour drawn.
    aspect : float
        Intra-class appearance: width over height in the object's own frame, at equal area.
    form : float
        Intra-class appearance: the class's own proportion, such as the depth of the star's notches
        or the width of the ring; 0 is the middle. A circle has none.
    perspective : float
        Viewpoint: how far the object's plane is tilted away from the viewer, in degrees.
    view_angle : float
        Viewpoint: the direction in which that plane recedes.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    light_angle: float = 120.0
    light_strength: float = 0.0
    rotation: float = 0.0
    scale: float = 0.5
    x: float = 0.5
    y: float = 0.5
    clutter: int = 0
    occlusion: float = 0.0
    texture: str = "plain"
    hue: float = 30.0
    saturation: float = 0.8
    aspect: float = 1.0
    form: float = 0.0
    perspective: float = 0.0
    view_angle: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = check_value(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)


NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Factors))

_TURN = (-180.0, 180.0)
_EASY: dict[str, Setting] = {
    "brightness": (0.9, 1.1),
    "contrast": (0.9, 1.1),
    "light_angle": _TURN,
    "light_strength": (0.0, 0.15),
    "rotation": (-20.0, 20.0),
    "scale": (0.55, 0.7),
    "x": (0.42, 0.58),
    "y": (0.42, 0.58),
    "clutter": (0, 4),
    "occlusion": 0.0,
    "texture": TEXTURES,
    "hue": _TURN,
    "saturation": (0.6, 1.0),
    "aspect": (0.9, 1.1),
    "form": (-0.5, 0.5),
    "perspective": (0.0, 15.0),
    "view_angle": _TURN,
}
_DEFAULT: dict[str, Setting] = _EASY | {
    "brightness": (0.75, 1.15),
    "contrast": (0.75, 1.15),
    "light_strength": (0.0, 0.3),
    "rotation": _TURN,
    "scale": (0.45, 0.72),
    "x": (0.37, 0.63),
    "y": (0.37, 0.63),
    "clutter": (2, 10),
    "occlusion": (0.0, 0.2),
    "saturation": (0.45, 1.0),
    "aspect": (0.78, 1.28),
    "form": (-1.0, 1.0),
    "perspective": (0.0, 40.0),
}
_HARD: dict[str, Setting] = _DEFAULT | {
    "brightness": (0.45, 1.45),
    "contrast": (0.45, 1.3),
    "light_strength": (0.0, 0.6),
    "scale": (0.28, 0.75),
    "x": (0.28, 0.72),
    "y": (0.28, 0.72),
    "clutter": (8, 28),
    "occlusion": (0.0, 0.5),
    "saturation": (0.1, 1.0),
    "aspect": (0.65, 1.5),
    "perspective": (0.0, 55.0),
}
DIFFICULTIES: Mapping[str, Mapping[str, Setting]] = MappingProxyType(
    {
        "easy": MappingProxyType(_EASY),
        "default": MappingProxyType(_DEFAULT),
        "hard": MappingProxyType(_HARD),
    }
)
"""What each difficulty draws every factor from: one value, a range, or a choice of textures."""


def check_name(name: str) -> str:
    """Return `name` if it is a factor.

    Raises
    ------
    UsageError
        If it is not.
    """
    if name not in NAMES:
        remedy = did_you_mean(name, NAMES, f"The factors are {', '.join(NAMES)}.")
        raise UsageError(f"{name!r} is not a factor of shapes.", remedy)
    return name


def check_value(name: str, value: object) -> Value:
    """Return `value` as the type that factor `name` has, if it lies within the limits.

    Raises
    ------
    UsageError
        If the value has the wrong type, is not finite, or lies outside `LIMITS`.
    """
    if name == "texture":
        if value not in TEXTURES:
            remedy = did_you_mean(str(value), TEXTURES, f"Choose from {', '.join(TEXTURES)}.")
            raise UsageError(f"{value!r} is not a texture of shapes.", remedy)
        return str(value)
    low, high = LIMITS[name]
    kind = "a whole number" if name == "clutter" else "a number"
    remedy = f"Give {kind} from {low:g} to {high:g}."
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise UsageError(f"The factor {name!r} cannot be {value!r}.", remedy)
    number = float(value)
    whole = name != "clutter" or number.is_integer()
    if not (math.isfinite(number) and low <= number <= high and whole):
        raise UsageError(f"The factor {name!r} cannot be {value!r}.", remedy)
    return int(number) if name == "clutter" else number


def check_settings(settings: Mapping[str, object]) -> dict[str, Setting]:
    """Return settings of a set (values, ranges, choices) after checking each of them.

    Raises
    ------
    UsageError
        If a name is not a factor, a value is out of its limits, or a range is upside down.
    """
    checked: dict[str, Setting] = {}
    for name, setting in settings.items():
        check_name(name)
        if not isinstance(setting, (tuple, list)):
            checked[name] = check_value(name, setting)
        elif name == "texture":
            if not setting:
                raise UsageError("The choice of textures is empty.", "Name at least one texture.")
            checked[name] = tuple(str(check_value(name, choice)) for choice in setting)
        else:
            checked[name] = _check_range(name, tuple(setting))
    return checked


def _check_range(name: str, ends: tuple[object, ...]) -> tuple[float, float]:
    if len(ends) != 2:
        raise UsageError(
            f"The range {ends!r} of the factor {name!r} does not have two ends.",
            "Give one value to fix the factor, or (low, high).",
        )
    low, high = (float(check_value(name, end)) for end in ends)
    if low > high:
        raise UsageError(
            f"The range {ends!r} of the factor {name!r} is upside down.",
            "Give the smaller end first.",
        )
    return low, high


def pick(settings: Mapping[str, Setting], uniforms: npt.NDArray[np.float64]) -> Factors:
    """Return the factors that uniform numbers select from settings.

    Every factor reads its own number, so fixing or sweeping one leaves all others as they are.

    Parameters
    ----------
    settings : mapping
        What to draw each factor from.
    uniforms : array, [len(NAMES)]
        Numbers from [0, 1), in the order of `NAMES`.
    """
    values = {
        name: _quantile(name, settings[name], float(u))
        for name, u in zip(NAMES, uniforms, strict=True)
    }
    return Factors(**values)  # type: ignore[arg-type]


def _quantile(name: str, setting: Setting, u: float) -> Value:
    if not isinstance(setting, tuple):
        return setting
    if name == "texture":
        return str(setting[int(u * len(setting))])
    low, high = float(setting[0]), float(setting[1])
    if name == "clutter":
        return int(low + math.floor(u * (high - low + 1)))
    if name == "occlusion" and low == 0.0:
        # Most things in the world are seen whole: half of the samples have nothing in front.
        return high * max(0.0, 2.0 * u - 1.0)
    if name == "aspect":
        return float(low * (high / low) ** u)
    return low + u * (high - low)
