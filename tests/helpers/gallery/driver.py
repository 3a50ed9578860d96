"""Scans in processes that are forked, killed and measured; run as a program of its own.

One process imports torch, and every process that a test needs is a fork of it. Its last line is
what was found, as JSON.

    python -m tests.helpers.gallery.driver kill FOLDER KILLS
    python -m tests.helpers.gallery.driver share FOLDER PROCESSES...
    python -m tests.helpers.gallery.driver memory IMAGES...
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from cnnviz.datasets import open_dataset
from cnnviz.passes import process_link, shard_pace
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.site import site_folder
from cnnviz_gallery.site.build import build
from tests.helpers.forks import ended, forked, together
from tests.helpers.gallery import generated
from tests.helpers.gallery.compressed_sheets import compressed_once
from tests.helpers.gallery.generated import Generated, network
from tests.helpers.gallery.tiny import tiny_model


def gallery(folder: Path) -> None:
    """Scan and build, with every finished shard written at once."""
    model, data = tiny_model(), open_dataset("shapes", 16)
    found = scan(
        model,
        data,
        "first,left",
        settings=ScanSettings(kept=4, sample=8, batch_size=4),
        folder=folder / "state",
        shard=4,
        every=0.0,
    )
    found.save(folder / "scan")
    build(found, model, data, folder / "site")


def gallery_killed_amid(write: int, folder: Path) -> None:
    """Scan and build, and be killed when half of a file of the site is written; 0 is none."""
    fill, written = site_folder._fill, 0

    def half(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == write:
            path.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        fill(path, data)

    site_folder._fill = half
    gallery(folder)


def kill(folder: Path, wanted: int) -> dict[str, object]:
    """Kill galleries in the making, by turns amid a file and at a random time; let the last end."""
    seed = int(time.time())
    chance = random.Random(seed)
    began = time.perf_counter()
    # Not in a fork: what building imports at first use is there for every fork, too, and so are the
    # pictures as they are compressed.
    gallery(folder / "whole")
    seconds = time.perf_counter() - began
    killed, left, complete = 0, 0, 0
    where = folder / "killed"
    while killed < wanted:
        write = chance.randint(1, 12) if killed % 2 == 0 else 0
        child = forked(lambda: gallery_killed_amid(write, where))  # noqa: B023
        if not write:
            time.sleep(chance.uniform(0.0, seconds / 5))
            os.kill(child, signal.SIGKILL)
        if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            killed += 1
            left += any(where.rglob(".cnnviz-*"))
        else:
            complete += 1
            shutil.rmtree(where)
    ended(forked(lambda: gallery(where)))
    return {
        "killed": killed,
        "left": left,
        "complete": complete,
        "seed": seed,
        "seconds": seconds,
    }


def share(folder: Path, counts: list[int]) -> dict[str, object]:
    """Scan with several numbers of processes; each saves what it returns."""
    data = Generated(34, broken=[3, 13, *range(16, 24)])
    for count in counts:
        state = folder / f"state-{count}"

        def work(rank: int) -> None:
            how = ScanSettings(sample=20, batch_size=4)
            # One scan after another, as of several networks.
            for seed in (1, 0):
                found = scan(network(seed), data, settings=how, folder=state, shard=8, every=0.0)  # noqa: B023
            found.save(folder / f"{count}-{rank}")  # noqa: B023

        ended(*together(count, work))
    return {"processes": counts}


def peak() -> int:
    """Return the peak of this process's memory in bytes."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def memory(counts: list[int]) -> dict[str, object]:
    """Return the peak of the memory after scans of several sizes, the smallest first."""
    peaks = []
    # Images that are kept for other tests would count, some 3 MB of them.
    vars(generated)["noise"] = generated.noise.__wrapped__
    for count in counts:
        scan(network(), Generated(count, side=16), settings=ScanSettings(batch_size=50))
        peaks.append(peak())
    return {"peaks": peaks}


if __name__ == "__main__":
    torch.set_num_threads(1)
    shard_pace._SHARE = 0  # however long writing takes, every shard is written at once
    # Nobody here is far away, and all are done in a blink: one that waits looks often.
    process_link._LONGEST_PAUSE = 0.05
    # What torch imports at first use is there for every fork.
    scan(network(), Generated(8))
    what, *given = sys.argv[1:]
    if what == "kill":
        with compressed_once():
            found = kill(Path(given[0]), int(given[1]))
    elif what == "share":
        found = share(Path(given[0]), [int(each) for each in given[1:]])
    else:
        found = memory([int(each) for each in given])
    sys.stdout.write(json.dumps(found) + "\n")
