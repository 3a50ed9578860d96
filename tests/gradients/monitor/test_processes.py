"""Two processes that train together: the one of rank 0 records, and the training is the same."""

from __future__ import annotations

import json
import socket

import pytest

from tests.helpers.processes import needs_fork, run_code

SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from cnnviz import GradientMonitor

port, path, folder = sys.argv[1:]
other = os.fork()
rank = int(other == 0)
torch.distributed.init_process_group(
    "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
)

def train(watch):
    torch.manual_seed(0)
    network = DistributedDataParallel(nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3)
    ))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    images = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(rank))
    labels = torch.arange(8) % 3
    monitor = GradientMonitor(network, optimizer, every=2, path=path if watch else None)
    with monitor:
        for _ in range(4):
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.log(loss=loss)
    return monitor, [p.detach().numpy().tobytes().hex() for p in network.parameters()]

_, plain = train(False)
monitor, watched = train(True)
Path(folder, str(rank)).write_text(json.dumps({
    "same": plain == watched, "weights": watched, "steps": [r.step for r in monitor.records],
    "layers": monitor.records[0].layers if monitor.records else [], "name": monitor.name,
}))
torch.distributed.destroy_process_group()
if other:
    _, status = os.waitpid(other, 0)
    assert status == 0, status
"""


@needs_fork
def test_two_processes_record_once_and_train_the_same(tmp_path) -> None:
    if not _has_gloo():
        pytest.skip("this torch has no gloo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "run.jsonl"
    done = run_code(SCRIPT, str(port), str(path), str(tmp_path))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / str(rank)).read_text("utf-8")) for rank in (0, 1))
    assert first["same"]
    assert second["same"]
    assert first["weights"] == second["weights"]
    assert first["steps"] == [0, 2]
    assert first["layers"] == ["0", "4"]
    assert second["steps"] == []
    assert first["name"] == "Sequential"
    assert path.read_text("utf-8").count('"type": "run"') == 1


def _has_gloo() -> bool:
    import torch

    return torch.distributed.is_available() and torch.distributed.is_gloo_available()
