"""How signals, volumes and clips are prepared: what `Preprocessing` is to photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.images.photo import Photo
from cnnviz.images.preprocessing import Preprocessing
from cnnviz.results.space import SPACES, Space, space_of
from cnnviz.results.text import dimensions

if TYPE_CHECKING:
    import torch

FRAMES = 16
"""How many frames a clip has where nothing says another number."""


def axis_names_of(prepared: object) -> tuple[str, ...]:
    """Return what rows and columns are where a network takes spectrograms; else nothing."""
    return getattr(prepared, "axis_names", None) or ()


@dataclass(frozen=True)
class ArrayPreprocessing(Preprocessing):
    """What is done to a signal, a volume or a clip: subtract `mean`, divide by `std`.

    Numbers are taken as they are; of whole numbers from 0 to 255, as frames and files hold them,
    0 to 1 is made first. Frames of a clip are resized and cropped besides.

    Attributes
    ----------
    resize, crop : int, (int, int) or None
        What is done to each frame of a clip, as torchvision does it to a clip: without
        antialiasing. Arrays keep their size.
    mean, std : tuple of float
        One value per channel, and their number is the number of channels; or one of each for all
        channels, whose number a network then says (`cnnviz.Model`).
    axes : int
        1 for signals ``[N, C, L]``, 3 for volumes and clips ``[N, C, D, H, W]``; 2 for numbers
        ``[N, C, H, W]`` that are no photo, such as spectrograms: they are not resized, cropped or
        brought to 0..1, and their least and greatest values are drawn as black and white.
    shape : tuple of int or None
        The size of a usual input along each axis, for views of a network without one; None leaves
        it open.
    rate : float or None
        Samples a second of the signals, where it is known: pictures then count in seconds and
        hertz, and have a spectrogram beside the trace. 1 counts in samples.
    axis_names : (str, str) or None
        What the rows and the columns of numbers ``[N, C, H, W]`` are, such as ``("frequency",
        "time")``: heatmaps are then drawn with these names and the first row below.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.ArrayPreprocessing(axes=1, shape=(800,), rate=16000).describe()
    'numbers as they are given, sampled at 16,000 Hz'
    """

    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    axes: int = 1
    shape: tuple[int, ...] | None = None
    rate: float | None = None
    axis_names: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes not in {space.axes for space in SPACES}:
            raise UsageError(
                f"There are no inputs of {self.axes} axes.", "Give 1 for signals, 3 for volumes."
            )
        if not self.takes_frames and (self.resize is not None or self.crop is not None):
            raise UsageError(
                f"{self.space.noun.capitalize()}s keep their size.", "Leave resize and crop out."
            )
        if self.colour != "rgb":
            raise UsageError("Channels of arrays are taken as they are.", "Leave the colour out.")
        if self.shape is not None and (len(self.shape) != self.axes or min(self.shape) < 1):
            raise UsageError(
                f"The shape {self.shape} is none of a {self.space.noun}.",
                f"Give the size along {', '.join(self.space.letters)}.",
            )
        if self.rate is not None and (self.axes != 1 or not 0.0 < self.rate < math.inf):
            raise UsageError(
                f"There is no sampling rate of {self.rate:g} for {self.space.noun}s.",
                "Give the samples a second of signals, above 0.",
            )

        if self.axis_names is not None and self.axes != 2:
            raise UsageError(
                f"The axes of {self.space.noun}s have their names.", "Leave axis_names out."
            )

    @property
    def space(self) -> Space:
        """Which axes the inputs have."""
        return space_of(self.axes)

    @property
    def takes(self) -> str:
        """What a network takes, in words: "signals [N, 1, L]"."""
        what = "volumes or clips" if self.axes == 3 else f"{self.space.noun}s"
        return f"{what} {self.space.shape(self.channels)}"

    @property
    def takes_frames(self) -> bool:
        """Whether pictures in a row can be an input."""
        return self.axes == 3 and self.channels in (1, 3)

    @property
    def of_frames(self) -> bool:
        """Whether its inputs are pictures in a row: volumes of three channels."""
        return self.axes == 3 and self.channels == 3

    def usual_size(self, side: int) -> tuple[int, ...]:
        """Return the size along each axis; where it is open, that of `side` along each."""
        if self.shape is not None:
            return self.shape
        if self.axes == 3:
            return (FRAMES, *(self.size or (side // 2, side // 2)))
        return (side,) * self.axes

    def prepared(self, values: NDArray[Any]) -> torch.Tensor:
        """Return numbers [C, ...] as the network takes them, float32."""
        import torch

        with np.errstate(over="ignore"):  # what becomes infinite is refused where it is read
            scaled = values.astype(np.float32)
        if values.dtype == np.uint8:
            scaled /= np.float32(255)
        mean, std = (self._in_numpy(numbers, np.float32) for numbers in (self.mean, self.std))
        return torch.from_numpy(np.ascontiguousarray((scaled - mean) / std))

    def frames(self, photos: Sequence[Photo]) -> torch.Tensor:
        """Return frames as a clip [C, T, H, W], prepared as torchvision's presets do."""
        import torch
        from torch.nn import functional as F

        pixels = torch.from_numpy(np.stack([photo.pixels for photo in photos]))
        clip = pixels.permute(0, 3, 1, 2)
        if self.channels == 1:
            clip = clip.float().mean(1, keepdim=True).round().to(torch.uint8)
        height, width = self.resized(photos[0].height, photos[0].width)
        if (height, width) != tuple(clip.shape[2:]):
            mode = "nearest" if self.interpolation == "nearest" else self.interpolation
            corners = None if mode == "nearest" else False
            resized = F.interpolate(
                clip.float(), (height, width), mode=mode, align_corners=corners, antialias=False
            )
            clip = resized.round().clamp(0, 255).to(torch.uint8)
        left, top, right, bottom = self._window(height, width)
        # Negative padding crops.
        clip = F.pad(clip, (-left, right - width, -top, bottom - height))
        values = np.asarray(clip.permute(1, 0, 2, 3).numpy())
        return self.prepared(values)

    def undone(self, tensor: torch.Tensor) -> NDArray[np.float32]:
        """Return a prepared input [C, ...] as it was before `mean` and `std`."""
        values = tensor.detach().cpu().double().numpy()
        values = values[0] if values.ndim == self.axes + 2 and len(values) == 1 else values
        if values.ndim != self.axes + 1 or len(values) != self.channels:
            raise UsageError(
                f"The tensor has shape {list(tensor.shape)}, and the network takes {self.takes}.",
                "Give one preprocessed input.",
            )
        mean, std = (self._in_numpy(numbers, np.float64) for numbers in (self.mean, self.std))
        return np.asarray(values * std + mean, np.float32)

    def invert(self, tensor: torch.Tensor) -> NDArray[np.uint8]:
        """Return a small picture of a prepared input, [h, w, 3]: a trace, or some of its slices."""
        from cnnviz.results.array_pictures import portrait

        return portrait(self.undone(tensor))

    def ends(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the least and the greatest value of each input, or of frames of any clip."""
        if self.of_frames:
            return super().ends(inputs)
        places = self.space.dims
        return inputs.amin(places, keepdim=True), inputs.amax(places, keepdim=True)

    def per_range(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return one over the range of each channel of each input, or of frames of any clip."""
        if self.of_frames:
            return super().per_range(inputs)
        import torch

        low, high = self.ends(inputs)
        return 1.0 / torch.where(high > low, high - low, 1.0)

    def clipped(self, tensor: torch.Tensor) -> float:
        """Return 0: a trace and slices have the range of what they show."""
        return 0.0

    def describe(self) -> str:
        """Say in one sentence what is done to an input, for captions."""
        parts = []
        if self.takes_frames and (self.resize is not None or self.crop is not None):
            sizes = [self.resize] if isinstance(self.resize, int) else list(self.resize or ())
            parts += [f"frames resized to {dimensions(sizes)} px"] if sizes else []
            parts += [f"centre {dimensions(self.crop)} px"] if self.crop is not None else []
            parts += ["scaled to 0..1"]
        if any(self.mean):
            parts.append(f"minus mean {self._numbers(self.mean)}")
        if any(value != 1 for value in self.std):
            parts.append(f"divided by {self._numbers(self.std)}")
        said = ", ".join(parts) or "numbers as they are given"
        if self.rate is not None and self.rate != 1.0:
            said += f", sampled at {self.rate:,.10g} Hz"
        return f"{said} ({self.origin})" if self.origin else said

    def _in_numpy(self, numbers: Sequence[float], kind: Any) -> NDArray[Any]:
        return np.asarray(numbers, kind).reshape(-1, *self.space.one_place)

    @staticmethod
    def _numbers(values: Sequence[float]) -> str:
        texts = [f"{value:.4g}" for value in values]
        return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"

    @classmethod
    def from_torchvision_clips(cls, preset: Any, frames: int) -> ArrayPreprocessing:
        """Read the settings of torchvision's ``weights.transforms()`` of a video network."""
        resize, crop = list(preset.resize_size), list(preset.crop_size)
        height, width = (crop * 2)[:2]
        return cls(
            resize=resize[0] if len(resize) == 1 else (resize[0], resize[1]),
            crop=(height, width),
            mean=tuple(preset.mean),
            std=tuple(preset.std),
            interpolation=str(getattr(preset.interpolation, "value", preset.interpolation)),
            axes=3,
            shape=(frames, height, width),
        )
