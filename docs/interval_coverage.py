"""Print how often 95% intervals of a mean hold it: the shares in docs/heatmaps.md.

Values are drawn from five skewed distributions, as measures of heatmaps are, whose means are
known: `python docs/interval_coverage.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.resampling import intervals

TRIALS = 4000
COUNTS = (10, 20, 40, 80)
Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
DRAWN: dict[str, tuple[Draw, float, tuple[float, float]]] = {
    "Beta(0.3, 3)": (lambda rng, shape: rng.beta(0.3, 3.0, shape), 0.3 / 3.3, (0.0, 1.0)),
    "Beta(0.5, 0.5)": (lambda rng, shape: rng.beta(0.5, 0.5, shape), 0.5, (0.0, 1.0)),
    "nine in ten are 1": (
        lambda rng, shape: np.where(rng.random(shape) < 0.9, 1.0, rng.random(shape)),
        0.95,
        (0.0, 1.0),
    ),
    "1 in 50 is above 0": (
        lambda rng, shape: np.where(rng.random(shape) < 0.02, rng.random(shape), 0.0),
        0.01,
        (0.0, 1.0),
    ),
    "log-normal, sigma 1": (
        lambda rng, shape: rng.lognormal(0.0, 1.0, shape),
        float(np.exp(0.5)),
        (0.0, np.inf),
    ),
}


def main() -> None:
    """Print two lines for each distribution: of these intervals, and of resamples alone."""
    for name, (draw, mean, ends) in DRAWN.items():
        for way, measured in (("as evaluations do", [ends]), ("resamples alone", [])):
            shares = []
            for count in COUNTS:
                values = draw(np.random.default_rng(0), (TRIALS, count))
                low, high = intervals(values[:, None], 0, measured=measured)
                shares.append(float(((low <= mean) & (mean <= high)).mean()))
            told = ", ".join(f"{n}: {share:.1%}" for n, share in zip(COUNTS, shares, strict=True))
            print(f"{name:20s} {way:18s} {told}")


if __name__ == "__main__":
    main()
