"""Loss surfaces over two numbers on which optimizers are let loose: formulas, and measured ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from cnnviz.errors import UsageError

SIDE = 61
"""Points of a side at which a formula is drawn."""
_STEEP, _FLAT = 25.0, 1.0


@dataclass(frozen=True, eq=False)
class LossSurface:
    """A loss over two numbers.

    Attributes
    ----------
    name, title : str
        As it is asked for, and as it is written.
    height : callable
        The loss at points [R, 2], [R], which autograd can follow; NaN where it is not known.
    x, y : ndarray of float64
        The places at which it is drawn, [P] and [Q].
    start : tuple of float
        Where descents begin.
    minimum : tuple of float
        Where it is least.
    """

    name: str
    title: str
    height: Callable[[torch.Tensor], torch.Tensor]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    start: tuple[float, float]
    minimum: tuple[float, float]

    def heights(self) -> NDArray[np.float64]:
        """Return the loss at the places at which it is drawn, [Q, P]."""
        points = np.stack(np.meshgrid(self.x, self.y), -1).reshape(-1, 2)
        found: NDArray[np.float64] = self.height(torch.from_numpy(points)).numpy()
        return found.reshape(len(self.y), len(self.x))

    def at(self, point: tuple[float, float]) -> float:
        """Return the loss at one point."""
        return float(self.height(torch.tensor([point], dtype=torch.float64)))

    def curvature(self) -> float:
        """Return the largest curvature L at the minimum: of the eigenvalues of the Hessian.

        Gradient descent with a learning rate above 2 / L does not come to rest there, and along a
        quadratic, whose curvature is the same everywhere, it diverges (Goodfellow, Bengio and
        Courville 2016, section 4.3.1; Nesterov 2004).
        """
        point = torch.tensor([self.minimum], dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            (slopes,) = torch.autograd.grad(self.height(point).sum(), point, create_graph=True)
            rows = [torch.autograd.grad(one, point, retain_graph=True)[0][0] for one in slopes[0]]
        hessian = torch.stack(rows)
        return float(torch.linalg.eigvalsh(hessian)[-1])


def valley() -> LossSurface:
    """Return a long quadratic valley, 25 times as steep across as along."""
    return LossSurface(
        name="valley",
        title=f"long valley (x^2 + {_STEEP / _FLAT:g} y^2) / 2",
        height=lambda p: (_FLAT * p[:, 0] ** 2 + _STEEP * p[:, 1] ** 2) / 2.0,
        x=np.linspace(-10.0, 4.0, SIDE),
        y=np.linspace(-3.0, 3.0, SIDE),
        start=(-9.0, 2.0),
        minimum=(0.0, 0.0),
    )


def rosenbrock() -> LossSurface:
    """Return the bent valley of Rosenbrock (1960)."""
    return LossSurface(
        name="rosenbrock",
        title="Rosenbrock's valley (1 - x)^2 + 100 (y - x^2)^2",
        height=lambda p: (1.0 - p[:, 0]) ** 2 + 100.0 * (p[:, 1] - p[:, 0] ** 2) ** 2,
        x=np.linspace(-2.0, 2.0, SIDE),
        y=np.linspace(-1.0, 3.0, SIDE),
        start=(-1.2, 1.0),
        minimum=(1.0, 1.0),
    )


def beale() -> LossSurface:
    """Return the function of Beale (1958): plains between steep walls."""

    def height(p: torch.Tensor) -> torch.Tensor:
        x, y = p[:, 0], p[:, 1]
        terms = [value - x + x * y**power for power, value in enumerate((1.5, 2.25, 2.625), 1)]
        return torch.stack(terms).square().sum(0)

    return LossSurface(
        name="beale",
        title="Beale's function",
        height=height,
        x=np.linspace(-4.5, 4.5, SIDE),
        y=np.linspace(-4.5, 4.5, SIDE),
        start=(1.0, 1.5),
        minimum=(3.0, 0.5),
    )


def measured(
    title: str,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    losses: NDArray[np.float64],
    name: str = "network",
) -> LossSurface:
    """Return the surface through losses that were measured at the points of a grid.

    Between the points it is a bicubic convolution (Keys 1981, with torch's a = -0.75), and beyond
    them it is not known. The start is near a corner, that which is furthest from the least of them.

    Parameters
    ----------
    title : str
        What it is.
    x, y : ndarray
        Evenly spaced places along both sides, [P] and [Q].
    losses : ndarray
        The losses, [Q, P].
    name : str
        What it is called.

    Raises
    ------
    UsageError
        If the grid is no surface, or a loss is not finite.
    """
    if min(losses.shape) < 4 or not np.isfinite(losses).all():
        raise UsageError(
            "No surface of finite losses lies through these points.",
            "Give a landscape of two dimensions with 5 or more points a side, all finite.",
        )
    grid = torch.from_numpy(losses.astype(np.float64))[None, None]
    row, column = np.unravel_index(int(losses.argmin()), losses.shape)
    lowest = float(x[column]), float(y[row])
    # Off the diagonal, along which optimizers with a rate for each number would go straight.
    corners = [(a, b) for a in _inside(x, 0.1) for b in _inside(y, 0.2)]
    far = max(corners, key=lambda one: float(np.hypot(one[0] - lowest[0], one[1] - lowest[1])))
    return LossSurface(
        name=name,
        title=title,
        height=lambda points: _interpolated(grid, x, y, points),
        x=x,
        y=y,
        start=far,
        minimum=lowest,
    )


def _inside(places: NDArray[np.float64], share: float) -> tuple[float, float]:
    """Return the places such a share of the way from both ends."""
    low, high = float(places[0]), float(places[-1])
    return low + share * (high - low), high - share * (high - low)


def _interpolated(
    grid: torch.Tensor, x: NDArray[np.float64], y: NDArray[np.float64], points: torch.Tensor
) -> torch.Tensor:
    low = points.new_tensor([x[0], y[0]])
    reach = points.new_tensor([x[-1], y[-1]]) - low
    places = 2.0 * (points - low) / reach - 1.0
    found = grid_sample(
        grid, places[None, None], mode="bicubic", padding_mode="border", align_corners=True
    )[0, 0, 0]
    known = (places.abs() <= 1.0 + 1e-9).all(1)
    return torch.where(known, found, torch.nan)


def interpolation_error(
    x: NDArray[np.float64], y: NDArray[np.float64], losses: NDArray[np.float64]
) -> float:
    """Return how far off the losses between points are that every second point alone predicts.

    The median over all points that were left out. With all points the distance between them is
    half as large, and so the error is smaller.
    """
    coarse = torch.from_numpy(losses[::2, ::2].astype(np.float64).copy())[None, None]
    points = torch.from_numpy(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    guessed = _interpolated(coarse, x[::2], y[::2], points).numpy().reshape(losses.shape)
    left_out = np.ones(losses.shape, bool)
    left_out[::2, ::2] = False
    return float(np.nanmedian(np.abs(guessed - losses)[left_out]))


ANALYTIC: dict[str, Callable[[], LossSurface]] = {
    "valley": valley,
    "rosenbrock": rosenbrock,
    "beale": beale,
}
"""The surfaces that are formulas, by name."""
