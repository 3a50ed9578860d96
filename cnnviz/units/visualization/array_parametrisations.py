"""How a signal or a volume is written for the optimiser: place by place, or as waves.

Each channel stands by itself: no directions are known in which the channels of signals vary, as
there are for the colours of photos.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from cnnviz.errors import UsageError
from cnnviz.units.visualization.parametrisations import (
    CALM,
    FINEST,
    NEAREST,
    NOISE,
    STEEP,
    Method,
)


@dataclass(frozen=True)
class ArrayParametrisation(ABC):
    """Signals or volumes of one size as values for an optimiser.

    Attributes
    ----------
    channels : int
        How many channels they have.
    size : tuple of int
        Their size along each axis.
    """

    channels: int
    size: tuple[int, ...]

    rate: ClassVar[float] = 0.05
    """How far one step of the optimiser goes."""
    faint: ClassVar[float] = 1.0
    """The share of the noise that is added to a given input, to tell several apart."""

    @abstractmethod
    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return the values of one faint random input."""

    @abstractmethod
    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the values of a given input [C, ...], which lies between 0 and 1."""

    @abstractmethod
    def _apart(self, values: torch.Tensor) -> torch.Tensor:
        """Return what a sigmoid brings between 0 and 1, [R, C, ...]."""

    def picture(self, values: torch.Tensor) -> torch.Tensor:
        """Return R inputs [R, C, ...] with values between 0 and 1."""
        return (self._apart(values) / 3**0.5).sigmoid()

    def _logits(self, picture: torch.Tensor) -> torch.Tensor:
        return picture.clamp(NEAREST, 1.0 - NEAREST).logit() * 3**0.5


class Places(ArrayParametrisation):
    """One value for each place: the plainest parametrisation, which keeps high frequencies."""

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return white noise, [C, ...]."""
        return NOISE * torch.randn((self.channels, *self.size), generator=generator)

    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the values of an input."""
        return self._logits(picture)

    def _apart(self, values: torch.Tensor) -> torch.Tensor:
        return values


class ArrayWaves(ArrayParametrisation):
    """The real discrete Fourier transform along all axes, in which low frequencies move first.

    Each wave is scaled by the frequency to the power of -A/2 for A axes, so that every octave has
    the same power: for images that is the inverse of the frequency, as in photos (Olah et al. 2017,
    "Feature Visualization", the section on preconditioning), and for signals pink noise. Waves of
    two to four places are fainter still, for the moves blur them.
    """

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Return the values of such noise, [C, ..., L // 2 + 1, 2]: real and imaginary parts."""
        shape = (self.channels, *self.size[:-1], self.size[-1] // 2 + 1, 2)
        return NOISE * torch.randn(shape, generator=generator)

    def values_of(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the values of an input."""
        spectrum = torch.fft.rfftn(self._logits(picture), dim=self._dims, norm="ortho")
        return torch.view_as_real(spectrum / self.scale().to(spectrum.real))

    def scale(self) -> torch.Tensor:
        """Return what each wave is scaled by, [..., L // 2 + 1]."""
        along = [torch.fft.fftfreq(length) for length in self.size[:-1]]
        along.append(torch.fft.rfftfreq(self.size[-1]))
        grid = torch.meshgrid(*along, indexing="ij")
        frequencies = torch.stack([axis.square() for axis in grid]).sum(0).sqrt()
        waves = (frequencies * max(self.size)).clamp(min=1.0)
        seen = 1.0 / (1.0 + (frequencies / FINEST) ** STEEP)
        places = math.sqrt(math.prod(self.size))
        return seen * places / (CALM * waves ** (len(self.size) / 2))

    def _apart(self, values: torch.Tensor) -> torch.Tensor:
        spectrum = torch.view_as_complex(values) * self.scale().to(values)
        found: torch.Tensor = torch.fft.irfftn(spectrum, s=self.size, dim=self._dims, norm="ortho")
        return found

    @property
    def _dims(self) -> tuple[int, ...]:
        return tuple(range(-len(self.size), 0))


def array_parametrisation(
    method: Method, channels: int, size: tuple[int, ...]
) -> ArrayParametrisation:
    """Return the parametrisation of a method for signals or volumes of one size.

    Raises
    ------
    UsageError
        If the method is one for photos alone.
    """
    check_array_method(method)
    kinds = {"fourier": ArrayWaves, "pixel": Places}
    return kinds[method](channels, size)


def check_array_method(method: Method) -> None:
    """Raise a `UsageError` where a method is one for photos alone."""
    if method == "maco":
        raise UsageError(
            "MaCo keeps the magnitudes of photos, and there are none of signals and volumes.",
            "Choose fourier or pixel.",
        )
