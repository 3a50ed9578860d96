"""Turn a photo into the tensor that a network was trained on, and a tensor back into pixels.

Resizing and cropping are done by Pillow directly, which gives bit for bit what the transforms of
torchvision and timm give on a PIL image, without importing either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import ImageError, UsageError
from cnnviz.images.inversion import inverted
from cnnviz.images.photo import MAX_PIXELS, Photo, PhotoError
from cnnviz.images.photo_box import PhotoBox
from cnnviz.images.preprocessing_checks import check_settings
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import kind_of

if TYPE_CHECKING:
    import torch
    from PIL import Image

PHOTO_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop at the centre, scale to 0..1, subtract `mean`, divide by `std`.

    Attributes
    ----------
    resize : int, (int, int) or None
        The length of the shorter side in pixels, or height and width exactly; None leaves the size.
    crop : (int, int) or None
        Height and width cut from the centre, padded with black where the image is smaller; None
        keeps all of it.
    mean, std : tuple of float
        One value per channel, for pixels between 0 and 1. Their number is the number of channels:
        1 is luma (ITU-R 601), 3 is RGB, 4 is RGB and an alpha channel of ones. A photo cannot fill
        any other number; networks with such inputs take tensors.
    interpolation : str
        ``nearest``, ``bilinear``, ``bicubic``, ``lanczos``, ``box`` or ``hamming``, as Pillow has
        them: always antialiased, except for ``nearest``.
    colour : str
        ``rgb``, or ``bgr`` where a network was trained on the channels in the order of OpenCV and
        Caffe; `mean` and `std` are in that order too. Of one, or four channels it says nothing.
    origin : str
        Where these settings come from when they are not the network's own, for captions; for
        example that they are a guess.
    is_guess : bool
        Whether nobody said what the network was trained on: sizes, scale or both.
    is_undivided : bool
        Whether a mean was said and no deviation, so that `std` divides nothing for want of one.

    Raises
    ------
    UsageError
        A value is out of range, or `mean` and `std` differ in length.

    Examples
    --------
    >>> import cnnviz
    >>> prepared = cnnviz.Preprocessing(resize=32, crop=(32, 32), mean=(0.5,), std=(0.25,))
    >>> prepared.describe().split(", ")[:3]
    ['shorter side 32 px (bilinear)', 'centre 32 x 32 px', 'grey']
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    origin: str = ""
    is_guess: bool = False
    colour: str = "rgb"
    is_undivided: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def channels(self) -> int:
        """Number of channels of the tensor."""
        return len(self.mean)

    @property
    def space(self) -> Space:
        """Which axes the inputs have."""
        return IMAGE

    def usual_size(self, side: int) -> tuple[int, ...]:
        """Return the size along each axis; where it follows the photo, that of a square photo."""
        own = self.resize if isinstance(self.resize, int) else side
        return self.size or (own, own)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width that every photo comes out with, or None where they follow the photo."""
        if self.crop is not None:
            return self.crop
        return self.resize if isinstance(self.resize, tuple) else None

    def __call__(self, photo: Photo) -> torch.Tensor:
        """Return the tensor ``[C, H, W]`` (float32) that the network takes for this photo.

        Raises
        ------
        ImageError
            The network's number of channels cannot be filled from a photo, or the photo is so
            narrow that it would pass `MAX_PIXELS` when its shorter side is scaled up.
        """
        import torch

        self.check_channels()
        height, width = self.resized(photo.height, photo.width)
        if height * width > MAX_PIXELS:
            raise PhotoError(
                photo.name,
                f"its {photo.height} x {photo.width} px would become {height:,} x {width:,} px "
                f"(height x width) when resized, and the limit is {MAX_PIXELS:,} pixels",
                "Cut it to a less extreme shape.",
            )
        values = np.asarray(self._cut(self._scaled(photo)))
        pixels = (values if values.ndim == 3 else values[:, :, None]).transpose(2, 0, 1)
        if self.channels == 4:
            pixels = np.concatenate([pixels, self._alpha(height, width)])
        if self._turned:
            pixels = pixels[::-1]
        # In NumPy, which stays in its thread: torch would start threads of its own for each thread
        # that reads images. The operations and their roundings are the same.
        scaled = pixels.astype(np.float32) / np.float32(255)
        scaled -= np.array(self.mean, np.float32)[:, None, None]
        scaled /= np.array(self.std, np.float32)[:, None, None]
        return torch.from_numpy(np.ascontiguousarray(scaled))

    def check_channels(self) -> None:
        """Raise ImageError unless a photo can fill this number of channels."""
        if self.channels not in PHOTO_CHANNELS:
            whence = f" ({self.origin})" if self.origin else ""
            raise ImageError(
                f"The preprocessing is of {self.channels} channels{whence}, and a photo can fill "
                "1, 3 or 4.",
                "If the network takes as many, give a float tensor "
                f"[N, {self.channels}, H, W] that is already preprocessed; if not, a mean and a "
                "deviation for each channel that it takes.",
                option="If the network takes as many, look at it from Python, where a tensor that "
                "is already preprocessed may be given; if not, say a mean and a deviation for each "
                "channel that it takes.",
            )

    def box(self, height: int, width: int) -> PhotoBox:
        """Return the part of a photo of this size that the network sees.

        The box reaches outside the photo where the crop pads it with black.
        """
        new_height, new_width = self.resized(height, width)
        left, top, right, bottom = self._window(new_height, new_width)
        across, down = width / new_width, height / new_height
        return PhotoBox(left * across, top * down, right * across, bottom * down)

    def invert(self, tensor: torch.Tensor) -> NDArray[np.uint8]:
        """Return what the network saw as pixels for display.

        Parameters
        ----------
        tensor : torch.Tensor
            ``[C, H, W]`` or ``[1, C, H, W]``, preprocessed.

        Returns
        -------
        numpy.ndarray
            ``[H, W, 3]`` uint8. The normalisation is undone and values beyond 0..1 are clipped
            (`clipped` counts them). One channel is shown as grey; of four the first three are
            shown as RGB; of two, or more than four, the mean over the channels is shown as grey.
        """
        return self.inverted(self._alone(tensor))[0][0]

    def inverted(self, tensors: torch.Tensor) -> tuple[list[NDArray[np.uint8]], list[float]]:
        """Return what `invert` and `clipped` do, of several images [N, C, H, W] at once."""
        return inverted(tensors, self.mean, self.std, turned=self._turned)

    def zero(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what a black pixel becomes in the network's input, [1, C, 1, 1]."""
        mean, std = self._beside(inputs, self.mean), self._beside(inputs, self.std)
        return -mean / std

    def ends(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the least and the greatest value that a photo gives, each [1, C, 1, 1]."""
        mean, std = self._beside(inputs, self.mean), self._beside(inputs, self.std)
        return -mean / std, (1.0 - mean) / std

    def per_range(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return one over the range of each channel, [1, C, 1, 1]: of a photo its deviation."""
        return self._beside(inputs, self.std)

    def _beside(self, inputs: torch.Tensor, numbers: tuple[float, ...]) -> torch.Tensor:
        return inputs.new_tensor(numbers).reshape(1, -1, *self.space.one_place)

    def clipped(self, tensor: torch.Tensor) -> float:
        """Return the fraction of values that `invert` has to clip, between 0 and 1."""
        return self.inverted(self._alone(tensor))[1][0]

    def describe(self) -> str:
        """Say in one sentence what is done to a photo, for captions."""
        parts = []
        if isinstance(self.resize, tuple):
            parts.append(f"{_by(self.resize)} ({self.interpolation})")
        elif self.resize is not None:
            parts.append(f"shorter side {self.resize} px ({self.interpolation})")
        if self.crop is not None:
            parts.append(f"centre {_by(self.crop)}")
        if self.channels == 1:
            parts.append("grey")
        if self._turned:
            parts.append("channels as blue, green, red")
        if self.channels == 4:
            parts.append("RGB and an alpha channel of ones")
        parts.append("scaled to 0..1")
        if any(self.mean):
            parts.append(f"minus mean {_numbers(self.mean)}")
        if any(value != 1 for value in self.std):
            parts.append(f"divided by {_numbers(self.std)}")
        said = ", ".join(parts)
        return f"{said} ({self.origin})" if self.origin else said

    @classmethod
    def from_torchvision(cls, preset: Any) -> Preprocessing:
        """Read the settings of torchvision's ``weights.transforms()``.

        Raises
        ------
        UsageError
            The object is not a preset for classification or segmentation.
        """
        try:
            resize, crop = preset.resize_size, getattr(preset, "crop_size", None)
            mean, std, interpolation = preset.mean, preset.std, preset.interpolation
        except AttributeError as error:
            raise UsageError(
                f"{kind_of(preset, begins=True)} is not a preset of torchvision for still images.",
                "Give what weights.transforms() returns, or a Preprocessing.",
            ) from error
        return cls(
            None if resize is None else _one_or_two(resize),
            None if crop is None else _square(crop),
            tuple(mean),
            tuple(std),
            str(getattr(interpolation, "value", interpolation)),
        )

    @classmethod
    def from_timm(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Read the settings of ``timm.data.resolve_model_data_config(model)``.

        Raises
        ------
        UsageError
            The configuration pads or scales in a way that is not supported (``border``, or another
            than a square input without ``squash``).
        """
        _, height, width = config["input_size"]
        share = config.get("crop_pct") or 0.875
        scaled = (math.floor(height / share), math.floor(width / share))
        squash = config.get("crop_mode") == "squash"
        mode = config.get("crop_mode")
        if mode == "border" or (scaled[0] != scaled[1] and not squash):
            raise UsageError(
                f"The crop mode {mode!r} at {height} x {width} px is not supported.",
                "Give preprocessing=Preprocessing(...) with the sizes you want.",
            )
        return cls(
            scaled if squash else scaled[0],
            (height, width),
            tuple(config["mean"]),
            tuple(config["std"]),
            str(config.get("interpolation") or "bilinear"),
        )

    @property
    def _turned(self) -> bool:
        return self.channels == 3 and self.colour == "bgr"

    def _alone(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a preprocessed image as the only one of a batch."""
        alone = tensor[None] if tensor.ndim == 3 else tensor
        if alone.ndim != 4 or alone.shape[:2] != (1, self.channels):
            raise UsageError(
                f"The tensor has shape {list(tensor.shape)}, not [{self.channels}, H, W].",
                "Give one preprocessed image.",
            )
        return alone

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of a photo after resizing; rounds down as torchvision."""
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        short, long = min(height, width), max(height, width)
        longer = int(self.resize * long / short)
        return (self.resize, longer) if height < width else (longer, self.resize)

    def _window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of the crop in the resized image, as torchvision does."""
        if self.crop is None:
            return 0, 0, width, height
        top, left = (
            -((want - have) // 2) if want > have else round((have - want) / 2)
            for want, have in zip(self.crop, (height, width), strict=True)
        )
        return left, top, left + self.crop[1], top + self.crop[0]

    def _scaled(self, photo: Photo) -> Image.Image:
        from PIL import Image

        image = Image.fromarray(photo.pixels)
        if self.channels == 1:
            image = image.convert("L")
        height, width = self.resized(photo.height, photo.width)
        if (height, width) == (photo.height, photo.width):
            return image
        return image.resize((width, height), Image.Resampling[self.interpolation.upper()])

    def _cut(self, image: Image.Image) -> Image.Image:
        return image.crop(self._window(image.height, image.width))

    def _alpha(self, height: int, width: int) -> NDArray[np.uint8]:
        from PIL import Image

        opaque = self._cut(Image.new("L", (width, height), 255))
        return np.asarray(opaque)[None]


def _one_or_two(size: Any) -> int | tuple[int, int]:
    numbers = [int(size)] if isinstance(size, int) else [int(side) for side in size]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _square(size: Any) -> tuple[int, int]:
    side = _one_or_two(size)
    return side if isinstance(side, tuple) else (side, side)


def _by(size: tuple[int, int]) -> str:
    if size[0] == size[1]:
        return f"{size[0]} x {size[1]} px"
    return f"height {size[0]} x width {size[1]} px"


def _numbers(values: tuple[float, ...]) -> str:
    texts = [f"{value:.4g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"


IMAGENET = Preprocessing(256, (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What most networks trained on ImageNet take."""
