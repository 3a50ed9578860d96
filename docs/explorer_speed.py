"""Measure how soon a page of the explorer answers, in headless Chromium.

    python docs/explorer_speed.py [PAGE.html ...]

Without a page, one is made of a network whose last layer has 2,048 channels of 7 x 7 places before
a mean and a linear layer of 1,000 classes, as that of ResNet-50 has. The mouse is moved over the
photo 200 times. What is told of a move:

- the processor time of the page's main thread, from the event to the painted frame: handler,
  styles, layout and paint together (``Performance.getMetrics`` by thread ticks);
- the time from when the event was made until the frame behind it was handed on, which counts
  whatever else the machine does meanwhile.

Besides: the memory of the script before and after 500 changes, garbage being collected before both,
and how far anything moved while the page was loaded (layout shift; 0 is nothing).
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOVES, CHANGES = 200, 500
_FRAMES = """() => {
  window.frames = [];
  document.getElementById("picture").addEventListener("pointermove", (event) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.frames.push(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
    });
  });
}"""
_SETTLED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"
_SHIFT = """() => new Promise((done) => {
  let total = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) total += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(total), 300);
})"""
_CHANGE = """(count) => {
  const { app } = cnnviz;
  for (let k = 0; k < count; k += 1) {
    app.update({ class: k % app.data.names.length, layer: k % app.data.layers.length,
                 channel: k % 3 ? null : k % 8, against: k % 5 ? null : 1, scales: new Map() });
    app.point([(k % 50) / 50, (k % 37) / 37]);
  }
}"""


def wide_page(folder: Path) -> Path:
    """Make a page of a network whose last layer has 2,048 channels, and return where it lies."""
    import torch
    from torch import nn

    import cnnviz

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 64, 7, 4, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(64, 2048, 8, 8), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2048, 1000),
    )
    model = cnnviz.load(module.eval(), output="classes")
    made = cnnviz.explore(model, torch.rand(3, 224, 224))
    return made.save(folder / "wide.html")


def measured(browser: Any, page_path: Path) -> dict[str, float]:
    """Return the figures of one page; times are in milliseconds."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(page_path.resolve().as_uri())
    while not page.evaluate("'cnnviz' in window"):
        page.wait_for_timeout(50)
    shift = page.evaluate(_SHIFT)
    thread = page.context.new_cdp_session(page)
    thread.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.evaluate(_FRAMES)
    box = page.locator("#picture").bounding_box()
    chance = random.Random(0)
    own = []
    for _ in range(MOVES):
        x, y = (box[a] + chance.random() * box[b] for a, b in (("x", "width"), ("y", "height")))
        before = _task_time(thread)
        page.mouse.move(x, y)
        page.evaluate(_SETTLED)
        own.append(_task_time(thread) - before)
    waited = page.evaluate("window.frames")
    held = _memory(thread)
    page.evaluate(_CHANGE, CHANGES)
    grown = _memory(thread) - held
    page.context.close()
    return {
        "processor, median": statistics.median(own),
        "processor, 95th percentile": _percentile(own, 0.95),
        "event to frame, median": statistics.median(waited),
        "event to frame, 95th percentile": _percentile(waited, 0.95),
        "memory, MB": held / 1e6,
        f"memory after {CHANGES} changes, MB more": grown / 1e6,
        "layout shift": shift,
    }


def _task_time(thread: Any) -> float:
    metrics = thread.send("Performance.getMetrics")["metrics"]
    return 1000.0 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def _memory(thread: Any) -> float:
    thread.send("HeapProfiler.collectGarbage")
    found: float = thread.send("Runtime.getHeapUsage")["usedSize"]
    return found


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[round(share * (len(values) - 1))]


def main(pages: Sequence[str]) -> None:
    """Print the figures of pages."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as player:
        paths = [Path(one) for one in pages] or [wide_page(Path(folder))]
        names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        found = next(filter(None, map(shutil.which, names)), None)
        options = ["--no-sandbox", "--disable-gpu"]
        browser = player.chromium.launch(executable_path=found, args=options)
        for path in paths:
            print(path.name)
            for name, value in measured(browser, path).items():
                print(f"  {name}: {value:.3g}")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
