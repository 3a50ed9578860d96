"""The first ticks of an axis, made when they are drawn and not with every Axes.

Matplotlib means to make them late. While it makes an Axes, and while it measures a side of it, it
asks for them after all: two of each axis, of three lines and two texts each, in more than half of
the time that an Axes takes. Few axes have minor ticks, and a picture in an Axes has none at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.spines import Spine

_LISTS = ("majorTicks", "minorTicks")
_CLIP = "_clip_of_late_ticks"


def late_ticks() -> AbstractContextManager[None]:
    """Let axes make their first ticks late, within the context."""
    return _with(change(plain) for change, plain in zip(_CHANGES, _PLAIN, strict=True))


def early_ticks() -> AbstractContextManager[None]:
    """Let axes make their first ticks as matplotlib does, where the two are compared."""
    return _with(_PLAIN)


@contextmanager
def _with(methods: Iterable[Any]) -> Iterator[None]:
    before = [vars(kind)[name] for kind, name in _PLACES]
    for (kind, name), method in zip(_PLACES, methods, strict=True):
        setattr(kind, name, method)
    try:
        yield
    finally:
        for (kind, name), method in zip(_PLACES, before, strict=True):
            setattr(kind, name, method)


def _clipping(clip: Any) -> Any:
    """Return the method that clips an axis and its ticks: those that it has, and those to come."""

    @wraps(clip)
    def clipped(axis: Any, path: Any, transform: Any = None) -> None:
        held = vars(axis)
        Artist.set_clip_path(axis, path, transform)
        for tick in (tick for name in _LISTS for tick in held.get(name, ())):
            tick.set_clip_path(path, transform)
        held[_CLIP] = path, transform
        # Spines come to their places when a tick asks where these are.
        for spine in axis.axes.spines.values() if axis.axes.name == "rectilinear" else ():
            if spine.axis is axis:
                spine._ensure_position_is_set()
        axis.stale = True

    return clipped


def _making(make: Any) -> Any:
    """Return the way to make a first tick, which then is clipped as the axis is."""

    @wraps(make)
    def made(unmade: Any, axis: Any, owner: Any) -> Any:
        found = make(unmade, axis, owner)
        for tick in found if axis is not None and _CLIP in vars(axis) else ():
            tick.set_clip_path(*vars(axis)[_CLIP])
        return found

    return made


def _without_making(ask: Any) -> Any:
    """Return a method of an axis, or of its spine, for which no first tick is made."""

    @wraps(ask)
    def asked(artist: Any, *arguments: Any, **options: Any) -> Any:
        # The outline of a colour bar is the spine of no axis.
        axis = artist.axis if isinstance(artist, Spine) else artist
        held = {} if axis is None else vars(axis)
        unmade = [name for name in _LISTS if name not in held]
        held.update({name: [] for name in unmade})
        try:
            return ask(artist, *arguments, **options)
        finally:
            for name in unmade:
                for tick in held.get(name, ()) if _CLIP in held else ():
                    tick.set_clip_path(*held[_CLIP])
                if not held.get(name):
                    held.pop(name, None)

    return asked


_PLACES: tuple[tuple[Any, str], ...] = (
    (Axis, "set_clip_path"),
    (type(vars(Axis)["majorTicks"]), "__get__"),
    (Axis, "set_tick_params"),
    (Axis, "get_major_ticks"),
    (Axis, "get_minor_ticks"),
    (Spine, "get_window_extent"),
)
_PLAIN = tuple(vars(kind)[name] for kind, name in _PLACES)
_CHANGES = (_clipping, _making, *[_without_making] * 4)
