"""Measuring the numbers along an axis once for each place it has while a figure is drawn.

Matplotlib places and measures them anew whenever anything asks how much room an axis takes: its
label, each spine, a title, the layout and the drawing, a dozen times in one picture. The further
ticks are copies of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnviz.results.copied_ticks import copied_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MEASURES = ("_update_ticks", "_get_ticklabel_bboxes", "get_tightbbox")


@contextmanager
def measured_once(figure: Figure) -> Iterator[None]:
    """Keep what an axis measures, within the context, as long as it spans and lies the same.

    Nothing but its place and its limits may change meanwhile, as when a figure is laid out and
    drawn.
    """
    try:
        found = list(_keeping(figure))
    except AttributeError:  # A later matplotlib may measure otherwise; then it does so as ever.
        found = []
    for axis, kept in found:
        vars(axis).update(kept)
    try:
        yield
    finally:
        for axis, kept in found:
            for name in kept:
                delattr(axis, name)


def _keeping(figure: Figure) -> Iterator[tuple[Any, dict[str, Callable[..., Any]]]]:
    """Yield each axis, and its measures by name, which keep what they find."""
    for axes in _all_axes(figure):
        for axis, group in _axis_groups(axes):
            measures = {name: _kept(group, getattr(axis, name)) for name in _MEASURES}
            yield axis, {**measures, **copied_ticks(axis)}


def _all_axes(figure: Figure) -> Iterator[Any]:
    """Yield the Axes of a figure, of its parts, and those that stand inside others."""
    waiting: list[Any] = list(figure.axes)
    while waiting:
        axes = waiting.pop()
        yield axes
        waiting += axes.child_axes


def _axis_groups(axes: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each axis, and all Axes whose place it hangs on: its own first."""
    aligned = axes.get_figure(root=False)._align_label_groups
    for name, axis in axes._axis_map.items():
        if axes.name == "rectilinear":
            groups = [axes._shared_axes[name], *([aligned[name]] if name in aligned else [])]
            if "_update_ticks" in vars(axis):
                continue  # It is within another such context already.
            others = {one for group in groups for one in group.get_siblings(axes)} - {axes}
            yield axis, [axes, *others]


def _kept(group: list[Any], measure: Callable[..., Any]) -> Callable[..., Any]:
    """Return a measure that is taken anew only where one of the Axes has come to lie elsewhere."""
    kept: dict[Any, tuple[Any, Any]] = {}
    figure = group[0].get_figure(root=True)

    def measured(*arguments: Any, **options: Any) -> Any:
        place = [figure.dpi]
        for axes in group:
            place += [*axes.viewLim.extents, *axes.bbox.extents]
        asked = (tuple(map(_told, arguments)), tuple(options.items()))
        before = kept.get(asked)
        if before is None or before[0] != place:
            before = kept[asked] = (place, measure(*arguments, **options))
        return before[1]

    return measured


def _told(argument: Any) -> Any:
    """Return what a measure hangs on: which ticks, and on what kind of thing they are drawn."""
    return tuple(map(id, argument)) if isinstance(argument, list) else type(argument)
