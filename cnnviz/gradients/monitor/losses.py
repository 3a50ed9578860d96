"""The losses that a loop hands over: each to its step, and read no sooner than must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch

from cnnviz.errors import UsageError
from cnnviz.gradients.monitor.records import StepRecord

Number = float | torch.Tensor


class Losses:
    """Losses and other numbers by the step that they belong to.

    A loop logs ahead of the optimizer's step or after it, and keeps to one of both: whether a step
    had ended before the first loss came tells which.

    Parameters
    ----------
    first : int
        The number of the first step.
    """

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._after: bool | None = None
        self._held: dict[int, list[Number]] = {}
        self._values: dict[int, dict[str, Number]] = {}

    def add(
        self, steps: int, loss: Any, values: Mapping[str, Any], *, inside: bool = False
    ) -> None:
        """Take what was logged when so many steps had ended; `inside` means for the next of them.

        Raises
        ------
        UsageError
            If a value is not one number.
        """
        if loss is None and not values:
            return
        if self._after is None:
            self._after = steps > self._first and not inside
        step = steps if inside else steps - self._after
        if loss is not None:
            number = _kept("loss", loss)
            self._held.setdefault(step, []).append(number)
        if values:
            kept = {name: _kept(name, value) for name, value in values.items()}
            self._values.setdefault(step, {}).update(kept)

    def has(self, step: int) -> bool:
        """Whether the loss of a step is there."""
        return step in self._held

    def fill(self, record: StepRecord) -> StepRecord:
        """Return a record with all losses up to its step, which are held no longer."""
        values = {name: float(v) for name, v in self._values.get(record.step, {}).items()}
        self._values = {step: v for step, v in self._values.items() if step > record.step}
        return replace(record, losses=self.take(record.step), values=values)

    def take(self, last: int | None = None) -> tuple[tuple[int, float], ...]:
        """Return the losses up to a step, and hold them no longer."""
        found = self.trailing(last)
        for step, _ in found:
            del self._held[step]
        return found

    def trailing(self, last: int | None = None) -> tuple[tuple[int, float], ...]:
        """Return the losses that are held, each as the mean over the passes of its step."""
        steps = sorted(step for step in self._held if last is None or step <= last)
        return tuple((step, fmean(map(float, self._held[step]))) for step in steps)


def _kept(name: str, value: Any) -> Number:
    if isinstance(value, torch.Tensor):
        if value.numel() != 1 or value.is_complex():
            raise UsageError(
                f"{name!r} is a tensor of the shape {list(value.shape)}.",
                "Log one number: the mean, or the sum.",
            )
        held = value.detach()
        # Reading a number off an accelerator would wait for it; a copy outlives what is written
        # to the tensor later.
        return float(held) if held.device.type == "cpu" else held.clone()
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name!r} is {type(value).__name__}, not a number.", "Log one number."
        ) from error
