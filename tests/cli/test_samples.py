import dataclasses
import json

import cv2
import numpy as np
import pytest

from cnnviz.datasets import open_dataset
from cnnviz.datasets.shapes import Factors, Shapes
from cnnviz_cli.samples import _new_folder


def _read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_samples_are_those_of_the_data_set_with_masks_and_factors(run, tmp_path):
    said = run("shapes", "--out", "drawn", "--count", "3", "--start", "4", "--split", "held-out")
    assert said.code == 0
    assert said.last_line == "drawn"
    entries = json.loads((tmp_path / "drawn" / "samples.json").read_text())
    shapes = Shapes(split="held-out")
    assert [entry["index"] for entry in entries] == [4, 5, 6]
    for entry in entries:
        sample = shapes[entry["index"]]
        mask = cv2.imread(str(tmp_path / "drawn" / entry["mask"]), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(_read(tmp_path / "drawn" / entry["image"]), sample.image)
        np.testing.assert_array_equal(mask, sample.mask * np.uint8(255))
        assert entry["class"] == sample.name
        assert Factors(**entry["factors"]) == sample.factors


def test_what_was_drawn_is_a_labelled_data_set_with_masks(run, tmp_path):
    said = run("shapes", "--out", "drawn", "--count", "6", "--json", "--size", "32")
    entries = {entry["image"]: entry for entry in json.loads(said.out)}
    found = open_dataset(tmp_path / "drawn")
    assert found.notes == ()
    assert [found.name(place) for place in range(len(found))] == sorted(entries)
    for place in range(len(found)):
        assert found.classes[found.label(place)] == entries[found.name(place)]["class"]
        assert found.mask(place).sum() > 0


def test_a_factor_is_fixed_by_a_value_and_narrowed_by_a_range(run):
    said = run(
        "shapes", "--count", "8", "--rotation", "30", "--clutter", "2:4", "--texture", "dots,plain",
        "--json",
    )  # fmt: skip
    factors = [entry["factors"] for entry in json.loads(said.out)]
    assert {entry["rotation"] for entry in factors} == {30.0}
    assert {entry["clutter"] for entry in factors} <= {2, 3, 4}
    assert {entry["texture"] for entry in factors} == {"dots", "plain"}
    assert len({entry["scale"] for entry in factors}) == 8


def test_a_sweep_changes_one_factor_only(run):
    said = run("shapes", "--count", "5", "--sweep", "light-angle=0:180", "--start", "3", "--json")
    entries = json.loads(said.out)
    assert [entry["factors"]["light_angle"] for entry in entries] == [0, 45, 90, 135, 180]
    rest = [{**entry["factors"], "light_angle": 0} for entry in entries]
    assert rest == [rest[0]] * 5
    assert {entry["class"] for entry in entries} == {Shapes()[3].name}


def test_what_was_drawn_names_the_class_and_the_sweep(run):
    swept = run("shapes", "--count", "2", "--sweep", "occlusion=0:0.8", "--start", "3")
    assert "2 samples of Shapes(" in swept.err
    assert swept.err.strip().endswith("), number 3 with occlusion=0:0.8")
    assert run("shapes", "--count", "1", "--class", "star", "--out", "one").err.startswith(
        "1 sample of Shapes("
    )


def test_a_sweep_of_a_whole_number_stays_whole(run):
    said = run("shapes", "--count", "3", "--sweep", "clutter=0:5", "--json")
    assert [entry["factors"]["clutter"] for entry in json.loads(said.out)] == [0, 2, 5]


@pytest.mark.parametrize("name", ["heart", "8"])
def test_one_class_can_be_drawn(run, name):
    said = run("shapes", "--count", "3", "--class", name, "--json")
    assert {entry["class"] for entry in json.loads(said.out)} == {"heart"}


def test_every_factor_has_an_option_with_its_limits(run):
    page = run("shapes", "--help").out
    for field in dataclasses.fields(Factors):
        assert f"--{field.name.replace('_', '-')} " in page
    assert "(0 to 0.95)" in page


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (["--rotation", "steep"], "--rotation cannot be 'steep'", "Give a number, or a range"),
        (["--occlusion", "2"], "'occlusion' cannot be 2", "from 0 to 0.95"),
        (["--sweep", "rotaton=0:9"], "'rotaton' is not a factor", "Did you mean 'rotation'?"),
        (["--sweep", "rotation"], "--sweep cannot be 'rotation'", "occlusion=0:0.8"),
        (["--class", "hart"], "'hart' is not a class", "Did you mean 'heart'"),
        (["--out", "no/where"], "There is no folder", "Make the folder first"),
    ],
)
def test_a_wrong_argument_is_two_lines_and_leaves_nothing(run, tmp_path, arguments, what, remedy):
    said = run("shapes", *arguments)
    assert said.code == 2
    assert what in said.error_lines[0]
    assert remedy in said.error_lines[1]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_touched(run, tmp_path):
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "mine.txt").write_text("mine")
    said = run("shapes")
    assert said.code == 2
    assert "'shapes' is already there" in said.err
    assert [path.name for path in (tmp_path / "shapes").iterdir()] == ["mine.txt"]


def test_an_early_end_leaves_nothing_behind(tmp_path):
    def stop_half_way():
        with _new_folder(tmp_path / "drawn") as folder:
            (folder / "half.png").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []


def test_quiet_says_the_folder_alone(run):
    said = run("shapes", "--out", "drawn", "--count", "1", "--quiet")
    assert (said.code, said.out, said.err) == (0, "drawn\n", "")
