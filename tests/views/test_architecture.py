"""The architecture view: the whole table, honest grouping, a picture that says what it shows."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from cnnviz.errors import ModelError, UsageError
from cnnviz.models import Model
from cnnviz.views._architecture_table import COLUMNS, cells
from cnnviz.views.architecture import architecture
from cnnviz.views.pictures import layer_arithmetic
from tests.helpers.architectures import build, lasting_network, shallow, tiny_network
from tests.helpers.state import state


def texts(figure: Figure) -> list[str]:
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    return [*inside, *(text.get_text() for text in figure.texts)]


class Cells(HTMLParser):
    """Collects the texts of the rows of a table."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_table_has_a_row_for_every_layer_and_the_sums() -> None:
    found = architecture(build("lenet5"))
    lines = str(found).splitlines()
    assert lines[0].split()[:5] == ["layer", "kind", "output", "parameters", "MACs"]
    row = next(line for line in lines if line.startswith("features.c3"))
    costs, window, field = "2,416 240,000", "5 x 5 1 0 1 1", "14 x 14 2"
    assert " ".join(row.split()) == f"features.c3 conv 16 x 10 x 10 {costs} {window} {field}"
    assert "sum" in next(line for line in lines if "61,706" in line)
    cells = Cells(found.html_table()).rows
    assert len(cells) == len(found.layers) + 2
    assert {len(row) for row in cells} == {12}
    assert cells[-1][3:5] == ["61,706", "416,520"]


def test_all_numbers_are_in_the_json() -> None:
    found = architecture(build("squeezenet1_0"))
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(data["layers"]) == len(found.layers) == 66
    assert data["sums"]["parameters"] == sum(row["parameters"] for row in data["layers"])
    assert data["sums"]["macs"] == sum(stage["macs"] for stage in data["parts"])
    fire = next(row for row in data["layers"] if row["layer"] == "features.3.expand3x3")
    assert fire["receptive_field"]["size"] == [19, 19]
    assert fire["receptive_field"]["stride"] == [4, 4]
    assert (fire["kernel"], fire["padding"], fire["groups"]) == ([3, 3], [1, 1], 1)
    assert [label for stage in data["parts"] for label in stage["layers"]] == [
        row["layer"] for row in data["layers"]
    ]


def test_the_table_tells_padding_that_differs_between_the_ends() -> None:
    found = architecture(nn.Sequential(nn.Conv2d(3, 2, (2, 3), padding="same")), 9)
    assert cells(found.layers[0])[COLUMNS.index("padding")] == "0+1 x 1"


def test_an_oblong_image_is_told_by_its_height_and_fields_beside_it_fit() -> None:
    net = nn.Sequential(nn.AvgPool2d((2, 1), padding=(1, 0)), nn.GroupNorm(1, 3))
    figure = architecture(net, (62, 80)).figure()
    axes = figure.axes[-1]
    assert "┆ height: 62" in [text.get_text() for text in axes.texts]
    edge = axes.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= edge + 1 for text in axes.texts)


def test_a_stride_that_loses_pixels_is_named() -> None:
    found = architecture(build("squeezenet1_0"))
    notes = found.notes()
    assert notes[0] == (
        "features.0: (224 − 7)/2 + 1 = 109.5 is not whole: rounded down, the last row and the last "
        "column of its 224 x 224 input are in no window."
    )
    assert not any("rounded up" in note for note in notes), "nothing is lost there"
    (aside,) = found.asides()
    assert aside.startswith("features.6: (54 − 3)/2 + 1 = 26.5 is not whole: rounded up")
    assert architecture(build("squeezenet1_0"), image_size=227).notes()[:1] != notes[:1]


def test_layers_that_never_run_and_gates_are_named() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Conv2d(3, 2, 3)
            self.spare = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    assert architecture(Idle(), image_size=8).notes() == (
        "spare has parameters that are not used in evaluation: 25 of the 81 parameters.",
    )
    gated = architecture(build("mobilenet_v3_small"), image_size=64)
    assert any(note.startswith("From features.1.block.1") for note in gated.notes())
    assert "squeeze-and-excitation" in gated.caption()
    assert any("with gates: all" in text for text in texts(gated.figure()))


@pytest.mark.parametrize("name", ["lenet5", "resnet50", "convnext_tiny"])
def test_the_picture_shows_every_stage_and_says_how_many_layers_they_hold(name: str) -> None:
    found = architecture(shallow(name), image_size=None if name == "lenet5" else 64)
    figure = found.figure()
    shown = texts(figure)
    for number, stage in enumerate(found.parts):
        assert str(number + 1) in shown
        assert any(text == stage.name or "…" in text for text in shown)
    heading = " ".join(shown)
    assert found.trace.counted in heading
    if len(found.parts) < len(found.layers):
        assert f"drawn as {len(found.parts)} parts" in heading
        assert f"drawn as {len(found.parts)} parts" in found.caption()
    else:
        assert "grouped" not in heading
    bars = [patch for axes in figure.axes for patch in axes.patches]
    assert len(bars) > 3 * len(found.parts)


def test_no_text_of_the_picture_leaves_it_or_meets_another() -> None:
    found = architecture(build("efficientnet_b0"))
    figure = found.figure()
    figure.draw_without_rendering()
    edge = figure.bbox
    table = figure.axes[1:]
    for axes in table:
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
        for number, box in enumerate(boxes):
            assert box.x0 >= edge.x0
            assert box.x1 <= edge.x1 + 1
            overlapping = [other for other in boxes[number + 1 :] if _meet(box, other)]
            assert not overlapping


def _meet(one: object, other: object) -> bool:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)  # type: ignore[attr-defined]
    height = min(one.y1, other.y1) - max(one.y0, other.y0)  # type: ignore[attr-defined]
    return bool(width > 1 and height > 4)


def test_summary_and_caption_say_what_matters() -> None:
    found = architecture(build("resnet18"), image_size=224)
    assert repr(found) == (
        "<Architecture: resnet18: 52 layers in 69 steps, 11.7 M parameters, 1.81 G MACs at "
        "224 x 224; the last feature map sees 435 x 435>"
    )
    assert "twice as many FLOPs" in found.caption()


def test_arithmetic_explains_every_layer_in_text_picture_and_json(tmp_path: Path) -> None:
    found = architecture(build("squeezenet1_0"), arithmetic=True)
    assert len(found.arithmetic) == len(found.layers)
    lines = str(found).splitlines()
    assert lines[0] == "features.0  (conv, 3 x 224 x 224 -> 96 x 109 x 109)"
    assert lines[1].split(maxsplit=1)[1] == "(224 − 7)/2 + 1 = 109.5, rounded down: 109"
    assert lines[3].split(maxsplit=1)[1] == "(7·7·3)·96 + 96 = 14,208"
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))["arithmetic"]
    assert data[0]["size_terms"][0]["remainder"] == data[0]["size_terms"][0]["dropped"] == 1
    assert sum((row["mac_terms"] or {"total": 0})["total"] for row in data) == found.trace.macs
    assert [row["layer"] for row in data] == [call.label for call in found.layers]
    pages = found.sheets()
    assert len(pages) > 1
    shown = [text for page in pages for text in texts(page.figure())]
    for row in found.arithmetic:
        assert row.parameters in ("", *shown)
    assert all(text in " ".join(shown) for text in ("rows 1 to", "the last row and the last"))
    assert "(W − F + 2P)/S + 1" in found.caption()
    small = architecture(lasting_network(), image_size=16, arithmetic=True)
    assert small.save(tmp_path / "small.svg").read_text("utf-8").count("receptive field") >= 1


def test_any_module_is_taken_and_left_as_it_was() -> None:
    network = tiny_network().train()
    before = state(network)
    found = architecture(network, image_size=(16, 12))
    assert state(network) == before
    assert found.name == "Sequential"
    assert found.trace.input_shape == (1, 3, 16, 12)
    assert found.input_size == (16, 12)


def test_names_are_escaped_in_html() -> None:
    network = nn.Sequential()
    network.add_module("<script>alert(1)</script>", nn.Conv2d(3, 2, 3))
    found = architecture(Model(network, name="<b>bold</b>"), image_size=8)
    page = found._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert Cells(found.html_table()).rows[1][0] == "<script>alert(1)</script>"


def test_its_arrays_are_those_of_its_layers(tmp_path: Path) -> None:
    found = architecture(lasting_network(), image_size=16)
    with np.load(found.save(tmp_path / "net.npz")) as arrays:
        assert arrays["layer"].tolist() == [str(number) for number in range(9)]
        assert arrays["receptive_field"][3].tolist() == [8, 8]
        assert arrays["parameters"].sum() == found.trace.parameters


def test_an_image_in_the_place_of_a_size_is_told() -> None:
    with pytest.raises(UsageError, match="The size is a Tensor"):
        architecture(lasting_network(), torch.zeros(1, 3, 8, 8))  # type: ignore[arg-type]


def test_misuse_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="image_size cannot be 0"):
        architecture(lasting_network(), image_size=(0, 8))
    with pytest.raises(ModelError, match=r"cannot run on an input \[1, 3, 1, 1\]"):
        architecture(lasting_network(), image_size=1)


def test_a_network_without_maps_or_parameters_is_drawn_too() -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3))

    found = architecture(Mean(), image_size=8)
    assert found.trace.macs == found.trace.parameters == 0
    assert any("whole image" in text for text in texts(found.figure()))


def test_only_the_axis_of_images_is_left_out_of_a_shape() -> None:
    class TakesItsImageOut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 7), nn.Linear(100, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x)[0].flatten(1)).mean(0, keepdim=True)

    found = architecture(TakesItsImageOut(), 16)
    outputs = {row["layer"]: list(row["output_shape"]) for row in found.to_json()["layers"]}
    assert outputs["conv"] == [4, 10, 10]
    assert outputs["head"] == [4, 5]
    columns = [column.name for column in found.table().columns]
    rows = {row[columns.index("layer")]: row[columns.index("output")] for row in found.table().rows}
    assert (rows["conv"], rows["head"]) == ("4 x 10 x 10", "4 x 5")


def test_the_depth_is_that_of_the_papers_beside_the_count_of_modules() -> None:
    """AlexNet has 21 modules and is said to have 8 layers."""
    found = architecture(build("alexnet"), 224)
    assert found.summary().startswith("alexnet: 21 layers in 22 steps")
    assert found.depth == 8
    assert "the layers with weights on the longest path to the answer: 8." in found.caption()
    assert any("  ·  depth 8  ·  " in text.get_text() for text in found.figure().texts)


def test_names_of_layers_that_end_alike_stay_apart_in_the_picture_of_the_arithmetic() -> None:
    """Cut in the middle, two activations of a Fire module had one name."""
    names = ["features.3.expand1x1_activation", "features.3.expand3x3_activation", "conv"]
    lines = [layer_arithmetic._named(name) for name in names]
    assert ["".join(each) for each in lines] == names
    assert max(len(line) for each in lines for line in each) <= 24
