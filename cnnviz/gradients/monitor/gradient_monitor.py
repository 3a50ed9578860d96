"""Gradients watched while a network trains: `GradientMonitor`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from cnnviz.bounds import Count, bounded
from cnnviz.errors import UsageError
from cnnviz.gradients.monitor.events import EventDetector
from cnnviz.gradients.monitor.gradient_agreement import Agreement
from cnnviz.gradients.monitor.guard import Guard
from cnnviz.gradients.monitor.log import Existing
from cnnviz.gradients.monitor.losses import Losses
from cnnviz.gradients.monitor.monitored_layers import monitored_network, name_of, parameter_count
from cnnviz.gradients.monitor.record_outlets import RecordOutlets
from cnnviz.gradients.monitor.records import Event, StepRecord
from cnnviz.gradients.monitor.run import TrainingRun, training_run
from cnnviz.gradients.monitor.step_recorder import Scaler, StepRecorder
from cnnviz.introspection.hooks import global_hooks, step_hooks
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model
from cnnviz.results.provenance import installed_version

_LOGGER = logging.getLogger("cnnviz.monitor")


class GradientMonitor:
    """Watch a network while it trains: what reaches each layer, and what moves.

    A context manager around a training loop. At each step that is recorded it measures, for every
    layer, the activation and the gradient at the layer's output, the weights, their gradient and
    their update, and the units that are dead or saturated. At the other steps nothing runs but a
    counter. The training is not changed in a single bit, and no error inside the monitor ends it:
    what goes wrong is told once by the logger "cnnviz.monitor", with the layer that is not measured
    from then on.

    Parameters
    ----------
    model : torch.nn.Module or Model
        The network, also inside DistributedDataParallel.
    optimizer : torch.optim.Optimizer, optional
        Its steps are the steps of the record, however many passes each takes. Without it, call
        `step` at the end of each.
    every : int
        Record the first step and then each so many.
    layers : str or sequence of str, optional
        Which layers, as for `cnnviz.introspection.layers.select`; by default every convolution and
        linear layer.
    path : str or Path, optional
        A file for the run, one line of JSON for each record, readable while the run goes on:
        ``cnnviz training-report FILE`` makes a page of it.
    existing : {"refuse", "replace", "continue"}
        What to do with a run that is in the file already.
    tensorboard : str, Path or SummaryWriter, optional
        A folder for TensorBoard, or a writer.
    scaler : torch.amp.GradScaler, optional
        The scaler of mixed precision, so that gradients are recorded without its factor.
    on_event : callable, optional
        Called with each `Event`; by default it goes to the logger "cnnviz.monitor" as a warning.
        An error that it raises is told and ends nothing: to end a training when something turns,
        look at `events` in the loop.
    name : str, optional
        What to call the network; the name of its class without it.

    Attributes
    ----------
    records : list of StepRecord
        Every step that was recorded.
    events : list of Event
        What has turned: each thing is told once.
    guard : Guard
        What keeps errors inside the monitor out of the training.
    unmeasured : dict of str to str
        The layers that are not measured any more after an error, and why; what failed beside
        single layers is under its own words.

    Raises
    ------
    UsageError
        If `every` is below 1 or the monitor is used a second time.
    LayerError, ModelError, OutputError, InstallationError
        On entry: if there are no such layers, the weights are spread over processes, the file is
        taken, or TensorBoard is not installed.

    Notes
    -----
    In several processes (`torch.distributed`) the one of rank 0 records its own share of the
    batch, and the others do nothing. Gradients of weights are those that the optimizer gets:
    accumulated, averaged over processes, clipped. Gradients at outputs are those of the loss that
    was sent back, over all passes of the step. Passes without a graph, as in validation, are not
    seen.

    Examples
    --------
    >>> import cnnviz, torch
    >>> model = cnnviz.load().module.train()
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    >>> with cnnviz.GradientMonitor(model, optimizer, every=1) as monitor:
    ...     for _ in range(2):
    ...         loss = model(torch.rand(2, 3, 32, 32)).square().mean()
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...         monitor.log(loss=loss)
    >>> len(monitor.records)
    2
    """

    @bounded
    def __init__(
        self,
        model: nn.Module | Model,
        optimizer: torch.optim.Optimizer | None = None,
        every: Count = 10,
        *,
        layers: Layers | None = None,
        path: str | Path | None = None,
        existing: Existing = "refuse",
        tensorboard: Any = None,
        scaler: Scaler | None = None,
        on_event: Callable[[Event], None] | None = None,
        name: str = "",
    ) -> None:
        self.every = every
        self.records: list[StepRecord] = []
        self.events: list[Event] = []
        self.started: datetime = datetime.now().astimezone()
        self.name: str = name or name_of(model)
        self._model, self._layers, self._optimizer = model, layers, optimizer
        self._path, self._existing, self._tensorboard = path, existing, tensorboard
        self._scaler = scaler
        self._on_event = on_event or _warn
        self._steps, self._active, self._clock = 0, False, 0.0
        self.guard, self._agreement = Guard(), Agreement()
        self._watch, self._losses = EventDetector(), Losses()
        self._scope: ExitStack | None = None
        self._listening = ExitStack()
        self._gathering: StepRecorder | None = None
        self._pending: StepRecord | None = None
        self._outlets: RecordOutlets | None = None
        self._ended: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<GradientMonitor: {self.run().summary().rstrip('.')}; run() shows it>"

    @property
    def steps(self) -> int:
        """How many steps have ended."""
        return self._steps

    @property
    def unmeasured(self) -> dict[str, str]:
        """What is not measured any more, and why."""
        return {**self.guard.lost, **self.guard.failed}

    def __enter__(self) -> Self:
        if self._scope is not None:
            raise UsageError("This monitor was used already.", "Make a new one for each run.")
        self._scope = ExitStack()
        if not _first_process():
            return self
        self._clock = time.perf_counter()
        self._subject = monitored_network(self._model, self._layers)
        self._modules = self._subject.modules()
        self.guard = Guard(self._subject.kinds())
        self._open()
        self._active = True
        self._scope.callback(self._rest)
        if self._optimizer is not None:
            self._scope.enter_context(
                step_hooks(self._optimizer, before=self._before_step, after=self._after_step)
            )
        self._prepare()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._scope is None or not self._active:
            return
        self._active = False
        during = self.guard.during
        with during("taking its hooks away"):
            self._scope.close()
        if self._pending is not None:
            self._emit()
        self._ended = {
            "steps": self._steps,
            "error": kind.__name__ if kind is not None else "",
            "unmeasured": self.unmeasured,
        }
        if self._outlets is not None:
            self._outlets.close(self._losses.trailing(), self._ended)

    def log(self, loss: Any = None, **values: Any) -> None:
        """Take the loss of a step, and any other numbers that belong to it.

        Call it once for each pass, ahead of the optimizer's step or after it. A tensor is kept as
        it is and read when the next record is written, so that a GPU is not waited for. Where a
        step has several passes its loss is their mean.

        Raises
        ------
        UsageError
            If a value is not one number.
        """
        if not self._active:
            return
        with self.guard.during("taking a loss", passing=(UsageError,)):
            self._losses.add(self._steps, loss, values)
        self._settle()

    def step(self, loss: Any = None, **values: Any) -> None:
        """End a step, where no optimizer was given to tell.

        Call it after the optimizer's step and before the gradients are put back to zero.

        Raises
        ------
        UsageError
            If an optimizer was given, or a value is not one number.
        """
        if self._optimizer is not None:
            raise UsageError(
                "The optimizer tells this monitor when a step ends.",
                "Call log(loss=...) for the loss, or give no optimizer.",
            )
        if not self._active:
            return
        with self.guard.during("taking a loss", passing=(UsageError,)):
            self._losses.add(self._steps, loss, values, inside=True)
        if self._gathering is not None:
            with self.guard.during("measuring a step"):
                self._gathering.take_weight_gradients()
        self._end_step()

    def run(self) -> TrainingRun:
        """Return what was recorded so far, to be drawn, saved, or shown in a notebook."""
        return training_run(
            self._head(), self.records, self.events, self._losses.trailing(), self._ended
        )

    @staticmethod
    def lightning(every: int = 10, *, optimizer: int = 0, **options: Any) -> Any:
        """Return a callback for Lightning's Trainer that watches its training.

        Parameters
        ----------
        every : int
            Record the first step and then each so many.
        optimizer : int
            Which of the module's optimizers makes the steps.
        **options
            As for `GradientMonitor`: layers, path, existing, tensorboard, on_event, name. The
            scaler of mixed precision is found by itself.

        Returns
        -------
        lightning.pytorch.Callback
            Its attribute `monitor` is the `GradientMonitor` of the training that was begun last.

        Raises
        ------
        InstallationError
            If Lightning is not installed.
        """
        from cnnviz.gradients.monitor.lightning import callback

        def monitor(module: nn.Module, used: Any, scaler: Scaler | None) -> GradientMonitor:
            return GradientMonitor(module, used, every, scaler=scaler, **options)

        return callback(monitor, optimizer)

    def _open(self) -> None:
        self._outlets = RecordOutlets(self._path, self._existing, self._tensorboard, self.guard)
        self._steps = self._outlets.next_step
        self._outlets.begin(self._head())
        self._losses = Losses(self._steps)

    def _head(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "started": self.started.isoformat(timespec="seconds"),
            "every": self.every,
            "optimizer": type(self._optimizer).__name__ if self._optimizer is not None else "",
            "parameters": parameter_count(self._model),
            "versions": {name: installed_version(name) for name in ("cnnviz", "torch")},
        }

    def _prepare(self) -> None:
        """Listen to the step that begins, if it is to be recorded."""
        if self._steps % self.every:
            return
        with self.guard.during("listening to a step"):
            gathering = StepRecorder(self._subject, self._scaler, self.guard, self._agreement)
            if self._optimizer is None:
                gathering.keep_weights()
            if self._subject.audible:
                self._listening.callback(gathering.close)
                self._listening.enter_context(
                    global_hooks(self._modules, before=gathering.before, after=gathering.after)
                )
            self._gathering = gathering
            return
        self._rest()

    def _rest(self) -> None:
        """Stop listening."""
        self._gathering = None
        with self.guard.during("taking its hooks away"):
            self._listening.close()

    def _before_step(self, closure: bool) -> None:
        if self._gathering is None:
            return
        with self.guard.during("measuring a step"):
            self._gathering.keep_weights()
            if not closure:
                # A fused optimizer takes the scaler's factor off by itself, later on.
                factor = getattr(self._optimizer, "grad_scale", None)
                self._gathering.take_weight_gradients(factor)

    def _after_step(self, closure: bool) -> None:
        if self._gathering is not None:
            with self.guard.during("measuring a step"):
                left_out = getattr(self._optimizer, "found_inf", None)
                if left_out is not None and bool(left_out):
                    self._gathering.leave_out()
                    self._steps += 1
                    return
                if closure:
                    self._gathering.take_weight_gradients()
        self._end_step()

    def _end_step(self) -> None:
        if self._pending is not None:
            self._emit()
        if self._gathering is not None:
            with self.guard.during("measuring a step"):
                self._gathering.take_updates()
                self._pending = self._read(self._gathering)
            self._rest()
        self._steps += 1
        self._settle()
        self._prepare()

    def _settle(self) -> None:
        """Write the record that waits for its loss, if that has come."""
        with self.guard.during("taking a loss"):
            if self._pending is not None and self._losses.has(self._pending.step):
                self._emit()

    def _read(self, gathering: StepRecorder) -> StepRecord:
        found = gathering.finish(self._optimizer)
        groups = self._optimizer.param_groups if self._optimizer is not None else []
        return StepRecord(
            step=self._steps,
            seconds=time.perf_counter() - self._clock,
            samples=gathering.samples,
            rates=tuple(float(group["lr"]) for group in groups if "lr" in group),
            skipped=gathering.skipped,
            allowance=gathering.allowance,
            ascends=any(group.get("maximize", False) for group in groups),
            **vars(found),
        )

    def _emit(self) -> None:
        """Write the record that waited for its loss, and tell what has turned."""
        assert self._pending is not None
        record, self._pending = self._pending, None
        with self.guard.during("taking a loss"):
            record = self._losses.fill(record)
        self.records.append(record)
        found: list[Event] = []
        with self.guard.during("looking for events"):
            found = self._watch.see(record)
        self.events += found
        if self._outlets is not None:
            self._outlets.add(record, *found)
        for event in found:
            with self.guard.during("the function on_event"):
                self._on_event(event)


def _warn(event: Event) -> None:
    _LOGGER.warning("%s", event)


def _first_process() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or (
        distributed.get_rank() == 0
    )
