"""The laws, each a function of one trial that raises an AssertionError where it is broken."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from cnnviz.errors import ModelError
from cnnviz.passes.captures import capture
from cnnviz.results.json_values import references
from cnnviz.results.measured_once import measured_once
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.testing.state import differences, network_state
from cnnviz.testing.trial import (
    ARRAYS,
    DPI,
    Counted,
    Interrupted,
    Trial,
    images,
    mixed_network,
    small_network,
)
from cnnviz.views import VIEWS, View
from cnnviz.views.plugins import GROUP, installed

Law = Callable[[Trial], None]

_HEAVY = ("torch", "matplotlib", "numpy")
_HEADS = {
    ".png": b"\x89PNG",
    ".svg": b"<?xml",
    ".pdf": b"%PDF",
    ".npz": b"PK",
    ".json": b"{",
    ".gif": b"GIF8",
    ".webp": b"RIFF",
}
_MOST_AXES = 12
_OTHER_INPUTS = ((1, 28), (4, 40))
_LONGEST_SUMMARY = 80
# NumPy's arithmetic rounds by where an array lies in memory, and an edge of a curve by that.
_ROUNDING = 1
_SHORTEST_CAPTION = 40


def check_view(
    view: View,
    *,
    arguments: Mapping[str, Any] | None = None,
    laws: Sequence[Law] | None = None,
    device: str = "cpu",
) -> None:
    """Hold a view to the laws that every view keeps; for its tests.

    The view runs a few dozen times, on networks of two convolutions and images of 16 to 40 px.

    Parameters
    ----------
    view : View
        The view.
    arguments : mapping of str to object, optional
        What its function is given besides the network and the images, where it cannot do without
        or would take long.
    laws : sequence of callable, optional
        Some of `cnnviz.testing.LAWS`; by default all.
    device : str
        Where the networks compute, such as ``cuda``.

    Raises
    ------
    AssertionError
        It breaks a law: each that it breaks, with what was seen.
    """
    trial = Trial(view, arguments or {}, device)
    chosen = LAWS if laws is None else laws
    broken = [f"- {law.__name__}: {told}" for law in chosen if (told := _broken(law, trial))]
    if broken:
        head = f"The view {view.name!r} breaks {len(broken)} of {len(chosen)} laws:"
        raise AssertionError("\n".join([head, *broken]))


def _broken(law: Law, trial: Trial) -> str:
    try:
        law(trial)
    except AssertionError as error:
        return str(error)
    except Exception as error:
        return f"It raises {type(error).__name__}: {error}"
    return ""


def _demand(kept: bool, otherwise: str) -> None:
    if not kept:  # An `assert` would go with `python -O`.
        raise AssertionError(otherwise)


# What a view says of itself.


def its_line_agrees_with_its_function(trial: Trial) -> None:
    """Compare what the view says about its function with the function."""
    view, function = trial.view, trial.view.function()
    takes = inspect.signature(function).parameters
    said = {"progress": view.progress, "announce": view.announce, "compare": view.compare}
    if view.needs != "capture":
        said["images"] = view.images == "photos" and view.needs == "model"
        said["data"] = view.images == "data"
        said["target"] = view.target
    if view.needs == "photo":
        said["image"] = True
        said["model"] = view.network
    for name, expected in said.items():
        really = "has" if name in takes else "has no"
        _demand((name in takes) is expected, f"Its function {really} parameter {name!r}.")
    _demand(
        not view.layers_from or view.layers_from in takes,
        f"Its function has no parameter {view.layers_from!r}, which layers_from names.",
    )
    _demand(
        not view.shared or "state" in takes,
        "Its line says shared, and its function has no parameter 'state'.",
    )
    of_photos = view.needs in ("capture", "photo")
    _demand(not of_photos or view.images == "photos", f"A {view.needs} is of photos.")
    _demand(not view.network or view.needs == "photo", "Its line says network, and no photo.")
    _demand(view.needs != "nothing" or view.images == "none", "It needs nothing, and images.")
    _demand(function.__name__ == view.name, f"Its function is called {function.__name__!r}.")
    _demand(bool(inspect.getdoc(function)), "Its function has no docstring.")
    _demand(
        view.summary.endswith(".") and len(view.summary) <= _LONGEST_SUMMARY,
        f"Its summary is no sentence of at most {_LONGEST_SUMMARY} characters.",
    )
    if view.section:
        module, _, name = view.section.partition(":")
        found = callable(getattr(import_module(module), name, None))
        _demand(found, f"There is no function {view.section}, which builds its section.")


def it_is_listed_without_heavy_imports(trial: Trial) -> None:
    """Import what a list of commands has to import, in a process of its own."""
    module = _listed_in(trial.view)
    heavy = _imports(module, tuple(sys.path))
    _demand(
        not heavy,
        f"Importing {module} imports {', '.join(heavy)}; keep the view's line "
        "apart from its function.",
    )


def _listed_in(view: View) -> str:
    if view in VIEWS:
        return "cnnviz.views"
    for plugin in installed().found:
        if plugin.view == view:
            return plugin.entry_point.partition(":")[0]
    for refusal in installed().refused:
        _demand(refusal.name != view.name, refusal.reason)
    raise AssertionError(f"No entry point of the group {GROUP!r} leads to it; is it installed?")


@cache
def _imports(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
    code = (
        "import importlib, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
        "importlib.import_module(sys.argv[2]); print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(path), module],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    return tuple(name for name in _HEAVY if name in loaded)


# What it leaves behind.


def the_network_is_never_changed(trial: Trial) -> None:
    """Run it on a network in the middle of training, and compare all there is."""
    if trial.view.needs == "nothing":
        return
    module, shown = mixed_network().to(trial.device), images()
    before, untouched = network_state(module), shown.clone()
    trial.run(module, shown)
    _say_changed(differences(before, network_state(module)))
    _demand(bool((shown == untouched).all()), "It changes the images it is given.")


def an_exception_leaves_nothing_behind(trial: Trial) -> None:
    """Let the network fail in the middle of its forward pass."""
    for error in (RuntimeError("half-way"), MemoryError()):
        _interrupt(trial, error)


def ctrl_c_leaves_nothing_behind(trial: Trial) -> None:
    """Press Ctrl-C in the middle of the network's forward pass."""
    _interrupt(trial, KeyboardInterrupt())


def _interrupt(trial: Trial, error: BaseException) -> None:
    if trial.view.needs in ("nothing", "photo"):
        return
    module = Interrupted(error).train().to(trial.device)
    before = network_state(module)
    name = type(error).__name__
    try:
        trial.run(module, images(side=8))
    except BaseException as caught:
        if error not in (caught, caught.__cause__):
            raise
        as_told = caught is error or isinstance(caught, ModelError)
        _demand(as_told, f"It makes a {type(caught).__name__} of the network's {name}.")
    else:
        _demand(module.calls == 0, f"It goes on after the network's {name}.")
    _say_changed(differences(before, network_state(module)), f", after a {name} of the network")


def _say_changed(changed: Sequence[str], when: str = "") -> None:
    _demand(not changed, f"It changes {'; '.join(changed)}{when}.")


def a_capture_is_enough(trial: Trial) -> None:
    """Count the passes that a view of a capture makes besides."""
    view = trial.view
    if view.needs != "capture":
        return
    module = Counted(small_network()).to(trial.device)
    held = capture(module, images(), layers=view.layers, gradients=view.gradients)
    before = module.calls
    view.function()(held, **trial.arguments).figure()
    _demand(module.calls == before, "It runs the network again, which the capture did for it.")


# What it returns.


def its_result_is_frozen_data(trial: Trial) -> None:
    """Look at the type of the result."""
    kind = type(trial.result)
    _demand(isinstance(trial.result, Result), f"It returns a {kind.__name__}, which is no Result.")
    own = is_dataclass(kind) and "__dataclass_params__" in vars(kind)
    _demand(own, f"{kind.__name__} is no frozen dataclass.")


def its_result_says_where_it_came_from(trial: Trial) -> None:
    """Look at the provenance of the result."""
    origin, view = trial.result.provenance, trial.view
    _demand(isinstance(origin, Provenance), "Its result has no provenance.")
    if view.needs == "nothing":
        return
    digest = len(origin.weights_sha256) == 64 or view.needs == "photo"
    _demand(digest, "Its provenance lacks the SHA-256 of the weights.")
    _demand(view.images != "photos" or bool(origin.images), "Its provenance lacks the images.")


def its_result_is_told_in_words(trial: Trial) -> None:
    """Read the caption, the summary and the repr of the result."""
    found = trial.result
    caption, summary = found.caption(), found.summary()
    _demand(len(caption) > _SHORTEST_CAPTION, f"Its caption explains nothing: {caption!r}.")
    _demand(bool(summary.strip()) and "\n" not in summary, f"Its summary is no line: {summary!r}.")
    _demand("\n" not in repr(found), "The repr of its result is longer than one line.")


def its_numbers_come_out(trial: Trial) -> None:
    """Write the result as JSON, and look at its arrays."""
    found = trial.result
    text = json.dumps(found.to_json(), allow_nan=False)
    read = json.loads(text)
    _demand(read.get("summary") == found.summary(), "Its JSON lacks the summary.")
    _demand("provenance" in read, "Its JSON lacks the provenance.")
    for entry in fields(found):
        held = entry.name in read or entry.name in found.left_out
        _demand(held, f"Its JSON lacks {entry.name!r}.")
    for name, array in found.arrays().items():
        _demand(array.dtype.kind in "biufcUS", f"Its array {name!r} holds Python objects.")
    saved = json.loads(trial.files[".json"])
    with np.load(io.BytesIO(trial.files[".npz"])) as arrays:
        for one in references(saved):
            _demand(one["array"] in arrays, f"Its .npz lacks {one['array']!r}.")


def it_draws_itself(trial: Trial) -> None:
    """Draw the result."""
    figure = trial.figure
    _demand(isinstance(figure, Figure), f"Its figure is a {type(figure).__name__}.")
    _demand(not trial.left_in_pyplot, "Its figure is one of pyplot, which keeps it for ever.")
    count = len(figure.axes)
    _demand(1 <= count <= _MOST_AXES, f"Its figure has {count} axes, not 1 to {_MOST_AXES}.")
    words = any(text.get_text() for text in figure.findobj(Text))
    _demand(words, "Its figure has no words on it.")


def it_is_saved_under_every_suffix(trial: Trial) -> None:
    """Save the result in every form that there is."""
    for suffix in trial.suffixes:
        whole = trial.files[suffix].startswith(_HEADS[suffix])
        _demand(whole, f"What it saves as {suffix} is no such file, or lies somewhere else.")
    more = sorted(trial.files.keys() - {*trial.suffixes, ARRAYS})
    _demand(not more, f"Saving it leaves more behind: {', '.join(more)}.")


def the_same_input_gives_the_same_result(trial: Trial) -> None:
    """Run it again, draw it into a figure as large, and compare arrays, JSON and pixels."""
    again = trial.again
    for name, array in trial.result.arrays().items():
        _demand(
            np.array_equal(array, again.arrays()[name], equal_nan=array.dtype.kind in "fc"),
            f"Its array {name!r} is another the second time.",
        )
    others = sorted(_differing(trial.result.to_json(), again.to_json()))
    _demand(not others, f"The second time it has another {', '.join(others)} in its JSON.")
    first = trial.files[".png"]
    drawn, in_callers = trial.drawn_again()
    _demand(in_callers, "It draws into another figure than the one that a caller gives.")
    if _same_picture(first, drawn):
        return
    # Drawn once more only here, to tell which of the two it was.
    with TemporaryDirectory(prefix="cnnviz-") as name:
        second = again.save(Path(name, "again.png"), dpi=DPI).read_bytes()
    _demand(_same_picture(first, second), "Its picture is another the second time.")
    _demand(False, "Its picture is another in a figure of the caller's that is as large.")


def _differing(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Go through the places where two values of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from _differing(one.get(name), other.get(name), f"{place}.{name}".strip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differing(*pair, f"{place}[{index}]")
    elif one != other:
        yield place


def _same_picture(one: bytes, other: bytes) -> bool:
    first, second = _pixels(one), _pixels(other)
    return first.shape == second.shape and int(np.abs(first - second).max()) <= _ROUNDING


def _pixels(picture: bytes) -> NDArray[np.int16]:
    with Image.open(io.BytesIO(picture)) as opened:
        return np.asarray(opened.convert("RGBA"), np.int16)


def other_channels_and_sizes_will_do(trial: Trial) -> None:
    """Run it on networks for one and for four channels, at other sizes."""
    for channels, side in _OTHER_INPUTS if trial.view.needs != "nothing" else ():
        figure = trial.of_other_inputs(channels, side).figure()
        # Where its panels come to lie is none of the network's, and takes as long as drawing them.
        figure.set_layout_engine("none")
        figure.set_dpi(DPI)
        with measured_once(figure):
            figure.draw_without_rendering()


LAWS: tuple[Law, ...] = (
    its_line_agrees_with_its_function,
    it_is_listed_without_heavy_imports,
    the_network_is_never_changed,
    an_exception_leaves_nothing_behind,
    ctrl_c_leaves_nothing_behind,
    a_capture_is_enough,
    its_result_is_frozen_data,
    its_result_says_where_it_came_from,
    its_result_is_told_in_words,
    its_numbers_come_out,
    it_draws_itself,
    it_is_saved_under_every_suffix,
    the_same_input_gives_the_same_result,
    other_channels_and_sizes_will_do,
)
