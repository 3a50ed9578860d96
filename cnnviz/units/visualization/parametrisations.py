"""How a picture is written for the optimiser: as pixels, as waves, or as the phases of waves.

All of them are independent values that `cnnviz.units.visualization.colours` mixes to channels and a
sigmoid keeps between 0 and 1, so that no picture leaves what a photo can show.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from cnnviz.units.visualization.colours import MEAN, decay, mixing

Method = Literal["fourier", "maco", "pixel"]
METHODS: tuple[Method, ...] = ("fourier", "maco", "pixel")

NOISE = 0.006
"""The deviation of what a picture starts from, in units of the values themselves."""
CALM = 3.5
"""What waves are divided by, so that the steps of the optimiser saturate few pixels."""
FINEST = 0.25
"""The frequency, in cycles a pixel, from which waves are fainter still. Moves resample a picture
between its pixels, which blurs what is finer: the gradient is blind to it, and the steps of the
optimiser would leave noise there that the unmoved picture pays for with its score."""
STEEP = 4
NEAREST = 0.02
"""How near a photo may come to black and white, where the sigmoid is flat and nothing can move."""


@dataclass(frozen=True)
class Parametrisation(ABC):
    """Pictures of one size as values for an optimiser.

    Attributes
    ----------
    channels, height, width : int
        Their size.
    """

    channels: int
    height: int
    width: int

    rate: ClassVar[float] = 0.05
    """How far one step of the optimiser goes."""
    faint: ClassVar[float] = 1.0
    """The share of the noise that is added to a given picture, to tell several apart."""

    @abstractmethod
    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return the values of one faint random picture."""

    @abstractmethod
    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the values of a given picture [C, H, W], with values between 0 and 1."""

    @abstractmethod
    def _apart(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return independent pixel values [R, C, h, w] for R pictures."""

    def picture(self, values: torch.Tensor, size: tuple[int, int] | None = None) -> torch.Tensor:
        """Return R pictures [R, C, h, w] with values between 0 and 1.

        Parameters
        ----------
        values : torch.Tensor
            [R, ...].
        size : (int, int), optional
            Height and width, at most those of the parametrisation: the same pictures, coarser.
        """
        apart = self._apart(values, size or (self.height, self.width))
        matrix = mixing(self.channels).to(apart)
        return torch.einsum("cd,rdhw->rchw", matrix, apart).sigmoid()

    def _unmixed(self, picture: torch.Tensor) -> torch.Tensor:
        logits = picture.clamp(NEAREST, 1.0 - NEAREST).logit()
        matrix = mixing(self.channels).to(logits)
        return torch.einsum("cd,dhw->chw", torch.linalg.inv(matrix), logits)


class Pixels(Parametrisation):
    """One value for each pixel: the plainest parametrisation, which keeps high frequencies."""

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return white noise, [C, H, W]."""
        shape = (self.channels, self.height, self.width)
        return NOISE * torch.randn(shape, generator=generator)

    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the values of a picture."""
        return self._unmixed(picture)

    def _apart(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        if size == (self.height, self.width):
            return values
        return torch.nn.functional.interpolate(
            values, size, mode="bilinear", align_corners=False, antialias=True
        )


class Waves(Parametrisation):
    """The real discrete Fourier transform, in which low frequencies move first.

    Each wave is scaled by the inverse of its frequency, as in photos (Olah et al. 2017,
    "Feature Visualization", the section on preconditioning). The scale is relative to the size of
    the picture, so that one of 32 px and one of 224 px start with the same contrast. Waves of two
    to four pixels are fainter still, for the moves blur them.
    """

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return the values of pink noise, [C, H, W // 2 + 1, 2]: real and imaginary parts."""
        shape = (self.channels, self.height, self.width // 2 + 1, 2)
        return NOISE * torch.randn(shape, generator=generator)

    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the values of a picture."""
        spectrum = torch.fft.rfft2(self._unmixed(picture), norm="ortho")
        return torch.view_as_real(spectrum / self._scale().to(spectrum.real))

    def _scale(self) -> torch.Tensor:
        frequencies = radii(self.height, self.width)
        least = 1.0 / max(self.height, self.width)
        seen = 1.0 / (1.0 + (frequencies / FINEST) ** STEEP)
        return seen / (CALM * frequencies.clamp(min=least))

    def _apart(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        spectrum = torch.view_as_complex(values) * self._scale().to(values)
        return rendered(spectrum, (self.height, self.width), size)


class Phases(Parametrisation):
    """The phases alone of waves whose magnitudes stay those of photos: MaCo (Fel et al. 2023).

    The magnitudes fall with the frequency as measured on photos
    (`cnnviz.units.visualization.colours`), and each of the independent values has a deviation of
    `contrast`, whatever the phases are.
    """

    rate: ClassVar[float] = 0.3
    faint: ClassVar[float] = 0.02
    contrast: ClassVar[float] = 1.0

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return random phases, [C, H, W // 2 + 1]."""
        shape = (self.channels, self.height, self.width // 2 + 1)
        return torch.pi * (2.0 * torch.rand(shape, generator=generator) - 1.0)

    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the phases of a picture; its magnitudes become those of photos."""
        return torch.angle(torch.fft.rfft2(self._unmixed(picture), norm="ortho"))

    def magnitudes(self) -> torch.Tensor:
        """Return the fixed magnitudes, [C, H, W // 2 + 1], for an orthonormal transform."""
        frequencies = radii(self.height, self.width)
        least = 1.0 / max(self.height, self.width)
        exponents = decay(self.channels)[:, None, None]
        found = frequencies.clamp(min=least) ** -exponents
        # All but the first and the last column stand for two waves each.
        twice = torch.full((self.width // 2 + 1,), 2.0)
        twice[0] = 1.0
        if self.width % 2 == 0:
            twice[-1] = 1.0
        power = (found.square() * twice).sum((1, 2), keepdim=True)
        scale: torch.Tensor = self.contrast * (self.height * self.width / power).sqrt()
        return found * scale

    def _apart(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        spectrum = torch.polar(self.magnitudes().to(values).expand_as(values), values)
        found = rendered(spectrum, (self.height, self.width), size)
        if self.channels not in (3, 4):
            return found
        middle = torch.tensor(MEAN).logit()
        centre = torch.linalg.inv(mixing(3)) @ middle
        found[:, :3] = found[:, :3] + centre.to(values)[:, None, None]
        return found


def parametrisation(method: Method, channels: int, height: int, width: int) -> Parametrisation:
    """Return the parametrisation of a method for pictures of one size."""
    kinds: dict[Method, type[Waves] | type[Phases] | type[Pixels]] = {
        "fourier": Waves,
        "maco": Phases,
        "pixel": Pixels,
    }
    return kinds[method](channels, height, width)


def radii(height: int, width: int) -> torch.Tensor:
    """Return the frequency of each wave of a real transform, [H, W // 2 + 1], in cycles a pixel."""
    rows, columns = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    return torch.hypot(rows[:, None], columns[None, :])


def rendered(
    spectrum: torch.Tensor, size: tuple[int, int], wanted: tuple[int, int]
) -> torch.Tensor:
    """Return the image of an orthonormal real transform, at its own size or coarser.

    The waves that a coarser image cannot hold are left out, and the others keep their amplitude.
    """
    height, width = wanted
    if wanted != size:
        upper, lower = (height + 1) // 2, height // 2
        rows = torch.cat([spectrum[..., :upper, :], spectrum[..., size[0] - lower :, :]], dim=-2)
        kept = rows[..., : width // 2 + 1]
        spectrum = kept * (height * width / (size[0] * size[1])) ** 0.5
    found: torch.Tensor = torch.fft.irfft2(spectrum, s=wanted, norm="ortho")
    return found
