"""What computes here: processor, memory, graphics cards, and how many threads share the work."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from cnnviz.installation.finding import Finding
from cnnviz.installation.probes import Facts
from cnnviz.results.text import file_size, plural

DEVICES = "devices"
_LEAST_MEMORY = 2 * 10**9


def device_findings(torch: Facts) -> Iterator[Finding]:
    """Tell what torch computes on, as far as it can be asked."""
    cores = usable_cores()
    yield _processor(torch, cores)
    yield from _memory()
    if "error" in torch:
        return
    yield _threads(int(torch["threads"]), cores)
    yield _cuda(torch)
    if platform.system() == "Darwin":
        yield _device("MPS", torch["mps"], "Leave --device mps out until it does.")


def usable_cores() -> int:
    """Return how many cores this process may use: a container or a cluster may give it fewer."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _control_group("cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def _control_group(name: str) -> str:
    """Return a limit of the container, in the second version of control groups; else nothing."""
    try:
        return (Path("/sys/fs/cgroup") / name).read_text("utf-8").strip()
    except OSError:
        return ""


def _processor(torch: Facts, cores: int) -> Finding:
    model = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    told = f"{model}, {plural(cores, 'core')} of {os.cpu_count()} to use"
    if "capability" in torch:
        onednn = "with" if torch["onednn"] else "without"
        told += f"; torch computes with {torch['capability']}, {onednn} oneDNN"
    return Finding(DEVICES, "processor", "ok", told)


def _memory() -> Iterator[Finding]:
    free = [
        int(line.split()[1]) * 1024
        for line in _lines("/proc/meminfo")
        if line.startswith("MemAvailable")
    ]
    limit = _control_group("memory.max")
    if limit.isdigit():
        used = _control_group("memory.current")
        free.append(int(limit) - (int(used) if used.isdigit() else 0))
    if not free:
        return
    told = f"{file_size(min(free))} free"
    if min(free) < _LEAST_MEMORY:
        remedy = "Large networks may not fit: end other programs, or ask for fewer images at once."
        yield Finding(DEVICES, "memory", "note", told, remedy)
    else:
        yield Finding(DEVICES, "memory", "ok", told)


def _threads(threads: int, cores: int) -> Finding:
    asked = os.environ.get("OMP_NUM_THREADS")
    told = plural(threads, "thread") + (f", as OMP_NUM_THREADS={asked} says" if asked else "")
    if threads > cores:
        told += f", for {plural(cores, 'core')}: they wait for one another"
        remedy = f"Set OMP_NUM_THREADS={cores} in the environment."
        return Finding(DEVICES, "threads of torch", "note", told, remedy)
    return Finding(DEVICES, "threads of torch", "ok", told)


def _cuda(torch: Facts) -> Finding:
    found = torch["cuda"]
    if found.get("error") or found["devices"]:
        return _device("CUDA", found, "Update the driver, or install a torch for this one.")
    driver = shutil.which("nvidia-smi") is not None
    if driver and torch["cuda_build"] is None:
        told = "there is a driver of NVIDIA, and this torch is built for processors alone"
        remedy = "To compute on the card install the ordinary torch, and torchvision with it."
        return Finding(DEVICES, "CUDA", "note", told, remedy)
    if driver:
        why = "; ".join(found["warnings"]) or "torch finds no card"
        remedy = "Look at what nvidia-smi says, and at CUDA_VISIBLE_DEVICES."
        return Finding(DEVICES, "CUDA", "note", why, remedy)
    return Finding(DEVICES, "CUDA", "ok", "no card; cnnviz computes on the processor")


def _device(name: str, found: Facts, remedy: str) -> Finding:
    if found.get("error"):
        return Finding(DEVICES, name, "broken", found["error"], remedy)
    return Finding(DEVICES, name, "ok", ", ".join(found["devices"]) or "none")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []
