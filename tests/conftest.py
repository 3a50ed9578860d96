"""What all tests share: the files beside the project, and small seeded networks."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# No test fails for being slow, and none by chance where a change is judged.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")
# Hypothesis also tries the constants of all modules of ours that are loaded: other examples, by
# which tests ran before, for seconds of reading in each worker.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants

# The suite runs one process on each core. Tiny networks gain nothing from more threads, and threads
# that wait for one another took half of its time. Set before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The suite computes on the processor, on every machine alike: a process that has used a GPU can
# start no other by forking, and what is found by name would lie there. Those of GPUs run by
# `make test-gpu`.
if "CNNVIZ_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Rewriting the asserts of some 350 files takes more than half of collection, in every worker. It
# is kept with other bytecode, also where the environment forbids that, as containers do; not while
# tests run, which may write a module anew within the second that Python tells apart.
_FORBIDDEN = sys.dont_write_bytecode
sys.dont_write_bytecode = False

_workers: list[int] = []


@atexit.register
def _end_at_once() -> None:
    """End a worker whose tests have been told, but no process that it has forked.

    Called after all else, since it is registered before the rest is imported. Taking apart what a
    whole suite has imported and remembered took seven seconds.
    """
    if os.getpid() in _workers:
        os.kill(os.getpid(), signal.SIGKILL)


def pytest_configure(config: pytest.Config) -> None:
    """Note whether this process is a worker."""
    if hasattr(config, "workerinput"):
        _workers.append(os.getpid())


# What is imported and collected stays: looking through it for garbage at every 700 new objects, a
# thousand times, took a fifth of the time of collection.
gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what imports and collection made: it stays anyway.

    Also what is garbage of it, a tenth, which takes a second to find.

    Every figure leaves circles of some thousand objects behind. Looked for at every 700 new
    objects, as is usual, they took a tenth of the suite's time.
    """
    sys.dont_write_bytecode = _FORBIDDEN
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def text_layouts() -> Iterator[None]:
    """Lay the same text out once, and not anew in each figure, and draw and cut its letters once.

    What a test draws without rendering it measures its axes once, as all that is saved does; ticks
    are made when they are drawn.
    """
    # Not above: NumPy, too, reads when it is imported how many threads it may use.
    from tests.helpers.font_subsets import cut_once
    from tests.helpers.kept_letters import kept_letters
    from tests.helpers.late_ticks import late_ticks
    from tests.helpers.text_layouts import measured, remembered

    with remembered(), measured(), cut_once(), kept_letters(), late_ticks():
        yield


@pytest.fixture(scope="session", autouse=True)
def quickly_packed() -> Iterator[None]:
    """Compress pictures less than for users: they are read once, if at all, and then deleted."""
    from cnnviz.results import png_canvas

    before = png_canvas._COMPRESS_LEVEL
    png_canvas._COMPRESS_LEVEL = 1
    yield
    png_canvas._COMPRESS_LEVEL = before


@pytest.fixture(scope="session", autouse=True)
def scenes_painted_once() -> Iterator[None]:
    """Paint each scene of the shipped data once; the tests of painting itself do without."""
    from tests.helpers.painted_scenes import painted_once

    with painted_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def seeded_here_alone() -> Iterator[None]:
    """Let `torch.manual_seed` seed the processor alone, where no test sees a GPU.

    It also queues a seed for each kind of accelerator, with the whole stack of calls as text: more
    processor time than most tests take, and memory that is never freed.
    """
    torch = sys.modules.get("torch")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cuda", "xpu", "mtia") if "CNNVIZ_TEST_GPU" not in os.environ else ():
            kind = getattr(torch, name, None)
            if hasattr(kind, "manual_seed_all"):
                patch.setattr(kind, "manual_seed_all", lambda seed: None)
        yield


@pytest.fixture(autouse=True)
def drawn_alike() -> None:
    """Let what a test draws not hang on which tests ran before it in the same process."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "default_generator"):
        torch.default_generator.manual_seed(0)


@pytest.fixture
def only_new_garbage() -> None:
    """Let `gc.collect` look through what a test makes: all before it takes half a second."""
    gc.freeze()


@pytest.fixture
def heard() -> Iterator[None]:
    """Hear Ctrl-C, which a shell keeps from what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of trained weights and photos beside the project, or skip."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with trained weights and photos is absent")
    return SHARED


@pytest.fixture(scope="session")
def shared_photos(shared: Path) -> list[Path]:
    """Return the 32 photos, ordered by name, or skip."""
    photos = sorted((shared / "images").glob("*.JPEG"))
    if not photos:
        pytest.skip("the folder ../shared/images is empty")
    return photos


@pytest.fixture
def shared_weights(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point torch at the shared cache of trained weights, or skip."""
    home = shared / "torch"
    if not (home / "hub" / "checkpoints").is_dir():
        pytest.skip("the folder ../shared/torch is absent")
    monkeypatch.setenv("TORCH_HOME", str(home))
    return home


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point torch at an empty cache and return the folder where it would keep weights."""
    home = tmp_path / "torch"
    monkeypatch.setenv("TORCH_HOME", str(home))
    return home / "hub" / "checkpoints"


# Chromium heeds the last list of features alone. The first line is of what each new window would
# load behind its address bar, which took more than half of a page's time, the second of processes
# that are started for pages to come, the third of what is made anew for a page that takes the place
# of another; the others are Playwright's.
_WITHOUT = (
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,"
    "SpareRendererForSitePerProcess,"
    "RenderDocument,InitialWebUI,"
    "AimEnabled,AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,NetworkTimeServiceQuerying,"
    "OptimizationHints,PaintHolding,PreconnectToSearch,ThirdPartyStoragePartitioning"
)


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Any]:
    """Return a headless Chromium that asks for nothing of its own, or skip."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    options = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        # One process draws, and another runs the pages, of whatever site they are.
        "--in-process-gpu",
        "--disable-site-isolation-trials",
        "--renderer-process-limit=1",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--disable-features={_WITHOUT}",
    ]
    playing = sync_api.sync_playwright()
    opened = playing.__enter__().chromium.launch(executable_path=found, args=options)
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    yield opened, loop
    asyncio._set_running_loop(loop)
    opened.close()
    playing.__exit__()


@pytest.fixture
def browser(_chromium: Any) -> Iterator[object]:
    """Return the one browser of this process, or skip.

    Playwright's loop counts as running from its first call on, and no other may run beside it: it
    does so in the tests that ask for a browser.
    """
    opened, loop = _chromium
    asyncio._set_running_loop(loop)
    yield opened
    asyncio._set_running_loop(None)
