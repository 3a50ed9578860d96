"""From where to where a number may be: said in a signature, checked before any work begins."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from numbers import Integral, Real
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from cnnviz.argument_types import check_type, lacks_capture
from cnnviz.default_device import made_on_the_processor
from cnnviz.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

CHECKED = "__arguments_are_checked__"
"""The attribute that marks a function as `bounded`, also below other decorators."""
_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_DIGITS = 18
"""Digits of a whole number at most: no count and no index of anything is longer."""


@dataclass(frozen=True)
class Within:
    """The least and the most that a number may be, both included unless it is said otherwise.

    It stands in the annotation of a parameter, ``Annotated[int, Within(1, 100)]``, where `bounded`
    and the command line find it.

    Attributes
    ----------
    low, high : float
        The ends.
    above, below : bool
        Whether the low end and the high end are themselves left out.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    def __str__(self) -> str:
        low, high = _written(self.low), _written(self.high)
        if self.above:
            return f"above {low} and {'below' if self.below else 'at most'} {high}"
        return f"from {low} {'to below' if self.below else 'to'} {high}"

    def check(self, name: str, value: Any, *, whole: bool = False) -> None:
        """Raise a `UsageError` where a value is a number outside, or is to be whole and is not.

        Parameters
        ----------
        name : str
            What the number is called where it was given.
        value : Any
            The number, or several; a text, None and whatever else is no number is passed over.
        whole : bool
            Whether it has to be a whole number.
        """
        if isinstance(value, (list, tuple, range)):
            for each in value:
                self.check(name, each, whole=whole)
            return
        number = _number(value)
        if number is not None and not self._holds(number, whole=whole):
            kind = "a whole number" if whole else "a number"
            raise UsageError(f"{name} cannot be {_written(number)}.", f"Give {kind} {self}.")

    def _holds(self, number: float, *, whole: bool) -> bool:
        if whole and not isinstance(number, int):
            return False
        low = number > self.low if self.above else number >= self.low
        return low and (number < self.high if self.below else number <= self.high)


Seed = Annotated[int, Within(0, 2**32 - 1)]
"""A seed that every generator of random numbers takes as it is."""
Steps = Annotated[int, Within(1, 100_000)]
"""How often something is done again."""
Count = Annotated[int, Within(1, 10**7)]
"""How many of what there is are taken."""
Shard = Annotated[int, Within(1, 10**7)]
"""Images in a shard, which one process looks at as a whole."""
Top = Annotated[int, Within(0, 10**6)]
"""How many channels are shown; 0 for all."""
Index = Annotated[int, Within(0, 10**9)]
"""A place, counted from 0."""
Length = Annotated[int, Within(1, 8_192)]
"""A length in pixels."""


DPI = Within(1.0, 2_400.0)
"""Pixels of an inch of a picture; printers of photos have 2,400."""

FONT_SIZE = Within(4.0, 40.0)
"""Points of the letters of running text in a picture."""


STEPS, STAGES, RANDOM_MAPS = Within(2, 1_000), Within(1, 1_000), Within(1, 10_000)
"""Of the checks of a heatmap: steps of a curve, stages that are redrawn, random maps beside it."""


WORKERS = Within(1, 256)
"""Threads that read images."""
EXPLAINED_ANSWERS = Within(0, 100_000)
"""Wrong answers that get a heatmap on a page."""


def read_whole(text: str) -> int | None:
    """Return the whole number that a text is; None where it is none, or of too many digits.

    >>> read_whole(" 12 "), read_whole("-3"), read_whole("1.5"), read_whole("9" * 5000)
    (12, -3, None, None)
    """
    bare = text.strip()
    digits = bare.removeprefix("-")
    return int(bare) if digits.isdecimal() and len(digits) <= _DIGITS else None


def bounded(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that refuses what its annotations do not allow, before it begins.

    That is an argument of another type, and a number outside of its bounds. What it makes itself
    does not lie on the default device that the caller has set.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            # Python itself refuses the call, and says of which function.
            return function(*args, **kwargs)
        check_arguments(function, given)
        with made_on_the_processor():
            return function(*args, **kwargs)

    setattr(within, CHECKED, True)
    return within


def check_arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raise a `UsageError` for the first argument that is not what the annotations say.

    It is of another type, or a number outside its bounds. Of a view that was given something else
    in place of a capture, which it says itself, all that follows may have moved.
    """
    moved = lacks_capture(given)
    for name, (annotation, said) in _parameters(function).items():
        if name in given:
            if said is not None:
                bounds, whole = said
                bounds.check(name, given[name], whole=whole)
            if not moved:
                check_type(name, annotation, given[name])


def bounds_of(annotation: Any) -> tuple[Within, bool] | None:
    """Return what an annotation says of a number: its bounds, and whether it has to be whole."""
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    for extra in extras:
        if isinstance(extra, Within):
            return extra, float not in _leaves(annotation)
    inner = [bounds_of(part) for part in get_args(annotation)]
    return next((found for found in inner if found is not None), None)


def resolved(function: Callable[..., Any], annotation: Any) -> Any:
    """Return an annotation that may be written as a string as the type that it names."""
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    names = vars(sys.modules[function.__module__])
    return get_type_hints(holder, globalns=names, include_extras=True)["it"]


@cache
def _parameters(
    function: Callable[..., Any],
) -> dict[str, tuple[Any, tuple[Within, bool] | None]]:
    """Return the annotation of each parameter, and the bounds of those that are numbers."""
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.annotation is parameter.empty or parameter.kind in _SEVERAL:
            continue
        try:
            annotation = resolved(function, parameter.annotation)
        except NameError:
            # It names a type that is imported for type checkers alone, and so no number.
            continue
        found[name] = annotation, bounds_of(annotation)
    return found


def _leaves(annotation: Any) -> set[Any]:
    parts = get_args(annotation)
    return {leaf for part in parts for leaf in _leaves(part)} if parts else {_hashable(annotation)}


def _hashable(annotation: Any) -> Any:
    return annotation if isinstance(annotation, type) else str(annotation)


def _number(value: Any) -> float | None:
    """Return a number as Python's own int or float; None where it is none."""
    if not isinstance(value, Real):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


def _written(number: float) -> str:
    if not isinstance(number, int):
        return f"{number:,.10g}"
    if abs(number) < 10**_DIGITS:
        return f"{number:,}"
    # Python writes no number of more than 4,300 digits.
    few = abs(number) < 10**4000
    return f"a number of {len(str(abs(number))):,} digits" if few else "a number so long"
