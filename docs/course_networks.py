"""Try every view of a network on every network of the course: docs/course_networks.md.

    python docs/course_networks.py [FILE] [--only WORD ...] [--views NAME ...] [--pictures FOLDER]

Every network has random weights and gets a scene of `shapes`; what is drawn is written as PNG and
JSON. What came out is appended to FILE (docs/course_networks.jsonl by default) cell by cell, so
that a run that was ended goes on; the page is written from it. On Linux, and hours on one core.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import cnnviz
from cnnviz.course.card_text import error_text
from cnnviz.course.network_cards import CARDS
from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import CnnvizError
from cnnviz.introspection.layers import named_layers
from cnnviz.views import VIEWS, View

DOCS = Path(__file__).resolve().parent
SIDE, SCENE = 256, 19
WORKS, REFUSED, FAULT, UNFINISHED = "works", "refused", "fault", "unfinished"
PROCESSOR = "processor"
"""What the seconds of a cell are of; those of older cells are of the clock."""
ROUNDS = (
    "predictions architecture network_diagram filters feature_maps pixels convolve pooling "
    "normalization softmax cam localisation deconvnet skip_connections",
    "attribute receptive_field gradient_flow top_activations hierarchy feature_visualization "
    "augmentation equivariance invariance challenges occlusion compare gradient_whiteness "
    "loss_landscape faithfulness explanations",
)
"""The views in the order in which they are tried: of all networks the quick ones, then the slow."""
SMALL_FIRST = (
    "lenet5-1998 alexnet zfnet mobilenet_v3_small resnet18 mobilenet_v1 googlenet inception_v2 "
    "mobilenet_v2 mobilenet_v3_large densenet121 resnet50 inception_v3 densenet169 resnet34 "
    "densenet201 resnet101 resnet152 vgg16 vgg19 timm:inception_v4 timm:inception_resnet_v2"
)
"""The networks in the order in which they are tried, about from the quick ones to the slow."""

TRAINED = ("transfer_learning", "training_history")
"""Views that need a training or its checkpoints; they are not tried here."""


@dataclass(frozen=True)
class Reduced:
    """What a view is given beside its defaults, and how that is told."""

    told: str
    keywords: Mapping[str, Any] = field(default_factory=dict)


REDUCED = {
    "receptive_field": Reduced("2 draws", {"draws": 2}),
    "top_activations": Reduced("4 scenes, 4 channels", {"count": 4, "top": 4}),
    "hierarchy": Reduced("4 scenes, 2 channels a stage", {"count": 4, "top": 2}),
    "compare": Reduced("4 scenes", {"count": 4}),
    "attribute": Reduced("8 steps", {"steps": 8}),
    "occlusion": Reduced("stride 32", {"stride": 32}),
    "invariance": Reduced("3 steps", {"steps": 3}),
    "equivariance": Reduced("4 pixels", {"shift": 4}),
    "challenges": Reduced(
        "illumination and occlusion, 3 steps", {"steps": 3, "only": "illumination,occlusion"}
    ),
    "augmentation": Reduced("3 draws", {"draws": 3}),
    "faithfulness": Reduced(
        "3 steps, 2 stages, 2 random maps", {"steps": 3, "stages": 2, "random": 2}
    ),
    "explanations": Reduced(
        "4 methods, no checks",
        {"methods": ("gradcam", "eigencam", "saliency", "guided_backprop"), "checks": ()},
    ),
    "feature_visualization": Reduced("one channel, 8 steps", {"steps": 8}),
    "gradient_whiteness": Reduced("5 points", {"points": 5}),
    "loss_landscape": Reduced("3 x 3 points", {"points": 3}),
}


def asked() -> dict[str, View]:
    """Return the views that look into a network, in the order in which they are tried."""
    known = {view.name: view for view in VIEWS if _of_network(view) and view.name not in TRAINED}
    order = " ".join(ROUNDS).split()
    return {name: known[name] for name in [*order, *(one for one in known if one not in order)]}


def _of_network(view: View) -> bool:
    return view.needs in ("model", "capture") or view.network


def ask(view: View, model: Any) -> Any:
    """Return the result of a view, at its defaults save what is reduced."""
    function = view.function()
    keywords = dict(REDUCED[view.name].keywords) if view.name in REDUCED else {}
    scene = Shapes(seed=0, size=SIDE)[SCENE]
    if view.needs == "photo":
        first = next(n for n, m in named_layers(model.module).items() if hasattr(m, "kernel_size"))
        return function(scene.image, f"{first}:0", model=model, **keywords)
    if view.needs == "capture":
        layers = view.layers or ()
        kept = cnnviz.capture(model, scene.image, layers=layers, gradients=view.gradients)
        return function(kept, **keywords)
    if view.name == "feature_visualization":
        stages = cnnviz.capture(model, scene.image, layers="stages", gradients=False)
        return function(model, f"{list(stages.activations)[-1]}:0", **keywords)
    if view.images == "data":
        return function(model, "shapes", **keywords)
    if view.images == "none":
        return function(model, **keywords)
    return function(model, scene if view.name == "challenges" else scene.image, **keywords)


def answer(view: View, model: Any, pictures: Path) -> tuple[str, str]:
    """Return how a view did and what it said; its picture and numbers are written."""
    try:
        found = ask(view, model)
        stem = f"{view.name}-{model.name.replace(':', '-')}"
        found.save(pictures / f"{stem}.png")
        found.save(pictures / f"{stem}.json")
        found.caption()
        return WORKS, found.summary()
    except CnnvizError as error:
        return REFUSED, f"{error.what} {error.remedy}"
    except TimeoutError:
        raise
    except Exception as error:  # a table of what fails must not fail itself
        traceback.print_exc()
        return FAULT, f"{type(error).__name__}: {error}"[:300]


def measured(work: Callable[[], tuple[str, str]], limit: int) -> dict[str, Any]:
    """Do some work, and return what came of it, with its time and the most memory that it had.

    The limit is of processor time, which others on the same machine do not change.
    """

    def late(*_: object) -> None:
        raise TimeoutError(f"after {limit} s of processor time")

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak begins anew
    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, limit)
    begin = time.process_time()
    try:
        outcome, said = work()
    except TimeoutError as error:
        outcome, said = UNFINISHED, str(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = round(time.process_time() - begin, 1)
    found = {"outcome": outcome, "seconds": seconds, "timed": PROCESSOR, "mib": _peak_memory()}
    # A summary is in the words of its day, which are others tomorrow: only reasons are kept.
    return found if outcome == WORKS else found | {"said": said}


def _peak_memory() -> int:
    status = Path("/proc/self/status").read_text("utf-8")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


def _load_libraries() -> None:
    """Import what views import at their first use, which is no time of theirs."""
    model = cnnviz.load("lenet5-1998", "random", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked():
            answer(asked()[name], model, Path(folder))


def cells(networks: list[str], views: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Go through the networks, with what is to be tried of each in this round."""
    for one_round in ROUNDS:
        wanted = [name for name in one_round.split() if name in views]
        for network in SMALL_FIRST.split():
            if network in networks and wanted:
                yield network, wanted


# The page --------------------------------------------------------------------------------------


def page(rows: list[dict[str, Any]]) -> str:
    """Return the page: what each network and each view did, and what is refused or was reduced."""
    counts = {kind: sum(row["outcome"] == kind for row in rows) for kind in (WORKS, REFUSED, FAULT)}
    views = _tried(rows)
    every = len(CARDS) * len(views)
    lines = [
        "# Every view on the networks of the course",
        "",
        f"Each of the {len(views)} views that look into a network was tried on each of the "
        f"{len(CARDS)} networks",
        "that `cnnviz networks` lists, with random weights, on a scene of `shapes`: its picture",
        "was drawn and its numbers were written. Random weights say nothing of a trained network;",
        f"the table shows whether the views work with the architecture. {_counted(counts, every)}",
        f"{' and '.join(f'`{name}`' for name in TRAINED)} are left out: they need a training.",
        "`python docs/course_networks.py` writes this page from `docs/course_networks.jsonl`,",
        f"which has every cell. {_timed(rows)}",
        "Memory is the peak of the process, including libraries and the network.",
        "",
        "## By network",
        "",
    ]
    lines += _by_network(rows)
    lines += [
        "",
        "## By view",
        "",
        "Views that take minutes were run with smaller settings than their defaults.",
        "",
    ]
    lines += _by_view(rows)
    others = _others(rows)
    if others:
        lines += ["", "## What does not work", "", *others]
    lines += ["", "## Published error rates", ""]
    lines += _confirmed()
    return "\n".join(lines) + "\n"


def _counted(counts: Mapping[str, int], every: int) -> str:
    """Say how many cells there are, and how many of them work."""
    if counts[WORKS] == every:
        return f"All {every} cells work."
    left = every - sum(counts.values())
    return (
        f"Of {every} cells {counts[WORKS]} work,\n{counts[REFUSED]} are refused with a reason, "
        f"{counts[FAULT]} failed, and {left} were not tried or not finished."
    )


def _timed(rows: list[dict[str, Any]]) -> str:
    """Say what the seconds are of."""
    said = "Seconds are processor time on one thread, for computing and drawing"
    clock = sum(row["timed"] != PROCESSOR for row in rows)
    if not clock:
        return f"{said}."
    return f"{said};\nfor {clock} cells they are wall-clock time on a shared core, which is longer."


def _tried(rows: list[dict[str, Any]]) -> list[str]:
    """Return the views that were tried at all: one that is newer is on the page once it is."""
    found = {row["view"] for row in rows}
    return [name for name in asked() if name in found]


def _by_network(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| network | views that work | seconds | most memory, MiB | not tried |",
        "|---" * 5 + "|",
    ]
    for card in CARDS:
        own = [row for row in rows if row["network"] == card.load_name]
        works = sum(row["outcome"] == WORKS for row in own)
        tried = {row["view"] for row in own}
        left = ", ".join(f"`{name}`" for name in _tried(rows) if name not in tried) or "none"
        seconds = sum(row["seconds"] for row in own)
        memory = max((row["mib"] for row in own), default=0)
        lines.append(f"| {card.title} | {works} | {seconds:.0f} | {memory} | {left} |")
    return lines


def _by_view(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| view | networks that it works on | median seconds | most seconds | given less |",
        "|---" * 5 + "|",
    ]
    for name in _tried(rows):
        own = [row for row in rows if row["view"] == name and row["outcome"] == WORKS]
        seconds = sorted(row["seconds"] for row in own)
        times = f"{statistics.median(seconds):.1f} | {seconds[-1]:.1f}" if own else " | "
        told = "; or ".join(sorted({row["given"] for row in own}))
        lines.append(f"| `{name}` | {len(own)} | {times} | {told} |")
    return lines


def _others(rows: list[dict[str, Any]]) -> list[str]:
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if row["outcome"] != WORKS:
            kinds.setdefault((row["view"], row["outcome"], row["said"]), []).append(row["network"])
    return [
        f"- `{view}` of {', '.join(of)}: {outcome}. {said}"
        for (view, outcome, said), of in kinds.items()
    ]


def _confirmed() -> list[str]:
    """Return what the cards' error rates were compared with."""
    lines = ["| network | top-1 error | top-5 error | where it stands | compared with |"]
    lines += ["|---" * 5 + "|"]
    for card in CARDS:
        if card.errors_source:
            rates = f"{error_text(card.top1)} | {error_text(card.top5)}"
            against = card.errors_confirmed or "nothing yet"
            lines.append(f"| {card.title} | {rates} | {card.errors_source} | {against} |")
    return lines


# The run ---------------------------------------------------------------------------------------


def main() -> None:
    """Try what was not tried yet, and write the page."""
    parser = argparse.ArgumentParser(description="Try every view on the networks of the course.")
    parser.add_argument("file", nargs="?", type=Path, default=DOCS / "course_networks.jsonl")
    parser.add_argument("--only", nargs="+", default=[""], help="networks with these words")
    parser.add_argument("--views", nargs="+", default=list(asked()), help="these views")
    parser.add_argument("--pictures", type=Path, help="keep the pictures in this folder")
    parser.add_argument("--limit", type=int, default=600, help="processor seconds of a cell")
    parser.add_argument(
        "--again",
        action="store_true",
        help="also what failed, was unfinished or has the time of the clock",
    )
    chosen = parser.parse_args()
    rows = read(chosen.file)
    done = {
        (row["network"], row["view"])
        for row in rows
        if not chosen.again or (row["outcome"] in (WORKS, REFUSED) and row["timed"] == PROCESSOR)
    }
    _load_libraries()
    names = [n for n in SMALL_FIRST.split() if any(word in n for word in chosen.only)]
    with tempfile.TemporaryDirectory() as folder:
        pictures = chosen.pictures or Path(folder)
        pictures.mkdir(parents=True, exist_ok=True)
        for network, views in cells(names, chosen.views):
            wanted = [asked()[view] for view in views if (network, view) not in done]
            model = cnnviz.load(network, "random", device="cpu") if wanted else None
            for view in wanted:
                did = measured(lambda v=view, m=model: answer(v, m, pictures), chosen.limit)  # type: ignore[misc]
                told = REDUCED[view.name].told if view.name in REDUCED else ""
                rows.append({"network": network, "view": view.name, **did, "given": told})
                print(json.dumps(rows[-1]), flush=True)
                with chosen.file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    rows = ordered(read(chosen.file))
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    chosen.file.write_text(lines, "utf-8")
    (DOCS / "course_networks.md").write_text(page(rows), "utf-8")


def read(file: Path) -> list[dict[str, Any]]:
    """Return the cells of a file; of one that was tried again, the last."""
    if not file.exists():
        return []
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return list({(row["network"], row["view"]): row for row in rows}.values())


def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells network by network, in the order of the cards and of the views."""
    networks, views = [card.load_name for card in CARDS], list(asked())
    return sorted(rows, key=lambda row: (networks.index(row["network"]), views.index(row["view"])))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
