"""The processes that share a run: as `torchrun` starts them, on one machine or many.

They agree on when all are done, and nothing else: what they find goes from one to the other as
files in a folder that all of them see, which is what makes the run go on after an interruption.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

_PATIENCE = timedelta(days=7)
"""A process waits for the slowest, which may have the slowest disk as well."""


@dataclass(frozen=True)
class Processes:
    """How many processes share a run, and which of them this is.

    Attributes
    ----------
    rank, size : int
        From 0, and how many.
    """

    rank: int = 0
    size: int = 1

    @property
    def name(self) -> str:
        """What it is called, counted from 1."""
        return f"process {self.rank + 1} of {self.size}"

    @property
    def first(self) -> bool:
        """Whether this process does what only one may do."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size == 1:
            return
        if dist.get_backend() == "nccl":
            dist.barrier(device_ids=[torch.cuda.current_device()])
        else:
            dist.barrier()


def running_processes(device: torch.device) -> Processes:
    """Join the other processes that `torchrun` or a scheduler has started, if there are any.

    A process group that is there already is used. Otherwise one is made from what ``RANK``,
    ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT`` say: with nccl where the network is on a
    GPU, and with gloo elsewhere.

    Parameters
    ----------
    device : torch.device
        Where the network is.
    """
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        return Processes()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    # It stays for the next run: a second group finds the addresses of the first in the store of
    # torchrun, and waits for processes that are no longer there.
    atexit.register(_part)
    return Processes(dist.get_rank(), dist.get_world_size())


def _part() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
