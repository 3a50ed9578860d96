"""A monitor as a callback of Lightning, which is imported only here and only when asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from cnnviz.errors import InstallationError

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")

Make = Callable[[Any, Any, Any], Any]
"""``make(module, optimizer, scaler)`` returns a monitor."""


def callback(make: Make, optimizer: int) -> Any:
    """Return a callback that enters a monitor when a training begins and leaves it at its end.

    Parameters
    ----------
    make : callable
        See `Make`.
    optimizer : int
        Which of the trainer's optimizers makes the steps.

    Raises
    ------
    InstallationError
        If Lightning is not installed.
    """

    class MonitorCallback(_Watching, _base()):  # type: ignore[misc]
        """Watches the gradients of each training."""

    return MonitorCallback(make, optimizer)


class _Watching:
    """Watches the gradients of each training: the part of the callback that is not Lightning's."""

    monitor: Any = None

    def __init__(self, make: Make, optimizer: int) -> None:
        super().__init__()
        self._make = make
        self._optimizer = optimizer
        self._losses: list[Any] = []
        self._steps = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        plugin = getattr(trainer, "precision_plugin", None)
        scaler = getattr(plugin, "scaler", None)
        self.monitor = self._make(pl_module, trainer.optimizers[self._optimizer], scaler)
        self.monitor.__enter__()
        self._steps = self.monitor.steps
        self._losses.clear()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Hand the loss over, once for each step: the mean over its batches."""
        if self.monitor is None:
            return
        with self.monitor.guard.during("taking a loss of Lightning"):
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            if loss is not None:
                # Lightning has divided it by the number of batches of a step.
                self._losses.append(loss.detach() * trainer.accumulate_grad_batches)
            if self.monitor.steps > self._steps and self._losses:
                self._steps = self.monitor.steps
                held, self._losses = self._losses, []
                self.monitor.log(loss=sum(held) / len(held))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Watch no longer."""
        self._leave(None, None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Watch no longer, and write down what ended the training."""
        self._leave(type(exception), exception)

    def _leave(self, kind: type[BaseException] | None, error: BaseException | None) -> None:
        if self.monitor is not None:
            self.monitor.__exit__(kind, error, None)


def _base() -> type:
    # The package that the loop uses already is the one whose trainer will get the callback.
    for name in sorted(_PACKAGES, key=lambda name: name not in sys.modules):
        try:
            found: type = import_module(name).Callback
        except ImportError:
            continue
        return found
    raise InstallationError(
        "Lightning is not installed.",
        "Install it (pip install lightning), or put GradientMonitor around your own loop.",
    )
