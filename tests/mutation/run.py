"""Put faults into the parts on which all else stands, and see whether their tests notice.

    python tests/mutation/run.py [--groups cam,occlusion] [--sample 20] [--seed 0] [--json FILE]

Tests are collected once. Each fault is a fork of that process: the code of one function is
exchanged, and the tests that call this function run, the quickest first, until one fails. What no
test notices is printed, to be looked at.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "gallery")]

import pytest  # noqa: E402
from _pytest.runner import runtestprotocol  # noqa: E402

from tests.helpers.mutants import Mutant, Place, mutants  # noqa: E402


@dataclass(frozen=True)
class Group:
    """A part of the project: its files, and the tests that are about it."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = {
    "capture": Group(
        (
            "cnnviz/passes/captures.py",
            "cnnviz/passes/captured.py",
            "cnnviz/passes/output_recorder.py",
        ),
        (
            "tests/cases/test_boxes.py",
            "tests/cases/test_endings.py",
            "tests/cases/test_mixing.py",
            "tests/cases/test_outputs.py",
            "tests/passes/test_captured.py",
            "tests/passes/test_captures.py",
            "tests/passes/test_fast_model.py",
            "tests/passes/test_memory_shortage.py",
            "tests/passes/test_output_recorder.py",
            "tests/passes/test_shared_captures.py",
            "tests/passes/test_targets.py",
            "tests/views/test_predictions.py",
        ),
    ),
    "backward rules": Group(
        ("cnnviz/introspection/backward_rules.py", "cnnviz/introspection/rectifiers.py"),
        (
            "tests/heatmaps/test_attribution_methods.py",
            "tests/introspection/test_backward_rules.py",
            "tests/views/test_attribute.py",
            "tests/views/test_deconvnet.py",
        ),
    ),
    "receptive fields": Group(
        ("cnnviz/introspection/receptive_fields.py",),
        (
            "tests/cases/test_costs_and_fields.py",
            "tests/introspection/test_receptive_fields.py",
            "tests/views/test_receptive_field.py",
        ),
    ),
    "masked fields": Group(
        (
            "cnnviz/introspection/tracing/kept_values.py",
            "cnnviz/introspection/tracing/masked_products.py",
            "cnnviz/introspection/tracing/masked_windows.py",
            "cnnviz/introspection/tracing/rules_masked.py",
        ),
        ("tests/introspection/test_masked_fields.py",),
    ),
    "traced operations": Group(
        ("cnnviz/introspection/tracing",),
        (
            "tests/cases/test_costs_and_fields.py",
            "tests/introspection/test_canvas.py",
            "tests/introspection/test_copied_borders.py",
            "tests/introspection/test_masked_fields.py",
            "tests/introspection/test_receptive_fields.py",
            "tests/introspection/test_tracing.py",
            "tests/introspection/test_vmapped.py",
        ),
    ),
    "CAM formulas": Group(
        (
            "cnnviz/heatmaps/cam_methods.py",
            "cnnviz/heatmaps/cancelled_weights.py",
            "cnnviz/heatmaps/constant_scores.py",
            "cnnviz/heatmaps/map_places.py",
            "cnnviz/passes/wider_forward.py",
        ),
        (
            "tests/cases/test_box_maps.py",
            "tests/cases/test_cropped_inside.py",
            "tests/cases/test_endings.py",
            "tests/cases/test_maps.py",
            "tests/cases/test_spectrogram_inputs.py",
            "tests/heatmaps/test_cam_methods.py",
            "tests/heatmaps/test_cancelled_weights.py",
            "tests/heatmaps/test_constant_scores.py",
            "tests/heatmaps/test_one_and_three_axes.py",
            "tests/views/test_cam.py",
        ),
    ),
    "occlusion": Group(
        ("cnnviz/heatmaps/occlusion",),
        (
            "tests/heatmaps/occlusion",
            "tests/heatmaps/test_one_and_three_axes.py",
            "tests/views/test_occlusion.py",
        ),
    ),
    "verdicts": Group(
        (
            "cnnviz/gradients/measures.py",
            "cnnviz/gradients/regions.py",
            "cnnviz/gradients/verdicts.py",
        ),
        (
            "tests/cases/test_gradient_joins.py",
            "tests/gradients/monitor/test_verdicts_on_trainings.py",
            "tests/gradients/test_measures.py",
            "tests/gradients/test_regions.py",
            "tests/gradients/test_verdicts.py",
            "tests/views/test_gradient_flow.py",
        ),
    ),
    "fast copy": Group(
        ("cnnviz/introspection/fast_copy",),
        (
            "tests/introspection/test_fast_copy.py",
            "tests/introspection/test_folding.py",
            "tests/introspection/test_input_gradient.py",
            "tests/introspection/test_linearity.py",
            "tests/passes/test_fast_model.py",
        ),
    ),
    "monitor": Group(
        (
            "cnnviz/gradients/monitor/events.py",
            "cnnviz/gradients/monitor/frozen_layers.py",
            "cnnviz/gradients/monitor/gradient_agreement.py",
            "cnnviz/gradients/monitor/layer_events.py",
            "cnnviz/gradients/monitor/layer_paths.py",
            "cnnviz/gradients/monitor/loss_history.py",
            "cnnviz/gradients/monitor/run_checks.py",
            "cnnviz/gradients/monitor/step_recorder.py",
            "cnnviz/gradients/monitor/step_values.py",
            "cnnviz/gradients/monitor/sum_gradients.py",
            "cnnviz/gradients/noise.py",
        ),
        (
            "tests/cli/test_training_command.py",
            "tests/gradients/monitor",
            "tests/gradients/test_noise.py",
            "tests/views/test_gradient_whiteness.py",
            "tests/views/test_training_history.py",
        ),
    ),
    "evaluation": Group(
        (
            "cnnviz/evaluation/answers/measures.py",
            "cnnviz/evaluation/answers/tally.py",
            "cnnviz/evaluation/best_threshold.py",
            "cnnviz/evaluation/classifier/chance_calibration.py",
            "cnnviz/evaluation/classifier/measures.py",
            "cnnviz/evaluation/classifier/ranking.py",
            "cnnviz/evaluation/resampling.py",
            "cnnviz/results/intervals.py",
        ),
        ("tests/evaluation", "tests/results/test_intervals.py", "tests/results/test_student.py"),
    ),
    "heatmap checks": Group(
        ("cnnviz/heatmaps/checks",),
        (
            "tests/evaluation/test_boxes.py",
            "tests/heatmaps/checks",
            "tests/views/test_explanations.py",
            "tests/views/test_faithfulness.py",
            "tests/views/test_localisation.py",
        ),
    ),
    "units": Group(
        ("cnnviz/units/peaks.py", "cnnviz/units/projection", "cnnviz/units/top_k.py"),
        (
            "tests/cases/test_units_of_signals_and_volumes.py",
            "tests/gallery/scan/test_scan.py",
            "tests/units/projection",
            "tests/units/test_peaks.py",
            "tests/units/test_top_k.py",
            "tests/views/test_top_activations.py",
        ),
    ),
    "gallery": Group(
        ("gallery/cnnviz_gallery/scan",),
        ("tests/gallery/scan", "tests/gallery/site/test_class_votes.py"),
    ),
    "course": Group(
        ("cnnviz/course",),
        (
            "tests/course",
            "tests/views/test_architecture.py",
            "tests/views/test_challenges.py",
            "tests/views/test_convolve.py",
            "tests/views/test_convolve_signals.py",
            "tests/views/test_equivariance.py",
            "tests/views/test_famous_networks.py",
            "tests/views/test_loss_landscape.py",
            "tests/views/test_losses.py",
            "tests/views/test_network_diagram.py",
            "tests/views/test_normalization.py",
            "tests/views/test_optimizers.py",
            "tests/views/test_overfitting.py",
            "tests/views/test_pixels.py",
            "tests/views/test_pooling.py",
            "tests/views/test_softmax.py",
            "tests/views/test_transfer_learning.py",
        ),
    ),
    "images": Group(
        (
            "cnnviz/images/array_preprocessing.py",
            "cnnviz/images/array_reading.py",
            "cnnviz/images/decoding.py",
            "cnnviz/images/inversion.py",
            "cnnviz/images/lighting.py",
            "cnnviz/images/preprocessing.py",
            "cnnviz/images/resampling.py",
            "cnnviz/images/transforms.py",
        ),
        ("tests/images", "tests/models"),
    ),
    "tar shards": Group(
        ("cnnviz/datasets/shards.py", "cnnviz/datasets/tar_members.py"),
        ("tests/datasets", "tests/test_opened_files.py"),
    ),
    "accepted inputs": Group(
        ("cnnviz/models/input_trials.py", "cnnviz/models/trial_copies.py"),
        ("tests/cases/test_first_layers.py", "tests/models"),
    ),
    "boards": Group(
        ("cnnviz/views/pictures/board.py", "cnnviz/views/pictures/cell_numbers.py"),
        (
            "tests/views/test_board.py",
            "tests/views/test_convolve.py",
            "tests/views/test_course_pictures.py",
            "tests/views/test_pooling.py",
        ),
    ),
}


@dataclass
class Run:
    """A plugin of pytest that runs mutants instead of tests."""

    group: Group
    sample: int
    seed: int
    found: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure which test calls what, and try each mutant on those that call it."""
        files = [path for name in self.group.files for path in _python(ROOT / name)]
        known: Mapping[str, Any] = _told(lambda: _called(session.items, files))
        every = [mutant for path in files for mutant in mutants(path)]
        self.total = len(every)
        chosen = random.Random(self.seed).sample(every, min(self.sample, len(every)))
        for mutant in sorted(chosen, key=lambda one: (str(one.file), one.line)):
            key = _key(str(mutant.file), mutant.place)
            fitting = sorted(
                (seconds, name) for name, (seconds, keys) in known.items() if key in keys
            )
            items = {item.nodeid: item for item in session.items}
            tests = [items[name] for _, name in fitting]
            limit = 20.0 + 5.0 * sum(seconds for seconds, _ in fitting)
            end = _told(lambda m=mutant, t=tests, s=limit: _tried(m, t, s)) if tests else "no test"
            self._keep(mutant, end, len(tests))
        return True

    def _keep(self, mutant: Mutant, end: str, tests: int) -> None:
        where = mutant.file.relative_to(ROOT).as_posix()
        self.found.append(
            {
                "file": where,
                "line": mutant.line,
                "function": mutant.place[0],
                "fault": mutant.what,
                "end": end,
                "tests": tests,
            }
        )
        print(f"{end:10} {where}:{mutant.line} {mutant.place[0]}: {mutant.what}", flush=True)


def _python(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _key(file: str, place: Place) -> str:
    return f"{file}:{place[0]}:{place[1]}"


def _told(work: Any) -> Any:
    """Do some work in a child, and return what it tells in JSON; "killed" where that is nothing."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _tell(writing, work)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else "killed"


def _tell(writing: int, work: Any) -> NoReturn:
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        said = json.dumps(work()).encode()
        with os.fdopen(writing, "wb") as stream:
            stream.write(said)
    finally:
        os._exit(0)


def _called(items: Sequence[pytest.Item], files: Sequence[Path]) -> dict[str, Any]:
    """Return for each test that passes its seconds, and the functions of these files it calls."""
    wanted = {str(path) for path in files}
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename in wanted:
            seen.add(frame.f_code)

    found: dict[str, Any] = {}
    for place, item in enumerate(items):
        seen.clear()
        begin = time.process_time()
        threading.setprofile(note)
        sys.setprofile(note)
        passed = _passes(item, items[place + 1] if place + 1 < len(items) else None)
        sys.setprofile(None)
        keys = {_key(code.co_filename, (code.co_qualname, code.co_firstlineno)) for code in seen}
        if passed:
            found[item.nodeid] = (time.process_time() - begin, sorted(keys))
    return found


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    reports = runtestprotocol(item, log=False, nextitem=following)
    return not any(report.failed for report in reports)


def _tried(mutant: Mutant, tests: Sequence[pytest.Item], seconds: float) -> str:
    """Return whether one of the tests fails once the function has the fault."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    exchanged = 0
    gc.unfreeze()
    for function in [one for one in gc.get_objects() if type(one) is FunctionType]:
        code = function.__code__
        if _key(code.co_filename, (code.co_qualname, code.co_firstlineno)) == _key(
            str(mutant.file), mutant.place
        ):
            function.__code__ = mutant.code
            exchanged += 1
    if not exchanged:
        return "not found"
    for place, item in enumerate(tests):
        if not _passes(item, tests[place + 1] if place + 1 < len(tests) else None):
            return "killed"
    return "survived"


def main() -> None:
    """Run the groups that were asked for, and print how many mutants of each were killed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--groups", default=",".join(GROUPS), help="of " + ", ".join(GROUPS))
    parser.add_argument("--sample", type=int, default=20, help="mutants of each group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write every mutant")
    asked = parser.parse_args()
    os.environ["CI"] = "1"
    results = {}
    for name in asked.groups.split(","):
        run = Run(GROUPS[name], asked.sample, asked.seed)
        options = ["-s", "-p", "no:cacheprovider", "-p", "no:terminal"]
        pytest.main([*options, *(str(ROOT / test) for test in run.group.tests)], plugins=[run])
        results[name] = {"mutants": run.total, "tried": run.found}
        killed = sum(one["end"] == "killed" for one in run.found)
        print(f"{name}: {killed} of {len(run.found)} killed, of {run.total} that there are\n")
        if asked.json:
            asked.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
