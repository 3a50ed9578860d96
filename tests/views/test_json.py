"""Every number of a picture comes out as a value, in the form that the JSON Schema has."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator, validators
from torch import nn

from cnnviz import GradientMonitor, Model, capture, predictions
from cnnviz.errors import OutputError
from cnnviz.evaluation import error_analysis, evaluate
from cnnviz.heatmaps.checks.measure_groups import CheckSettings
from cnnviz.reports import Manifest, error_report, report
from cnnviz.reports.training import training_report
from cnnviz.results.json_values import INLINE, references
from cnnviz.results.result import Result
from cnnviz.results.table import TableResult
from cnnviz.testing import Trial, small_network
from cnnviz.testing.trial import images
from cnnviz.views import VIEWS
from cnnviz.views.feature_maps import FeatureMaps
from tests.helpers.brief_views import brief_result
from tests.helpers.colour_classes import Means, colour_folder, colour_model, write_colour
from tests.helpers.detectors import NAMES, UNIT, Pyramid
from tests.helpers.detectors import photos as scenes
from tests.helpers.drawn_numbers import Values, written
from tests.helpers.each_case import each_case
from tests.helpers.report_model import small_model, write_photo
from tests.helpers.undrawn import undrawn

CHECKS = CheckSettings(groups=("curves", "drop"), steps=2, baselines=("mean",))


def _evaluated() -> Result:
    photos = [(255 * one[0]).byte().permute(1, 2, 0).numpy() for one in (images(), 1 - images())]
    return evaluate(small_model(), photos, methods=["gradcam"], settings=CHECKS, random=2)


def _wrong() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return error_analysis(colour_model(), colour_folder(Path(folder) / "val"), explain=2)


def _wrong_of_many(many: int = 70) -> Result:
    """Return the wrong answers of a network with more classes than a matrix has room for."""

    class Next(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # An image of brightness n is answered n + 1.
            at = (x.mean((1, 2, 3)) * 255.0).round().long() + 1
            return 9.0 * nn.functional.one_hot(at % many, many).float()

    model = colour_model(Next(), categories=[f"class {n}" for n in range(many)])
    with tempfile.TemporaryDirectory() as folder:
        for n in range(many):
            write_colour(Path(folder) / f"class {n}" / "a.png", (n, n, n))
        return error_analysis(model, folder, explain=0)


def _wrong_labels() -> Result:
    model = colour_model(Means(8.0), output="labels")
    with tempfile.TemporaryDirectory() as folder:
        return error_analysis(model, colour_folder(Path(folder) / "val"), explain=1)


def _boxes(threshold: float, k: int) -> Result:
    model = Model(Pyramid(threshold), preprocessing=UNIT, categories=NAMES)
    return predictions(capture(model, scenes(3), layers=(), gradients=False), k)


def _trained(steps: int = 3) -> Result:
    network = small_network().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with GradientMonitor(network, optimizer, every=1, on_event=lambda event: None) as monitor:
        for _ in range(steps):
            loss = nn.functional.cross_entropy(
                network(images().repeat(2, 1, 1, 1)), torch.zeros(2).long()
            )
            optimizer.zero_grad()
            loss.backward()
            monitor.log(loss=loss)
            optimizer.step()
    return monitor.run()


KINDS: dict[str, Callable[[], Result]] = {
    **{view.name: lambda name=view.name: brief_result(name) for view in VIEWS},
    "evaluate": _evaluated,
    "errors": _wrong,
    "errors of many classes": _wrong_of_many,
    "errors of labels": _wrong_labels,
    "boxes": lambda: _boxes(0.55, 4),
    "fewer boxes": lambda: _boxes(0.645, 4),
    "no boxes": lambda: _boxes(1.0, 4),
    "training": _trained,
}


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Return the results that were made already, by name."""
    return {}


@pytest.fixture(scope="module")
def saved_before() -> dict[int, Path]:
    """Return the files that were written already."""
    return {}


@pytest.fixture(params=KINDS)
def result(request: pytest.FixtureRequest, results: dict[str, Result]) -> Result:
    if request.param not in results:
        results[request.param] = KINDS[request.param]()
    return results[request.param]


@pytest.fixture
def file(
    result: Result, saved_before: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the JSON of a result, which is written once, with its arrays beside it."""
    if id(result) not in saved_before:
        saved_before[id(result)] = result.save(tmp_path_factory.mktemp("result") / "a.json")
    return saved_before[id(result)]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    path = Path(__file__).resolve().parents[2] / "docs" / "json_schema.py"
    spec = importlib.util.spec_from_file_location("json_schema", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name], sys.modules["type_schemas"]
    sys.path.remove(str(path.parent))


_BY_KIND = ({"$ref": "#/$defs/numbers"}, {"$ref": "#/$defs/booleans"})
"""What lists of numbers hold: whether one of them may stand there, its kind alone tells."""


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Look at one value of each kind in a list of numbers, and at all that any other list holds."""
    if not isinstance(instance, list):
        return
    first = len(schema.get("prefixItems", ()))
    places: Any = range(first, len(instance))
    if items in _BY_KIND:
        one_of_each = {type(instance[place]): place for place in places}
        deeper = [place for place in places if isinstance(instance[place], (list, dict))]
        places = sorted({*one_of_each.values(), *deeper})
    for place in places:
        yield from validator.descend(instance[place], items, path=place)


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads((resources.files("cnnviz.results") / "schema.json").read_text("utf-8"))
    assert schema["$defs"]["number"]["type"] == ["number", "null"]
    for name, kind in (("numbers", {"$ref": "#/$defs/number"}), ("booleans", {"type": "boolean"})):
        others = {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}
        assert schema["$defs"][name]["anyOf"] == [kind, others, {"$ref": "#/$defs/reference"}]
    # Named in the schema, the draft would bring back the class that looks at every number.
    assert schema.pop("$schema") == Draft202012Validator.META_SCHEMA["$id"]
    return validators.extend(Draft202012Validator, {"items": _items})(schema)


def read(path: Path) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def faults(validator: Draft202012Validator, data: Any, of: str = "result") -> list[str]:
    """Return what a document breaks of the schema, in words that say where."""
    one = validator.evolve(schema={**validator.schema, "oneOf": [{"$ref": f"#/$defs/{of}"}]})
    return [f"{error.json_path}: {error.message[:200]}" for error in one.iter_errors(data)]


def test_schema_and_page_are_those_of_the_code(script: ModuleType) -> None:
    schema = script.schema()
    Draft202012Validator.check_schema(schema)
    made = script.TARGET.read_text("utf-8"), script.PAGE.read_text("utf-8")
    assert made == (script.pretty(schema), script.page()), "Run: python docs/json_schema.py"
    assert script.kinds().keys() >= {
        "Evaluation",
        "ErrorAnalysis",
        "PredictedBoxes",
        "TrainingRun",
    }


def test_every_key_of_a_result_is_described(script: ModuleType) -> None:
    bare = [
        f"{name}: {key}"
        for name, kind in script.kinds().items()
        for key, _, said in script.members(kind)
        if key != "provenance" and not said
    ]
    assert bare == []


def test_every_result_keeps_to_the_schema(
    result: Result, validator: Draft202012Validator, script: ModuleType, file: Path
) -> None:
    saved = read(file)
    assert faults(validator, saved) == []
    plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
    # What refers to no file is the same in both, and is looked through once.
    assert plain == saved or (list(references(saved)) and faults(validator, plain) == [])
    listed = {name for name, _, _ in script.members(type(result))}
    held = saved.keys() - {"schema", "view", "summary", "caption", "infinite", "npz", "table"}
    assert held == listed, "the page lists what there is"
    told = {name: said for name, _, said in script.members(type(result)) if name != "provenance"}
    assert [name for name, said in told.items() if not said] == [], "and says what it is"
    assert ("table" in saved) == isinstance(result, TableResult)


def large_arrays_are_where_the_references_say(result: Result, file: Path, saved: Any) -> None:
    folder = file.parent
    found = list(references(saved))
    expected = {"a.json", "a.npz"} if found else {"a.json"}
    assert {path.name for path in folder.iterdir()} == expected
    if found:
        first = (folder / "a.npz").read_bytes()
        with np.load(folder / "a.npz") as arrays:
            assert set(result.arrays()) <= set(arrays), "all arrays are in it, as in save('a.npz')"
            for one in found:
                array = arrays[one["array"]]
                assert one["file"] == "a.npz"
                assert (list(array.shape), str(array.dtype)) == (one["shape"], one["dtype"])
                assert array.size > INLINE
        result.save(folder / "a.npz")
        assert (folder / "a.npz").read_bytes() == first, "so that it does not matter which is last"


def every_array_comes_out_to_the_last_bit(result: Result, file: Path, saved: Any) -> None:
    for name, array in result.arrays().items():
        held = saved.get(name)
        if isinstance(held, list):
            back = np.array(held, np.float64 if array.dtype.kind == "f" else None)
            infinite = [p for p in saved.get("infinite", {}) if p.startswith(f"/{name}/")]
            for pointer in infinite:
                place = tuple(map(int, pointer.split("/")[2:]))
                back[place] = float(saved["infinite"][pointer])
            np.testing.assert_array_equal(back.reshape(array.shape).astype(array.dtype), array)


def every_number_of_a_table_is_a_value(result: Result, file: Path, saved: Any) -> None:
    if isinstance(result, TableResult):
        held = saved["table"]
        table = result.table()
        assert [column["name"] for column in held["columns"]] == [c.name for c in table.columns]
        lost = [isinstance(x, float) and not math.isfinite(x) for row in table.rows for x in row]
        flat = [value for row in table.rows for value in row]
        kept = [None if gone else value for gone, value in zip(lost, flat, strict=True)]
        assert [value for row in held["rows"] for value in row] == kept


@each_case(
    "check",
    [
        large_arrays_are_where_the_references_say,
        every_array_comes_out_to_the_last_bit,
        every_number_of_a_table_is_a_value,
    ],
    ids=lambda check: check.__name__,
)
def test_all_numbers_of_a_result_come_out(result: Result, file: Path, check) -> None:
    check(result, file, read(file))


# Those of the pictures of views are looked for where these are drawn: with the laws.
@pytest.mark.parametrize("result", list(KINDS)[len(VIEWS) :], indirect=True)
def test_every_number_of_a_picture_is_a_value(result: Result, file: Path) -> None:
    values = Values(file)
    lost = {text: found for text in written(result.figure()) if (found := values.unknown(text))}
    assert lost == {}


def test_a_number_that_is_not_among_the_values_is_found(tmp_path: Path) -> None:
    data = {"summary": "14%", "share": 0.125, "name": "conv2", "n": [1e6]}
    (tmp_path / "a.json").write_text(json.dumps(data))
    values = Values(tmp_path / "a.json")
    assert values.unknown("conv2: 12% or 0.125, 1.0 MB, 1,000,000 and 1e+06") == []
    assert values.unknown("1 million, 1.3 × 10⁻¹") == []
    lost = values.unknown("14%, 0.126 and 3 of 1e+07, 7 million, 1.7 × 10⁻²")
    assert [one.strip() for one in lost] == [
        *("14%", "0.126", "3", "1e+07", "7 million", "1.7e-2"),
    ]


WRONG = {
    "a key too few": lambda data: data.pop("classes"),
    "a key that nobody knows": lambda data: data.update(others=[]),
    "no schema": lambda data: data.pop("schema"),
    "another version": lambda data: data.update(schema="cnnviz/result/2"),
    "a name for a number": lambda data: data["entropy"].__setitem__(0, "nan"),
    "a text for an array": lambda data: data.update(logits="2 x 3"),
    "shape and range for an array": lambda data: data.update(
        logits={"shape": [1, 4], "dtype": "float64", "min": 0.0, "max": 1.0}
    ),
    "half a number": lambda data: data["classes"][0].__setitem__(0, 0.5),
    "a rule that there is not": lambda data: data.update(rule="argmax"),
    "an origin without weights": lambda data: data["provenance"].pop("weights_sha256"),
    "a table of lists": lambda data: data["table"]["rows"][0].append([1]),
}


@each_case("what", WRONG)
def test_the_schema_refuses(what: str, validator, results: dict[str, Result]) -> None:
    if "predictions" not in results:
        results["predictions"] = KINDS["predictions"]()
    found = results["predictions"].to_json()
    assert faults(validator, found) == []
    wrong = copy.deepcopy(found)
    WRONG[what](wrong)
    assert faults(validator, wrong)


def maps_of(size: int) -> FeatureMaps:
    """Return feature maps of which the network saw one image."""
    return Trial(next(view for view in VIEWS if view.name == "feature_maps")).run(
        small_network(), images(side=size)
    )


def test_json_and_arrays_are_written_both_or_neither(tmp_path: Path, monkeypatch) -> None:
    old, new = maps_of(40), maps_of(48)
    old.save(tmp_path / "a.json")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"a.json", "a.npz"}
    replace = Path.replace

    def fails(path: Path, target: Path) -> Path:
        if target.suffix == ".json":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputError, match="No space left"):
        new.save(tmp_path / "a.json")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("there", ["no archive", "another archive"])
def test_a_file_that_is_no_results_is_never_replaced(tmp_path: Path, there: str) -> None:
    npz = tmp_path / "a.npz"
    if there == "no archive":
        npz.write_bytes(b"precious")
    else:
        np.savez(npz, mine=np.arange(3))
    before = npz.read_bytes()
    with pytest.raises(OutputError, match=r"large arrays belong into .*a\.npz', where something"):
        maps_of(40).save(tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert npz.read_bytes() == before
    small = maps_of(8)
    assert not list(references(small.to_json())), "small arrays need no file"
    small.save(tmp_path / "a.json")
    assert npz.read_bytes() == before


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    """Return a report on a photo with the sections that are quick, on errors, and on a training."""
    folder = tmp_path_factory.mktemp("reports")
    parts = "photo,predictions,cam,feature_maps,filters,units,provenance"
    made = report(small_model(), write_photo(folder / "a.png", 1), parts)
    with undrawn():
        return {
            "photos": made.save(folder / "photos"),
            "errors": error_report(_wrong()).save(folder / "errors"),
            "training": training_report(_trained(4)).save(folder / "training"),
        }


@pytest.mark.parametrize("name", ["photos", "errors", "training"])
def test_a_report_keeps_to_the_schema_and_has_its_arrays(
    reports: dict[str, Manifest], validator: Draft202012Validator, name: str
) -> None:
    folder = reports[name].directory
    data = read(reports[name].data)
    assert faults(validator, data, "report") == []
    assert data["schema"] == "cnnviz/report/1"
    found = list(references(data))
    for one in found:
        with np.load(folder / one["file"]) as arrays:
            assert list(arrays[one["array"]].shape) == one["shape"]
    listed = {entry["path"] for entry in data["files"] if entry["path"].endswith(".npz")}
    assert listed == {one["file"] for one in found}
    assert bool(found) == (name == "photos")


@pytest.mark.parametrize("name", ["photos", "errors", "training"])
def test_every_number_of_the_tables_of_a_report_is_a_value(
    reports: dict[str, Manifest], tmp_path: Path, name: str
) -> None:
    data = read(reports[name].data)
    every = [table for part in data["sections"] for table in part["tables"]]
    # Times are written in units to suit, and stand in seconds under a key of their own.
    assert min(data["seconds"].values()) >= 0.0
    tables = [table for table in every if table["title"] != "Times"]
    # What stands in the texts of the tables themselves does not count.
    rows = [table.pop("rows") for table in tables]
    (tmp_path / "a.json").write_text(json.dumps(data))
    arrays = {}
    for path in reports[name].directory.glob("arrays/*.npz"):
        with np.load(path) as found:
            arrays |= {f"{path.name} {key}": found[key] for key in found}
    np.savez(tmp_path / "a.npz", **arrays)
    values = Values(tmp_path / "a.json")
    cells = [
        (table["title"], cell)
        for table, lines in zip(tables, rows, strict=True)
        for row in lines
        for column, cell in zip(table["columns"], row, strict=False)
        if column["numeric"]
    ]
    assert len(cells) > 20
    assert [cell for cell in cells if values.unknown(cell[1])] == []


def test_a_report_whose_arrays_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch
) -> None:
    made = report(small_model(), write_photo(tmp_path / "a.png", 1), "feature_maps")

    def fails(path: Path, arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cnnviz.reports.pictures.write_npz", fails)
    with pytest.raises(OutputError, match="No space left"), undrawn():
        made.save(tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_page_says_how_large_is_large() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text("utf-8")
    assert re.findall(r"at most (\d+) values", page) == [str(INLINE)]
