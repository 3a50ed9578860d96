"""What all processes of a shared scan agree on before anything is counted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from cnnviz.datasets import Dataset
from cnnviz.errors import UsageError
from cnnviz.models import Model
from cnnviz.passes import scan
from cnnviz.passes.copy_policy import may_be_fast
from cnnviz.passes.precision import Precision
from cnnviz.passes.processes import Processes
from cnnviz.results.shard_files import Portion, PortionKind, ShardFiles

LARGEST_SHARD = 512
SHARDS = 64
"""So many shards a set is cut into at least, where its batches are enough for that."""

P = TypeVar("P", bound=Portion)
T = TypeVar("T", bound="Plan")


class Plan(Protocol):
    """What every part must agree on, known before anything is counted."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""


@dataclass(frozen=True)
class BatchPlan:
    """How many images go through the network together, in every process.

    Batches of another size round differently.
    """

    batch_size: int

    @classmethod
    def of(
        cls, model: Model, data: Dataset, indices: Sequence[int], layers: Sequence[str] = ()
    ) -> BatchPlan:
        """Choose what suits the machine of the first process."""
        return cls(scan.rows_of_scan(model, scan.first_batch(data, model, indices), layers))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"batch_size": self.batch_size}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> BatchPlan:
        """Return what `to_json` wrote."""
        return cls(int(held["batch_size"]))


def agree(
    files: ShardFiles[P],
    processes: Processes,
    *,
    find: Callable[[], T],
    read: Callable[[Mapping[str, Any]], T],
    kind: Callable[[T], PortionKind[P]],
) -> T:
    """Find out, or read, what all parts must agree on, and make one part of those there are.

    Parameters
    ----------
    files : ShardFiles
        What was found so far.
    processes : Processes
        Which of how many this is; the first one finds out, for all.
    find : callable
        Finds out what a run begins with.
    read : callable
        Reads it from what its `Plan.to_json` returned; LookupError, ValueError or TypeError where
        that is something else.
    kind : callable
        Returns how the parts of such a run are read and joined.
    """
    if processes.first:
        plan = _plan(files, read)
        if plan is None:
            plan = find()
            files.begin(plan.to_json())
        files.join(kind(plan))
    processes.wait()
    processes.patiently(lambda: _plan(files, read) is not None)
    found = _plan(files, read)
    if found is None:
        raise apart()
    return found


def _plan(files: ShardFiles[P], read: Callable[[Mapping[str, Any]], T]) -> T | None:
    try:
        return read(files.start() or {})
    except (LookupError, ValueError, TypeError):
        return None


def apart() -> UsageError:
    """Return the error for parts that are not all there, or not of one start."""
    return UsageError(
        "What the processes of this run have found is not all there.",
        "Name a folder that all of them see, leave its files alone, and start the run again.",
    )


def _layout(module: nn.Module) -> str:
    try:
        return repr(module)
    except Exception:  # A class may have a `__repr__` of its own, which fails.
        return "; ".join(f"{name}: {type(part).__name__}" for name, part in module.named_modules())


def depends_on(
    model: Model,
    data: Dataset,
    names: Sequence[str],
    precision: Precision = "float32",
    **also: Any,
) -> dict[str, Any]:
    """Return everything that what is found in a shard depends on.

    Parameters
    ----------
    model, data : Model, Dataset
        The network and the images.
    names : sequence of str
        The layers.
    precision : {"float32", "bf16"}
        In what they are computed.
    also
        What else it depends on: settings, the size of a shard, the format of what is kept.
    """
    # The addresses of functions differ from run to run.
    layout = re.sub(r"0x[0-9a-f]+", "", _layout(model.module))
    labels = hashlib.sha256()
    for index in range(len(data)):
        labels.update(f"{data.labels(index)}".encode())
    return {
        "torch": torch.__version__,
        "device": model.device.type,
        "type": str(model.dtype),
        "model": model.name,
        "weights": model.sha256,
        "layout": hashlib.sha256(layout.encode()).hexdigest(),
        "input": [*model.input_shape],
        "preprocessing": model.preprocessing.describe(),
        "data": data.fingerprint,
        "images": len(data),
        "labels": labels.hexdigest(),
        "layers": [*names],
        "computed": ["fast" if may_be_fast(model, len(data)) else "exact", precision, _processor()],
        **also,
    }


def _processor() -> str:
    """Return what decides how a processor rounds: its widest instructions."""
    return torch.backends.cpu.get_cpu_capability()


def shard_size(images: int, batch_size: int, wanted: int | None = None) -> int:
    """Return how many images a shard has: whole batches, of small data as few as one.

    It follows from the data alone, so that the number of processes may change from run to run.
    """
    if wanted is None:
        wanted = min(LARGEST_SHARD, -(-images // SHARDS))
    return -(-max(1, wanted) // batch_size) * batch_size
