"""A view under trial: the small networks it is run on, and what it gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.models.randomness import seeded
from cnnviz.passes.captures import capture
from cnnviz.results.animation import AnimatedResult
from cnnviz.results.drawing import new_figure
from cnnviz.results.picture_style import ANIMATION_SUFFIXES, PICTURE_SUFFIXES
from cnnviz.results.result import Result, png
from cnnviz.results.suffixes import TABLE_SUFFIXES
from cnnviz.views import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 16
DPI = 80
"""Pixels of an inch of what is saved: what is drawn and where is the same at any resolution."""
ARRAYS = "arrays of .json"
"""Stands among what a result is saved as for the file beside its ``.json``."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A view, and what it is given.

    Attributes
    ----------
    view : View
        The view.
    arguments : mapping of str to object
        What its function is given besides, where it cannot do without or would take long.
    device : str
        Where the networks compute. Images are given to the view in the processor's memory.
    """

    view: View
    arguments: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @cached_property
    def result(self) -> Result:
        """What the view gives for a small network and image; made once."""
        return self.run(small_network(), images())

    @cached_property
    def figure(self) -> Figure:
        """The picture of the result; drawn once, and saved in every form."""
        return self._drawn[0]

    @property
    def left_in_pyplot(self) -> bool:
        """Whether drawing it left a figure in pyplot, which keeps it for ever."""
        return self._drawn[1]

    @cached_property
    def _drawn(self) -> tuple[Figure, bool]:
        known = plt.get_fignums()
        return self.result.figure(), plt.get_fignums() != known

    @cached_property
    def again(self) -> Result:
        """What the view gives for the same network and image the second time; made once."""
        return self.run(small_network(), images())

    def of_other_inputs(self, channels: int, side: int) -> Result:
        """What the view gives for a network of so many channels, and an image of another size."""
        return self.run(_tried_on(channels, self.device), images(channels, side))

    def drawn_again(self) -> tuple[bytes, bool]:
        """Draw what it gave the second time into a figure of the caller's.

        The figure is as large as the picture that it draws by itself.

        Returns
        -------
        bytes
            The picture as PNG.
        bool
            Whether it was drawn into the caller's figure.
        """
        empty = new_figure(*self.figure.get_size_inches())
        drawn = self.again.figure(figure=empty)
        return png(drawn, DPI), drawn is empty

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the result is saved as; that of a table is compared with it by tests of its own."""
        return tuple(name for name in self.result.suffixes if name not in TABLE_SUFFIXES)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """What the result is saved as, by every suffix that there is; saved once."""
        found = {}
        with TemporaryDirectory(prefix="cnnviz-") as name, _drawn_once(self.result, self.figure):
            for suffix in self.suffixes:
                path = Path(name, f"result{suffix}")
                dpi = DPI if suffix in (*PICTURE_SUFFIXES, *ANIMATION_SUFFIXES) else None
                saved = self.result.save(path, dpi=dpi)
                found[suffix] = b"" if saved != path else path.read_bytes()
                path.unlink()
                if suffix == ".json" and b'"npz":' in found[suffix]:
                    # The arrays that are too large for it lie beside it.
                    found[ARRAYS] = path.with_suffix(".npz").read_bytes()
                    path.with_suffix(".npz").unlink()
            # What is left is more than was asked for.
            found.update({path.name: path.read_bytes() for path in Path(name).iterdir()})
        return found

    def run(self, module: nn.Module, shown: torch.Tensor) -> Result:
        """Run the view on a network and a batch of images from 0 to 1, or on its first alone."""
        view, given = self.view, dict(self.arguments)
        function: Callable[..., Result] = view.function()
        if view.needs == "nothing":
            return function(**given)
        if view.needs == "photo":
            return function(_pixels(shown[0]), **given)
        taken = _as_shown(shown)
        if isinstance(module, Interrupted):
            # Where the size is a guess, no other is looked for on which the network may run.
            taken = replace(taken, is_guess=True)
        model = Model(module.to(self.device), preprocessing=taken)
        if view.needs == "capture":
            held = capture(model, shown, layers=view.layers, gradients=view.gradients)
            return function(held, **given)
        if view.images != "none":
            given["images" if view.images == "photos" else "data"] = shown
        return function(model, **given)


@contextmanager
def _drawn_once(result: Result, drawn: Figure) -> Iterator[None]:
    """Let a result save one drawing in every form, laid out for the first, and frames as well.

    How it is drawn does not depend on the form, and most of the time goes into drawing.
    """
    draw: Callable[..., Figure] = result.figure
    asked = 0
    # Not by assignment, which the frozen data of a result refuses.
    held = vars(result)

    def figure(*places: Any, **given: Any) -> Figure:
        nonlocal asked
        if places or any(value is not None for value in given.values()):
            return draw(*places, **given)
        if asked and drawn.get_layout_engine() is not None:
            drawn.set_layout_engine("none")
        asked += 1
        return drawn

    held["figure"] = figure
    if isinstance(result, AnimatedResult):
        held["drawn_frames"] = cache(result.drawn_frames)
    try:
        yield
    finally:
        del held["figure"]
        held.pop("drawn_frames", None)


def images(channels: int = 3, side: int = SIDE) -> torch.Tensor:
    """Return one image [1, C, side, side] of seeded noise; no global random state is used."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, channels, side, side, generator=generator)


def _as_shown(shown: torch.Tensor) -> Preprocessing:
    """Return what makes photos as large as these images: any size does, and a guess is 224 px."""
    channels, side = shown.shape[1], shown.shape[-1]
    return Preprocessing(side, (side, side), (0.5,) * channels, (0.5,) * channels)


def _pixels(image: torch.Tensor) -> NDArray[np.uint8]:
    """Return an image [C, H, W] from 0 to 1 as pixels [H, W, C]."""
    found: NDArray[np.uint8] = (255 * image).round().byte().permute(1, 2, 0).numpy()
    return found


def small_network(channels: int = 3, classes: int = 4, seed: int = 0) -> nn.Sequential:
    """Return a seeded network of two convolutions in eval mode, for inputs of 8 px or more.

    It has an in-place layer and a batch norm. The global random state is as before.
    """
    with seeded(seed):
        network = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, classes),
        )
    return network.eval()


@cache
def _tried_on(channels: int, device: str) -> nn.Sequential:
    """Return a small network that all trials share, so that it is looked through only once.

    That no view changes a network is a law, which is tried on another.
    """
    return small_network(channels).to(device)


def mixed_network() -> nn.Module:
    """Return the small network in the middle of its training: some of everything is set."""
    module = small_network().train()
    weight, bias = list(module.parameters())[:2]
    weight.grad = torch.ones_like(weight)
    bias.requires_grad_(False)
    module[4].eval()
    return module


# Counted outside of the networks, whose own attributes are put back after each look at them.
_CALLS: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


class Counted(nn.Module):
    """A network that counts its calls."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def calls(self) -> int:
        """How often it was called."""
        return _CALLS.get(self, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Call the network."""
        _CALLS[self] = self.calls + 1
        found: torch.Tensor = self.network(x)
        return found


class Interrupted(nn.Module):
    """A network that raises in the middle of its forward pass, and counts its calls."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        with seeded():
            self.first = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.second = nn.Conv2d(4, 4, 3)
        self.error = error
        # Known, so that no copy is run to find it, whose calls would not be counted here.
        self.preprocessing = Preprocessing(8, (8, 8), (0.0,) * 3, (1.0,) * 3)

    @property
    def calls(self) -> int:
        """How often it was called."""
        return _CALLS.get(self, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Go half the way."""
        _CALLS[self] = self.calls + 1
        self.second(self.norm(self.first(x)))
        raise self.error
