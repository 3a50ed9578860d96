"""Results that move are saved as GIF and WebP: their frames, times, colours and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from cnnviz.errors import OutputError, UsageError
from cnnviz.results import animation, drawing
from cnnviz.results.animation import AnimatedResult, Frame
from cnnviz.results.picture_style import ANIMATION_SUFFIXES
from cnnviz.results.provenance import ImageSource, Provenance

SECONDS = (0.5, 0.25, 1.0)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Moving(AnimatedResult):
    """A square that is somewhere else in each frame, beside a gradient that stands still."""

    places: tuple[int, ...] = (0, 3, 6)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        return next(self.frames(into)).canvas

    def frames(self, into: drawing.Canvas | None = None) -> Iterator[Frame]:
        figure = drawing.canvas(3, 2, into)
        still, moving = figure.subplots(1, 2)
        colours = np.mgrid[0:256:4, 0:256:4].transpose(1, 2, 0)
        drawing.show(still, np.dstack([colours, colours[..., :1]]).astype(np.uint8))
        shown = moving.imshow(self._square(self.places[0]), cmap="gray_r", vmin=0, vmax=1)
        title = moving.set_title("")
        for place, seconds in zip(self.places, SECONDS, strict=False):
            shown.set_data(self._square(place))
            title.set_text(f"{10**place}")
            yield Frame(figure, seconds)

    @staticmethod
    def _square(place: int) -> NDArray[np.float64]:
        found = np.zeros((8, 8))
        found[place : place + 2, place : place + 2] = 1
        return found

    def caption(self) -> str:
        return "A square that moves."

    def summary(self) -> str:
        return f"{len(self.places)} places"


@pytest.fixture(scope="module")
def moving() -> Moving:
    origin = Provenance(
        model="net é",
        weights="random, seed 0",
        weights_sha256="00",
        images=(ImageSource("koala.png", "11"),),
        notes=("long " * 200,),
    )
    return Moving(provenance=origin)


@pytest.fixture(scope="module")
def saved(moving: Moving, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the animation in each format, by its suffix, each in a folder of its own."""
    return {
        suffix: moving.save(tmp_path_factory.mktemp("saved") / f"a{suffix}")
        for suffix in ANIMATION_SUFFIXES
    }


def _frames(path: Path) -> list[NDArray[np.int16]]:
    with Image.open(path) as opened:
        found = ImageSequence.Iterator(opened)
        return [np.asarray(frame.convert("RGB"), np.int16) for frame in found]


def _durations(path: Path) -> list[int]:
    with Image.open(path) as opened:
        found = []
        for place in range(opened.n_frames):
            opened.seek(place)
            opened.load()
            found.append(opened.info["duration"])
        return found


@pytest.mark.parametrize("suffix", ANIMATION_SUFFIXES)
def test_every_frame_is_there_for_its_time_and_goes_round(
    saved: dict[str, Path], suffix: str
) -> None:
    path = saved[suffix]
    assert list(path.parent.iterdir()) == [path]
    assert _durations(path) == [round(1000 * each) for each in SECONDS]
    with Image.open(path) as opened:
        assert opened.info["loop"] == 0
        assert opened.size == (330, 220), "110 dpi"
    first, second, third = _frames(path)
    for one, other in ((first, second), (second, third)):
        half = first.shape[1] // 2
        assert np.array_equal(one[:, :half], other[:, :half]), "what stands still does not flicker"
        assert not np.array_equal(one[:, half:], other[:, half:])
    assert (first == 255).all(-1).mean() > 0.3, "the ground is white"


def test_the_first_frame_is_the_still_picture(
    moving: Moving, saved: dict[str, Path], tmp_path: Path
) -> None:
    still = _frames(moving.save(tmp_path / "a.png", dpi=110))[0]
    for suffix, path in saved.items():
        first = _frames(path)[0]
        most = 0 if suffix == ".webp" else 24
        assert np.abs(still - first).max() <= most, "256 colours come near to all of them"


@pytest.mark.parametrize("suffix", ANIMATION_SUFFIXES)
def test_saving_twice_gives_the_same_bytes(
    moving: Moving, saved: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    other = moving.save(tmp_path / f"b{suffix}")
    assert saved[suffix].read_bytes() == other.read_bytes()


def test_size_and_resolution_are_those_asked_for(moving: Moving, tmp_path: Path) -> None:
    path = moving.save(tmp_path / "a.gif", size=(4, 2.5), dpi=60)
    with Image.open(path) as opened:
        assert opened.size == (240, 150)
    with pytest.raises(UsageError, match=r"No picture can be read at 0\.2 x 0\.2 inches"):
        moving.save(tmp_path / "b.gif", size=(0.2, 0.2))
    assert list(tmp_path.iterdir()) == [path]


def test_both_formats_carry_the_provenance(moving: Moving, saved: dict[str, Path]) -> None:
    expected = json.loads(json.dumps(moving.provenance.to_json()))
    with Image.open(saved[".gif"]) as opened:
        assert json.loads(opened.info["comment"]) == expected
    with Image.open(saved[".webp"]) as opened:
        assert json.loads(opened.getexif()[animation._DESCRIPTION]) == expected


def test_what_stands_still_is_not_saved_as_an_animation(tmp_path: Path) -> None:
    from cnnviz.views.activation_functions import activation_functions

    still = activation_functions("relu", layers=1, width=2)
    with pytest.raises(OutputError, match=r"does not move cannot be saved as 'a\.gif'"):
        still.save(tmp_path / "a.gif")


def test_too_many_pixels_are_refused_before_they_fill_the_memory(
    moving: Moving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "_MOST_PIXELS", 2.5 * 330 * 220)
    with pytest.raises(UsageError, match="3 frames or more has too many pixels"):
        moving.save(tmp_path / "a.gif")
    monkeypatch.undo()
    monkeypatch.setattr(animation, "_LONGEST_WEBP", 300)
    with pytest.raises(UsageError, match="at most 300 pixels a side, and this has 330"):
        moving.save(tmp_path / "a.webp")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_the_still_picture(moving: Moving) -> None:
    assert "data:image/webp" in moving._repr_html_()
