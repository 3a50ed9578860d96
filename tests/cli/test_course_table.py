"""The table of views in the README: each picture of it is one command, which runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnnviz.datasets.shapes import Shapes
from cnnviz.models.networks import ShapesPlain
from cnnviz.views import VIEWS
from cnnviz.views._view import COURSE
from tests.helpers.quick_code import few_random_maps
from tests.helpers.undrawn import undrawn

Run = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| ([^|]+) \| `cnnviz ([^`]+)` \|$", re.MULTILINE)
QUICKLY = {
    "hierarchy": "--count 8 --top 1",
    "top-activations": "--count 8 --top 2",
    "visualize": "--steps 2",
    "optimizers": "--steps 4",
    "loss-landscape": "--points 3 --count 4",
    "overfitting": "--scenes 10 --epochs 1 --seeds 1 --validation 10 --test 10",
    "transfer-learning": "--samples 1,2 --seeds 1 --epochs 1 --test 4",
    "augmentation": "--draws 2",
    "gradient-flow": "--no-remedies",
    "famous-networks": "--names LeNet-5",
    "compare": "--count 8 --examples 1",
    "activation-functions": "--width 16 --layers 10",
    "gradient-whiteness": "--points 20",
    "challenges": "--only turned --steps 2",
    "faithfulness": "--steps 2 --stages 1",
    "attribute": "--steps 4",
    "invariance": "--steps 3",
    "explanations": "--methods gradcam,saliency --checks randomisation",
    "evaluate-classifier": "--count 20 --explain 0",
    "training-history": "--top 2",
}
"""What makes a command quick that takes long as it stands; none changes what is drawn."""


def rows(page: str) -> list[tuple[str, str]]:
    return _ROW.findall((ROOT / page).read_text("utf-8"))


TABLE = rows("README.md")


def test_the_table_has_every_view_and_that_of_the_course_is_a_part_of_it() -> None:
    of_course = rows("docs/course.md")
    assert [row for row in TABLE if row in of_course] == of_course
    commands = [command.split()[0] for _, command in TABLE]
    assert len(set(commands)) == len(commands)
    assert {view.command for view in VIEWS} <= set(commands)
    in_course = {command.split()[0] for _, command in of_course}
    assert {view.command for view in VIEWS if view.panel == COURSE} <= in_course
    assert set(QUICKLY) <= set(commands)


def _lay_out_a_training(folder: Path) -> None:
    (folder / "net.py").write_text(
        "from cnnviz.models.networks import ShapesPlain\n\ndef make():\n    return ShapesPlain()\n"
    )
    (folder / "run").mkdir()
    for epoch in (1, 2):
        torch.manual_seed(epoch)
        torch.save(ShapesPlain().state_dict(), folder / "run" / f"epoch-{epoch}.pth")


@pytest.mark.parametrize("command", [command for _, command in TABLE], ids=lambda c: c.split()[0])
def test_each_picture_is_one_command(run: Run, tmp_path: Path, command: str) -> None:
    name, *words = shlex.split(command)
    Image.fromarray(Shapes(split="held-out")[19].image).save(tmp_path / "photo.jpg")
    if "net.py:make" in words:
        _lay_out_a_training(tmp_path)
    # A folder, where a whole page is written.
    made = "made" if name == "evaluate-classifier" else "made.png"
    quickly = shlex.split(QUICKLY.get(name, ""))
    with few_random_maps(), undrawn():
        found = run(name, *words, *quickly, "--quiet", "--out", made)
    assert found.code == 0, found.err
    with Image.open(min(tmp_path.rglob("*.png"))) as picture:
        picture.verify()
