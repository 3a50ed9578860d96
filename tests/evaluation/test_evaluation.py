"""Methods over many images: the table, its intervals, and a run that is taken up again."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import ImageError, OutputError, UsageError
from cnnviz.evaluation import Evaluation, EvaluationImage, evaluate, items
from cnnviz.evaluation import run as running
from cnnviz.evaluation.forecast import Forecast
from cnnviz.evaluation.image_question import ImageQuestion
from cnnviz.evaluation.records import MapMeasurements, MeasureColumn, Measurement, MeasurementStore
from cnnviz.evaluation.resampling import intervals
from cnnviz.heatmaps.checks.measure_groups import CheckSettings
from cnnviz.heatmaps.checks.random_maps import p_value
from cnnviz.images import Preprocessing, read_photo
from cnnviz.models import Model
from cnnviz.results.intervals import wilson
from cnnviz.views.faithfulness import faithfulness
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.pass_counter import counted, digest

QUICK = CheckSettings(steps=2, stages=1, baselines=("mean",))
METHODS = ("gradcam", "saliency")


@cache
def tiny() -> nn.Module:
    """Return the same network each time: what is found out of it by tracing serves again."""
    return tiny_network()


def small() -> Model:
    preprocessing = Preprocessing(16, (16, 16), (0.5,) * 3, (0.25,) * 3)
    return Model(tiny(), preprocessing=preprocessing, categories=list("abcd"))


@pytest.fixture
def model() -> Model:
    return small()


def photos_in(folder: Path) -> Path:
    """Write three photos, two of them marked, and a file that is no photo."""
    (folder / "inner").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("one.png", "two.JPG", "inner/three.png"):
        pixels = rng.integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    mask = np.zeros((20, 24), np.uint8)
    mask[5:15, 6:18] = 255
    for name in ("one-mask.png", "inner/three-mask.png"):
        Image.fromarray(mask).save(folder / name)
    (folder / "broken.png").write_bytes(b"no photo")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photos_in(tmp_path / "data")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return such a folder, which tests leave as it is."""
    return photos_in(tmp_path_factory.mktemp("kept") / "data")


@pytest.fixture(scope="module")
def same() -> Model:
    return small()


@pytest.fixture(scope="module")
def found(same: Model, kept: Path) -> Evaluation:
    return evaluated(same, kept)


def evaluated(model: Model, data, **keywords) -> Evaluation:
    given = {"methods": METHODS, "settings": QUICK, "random": 2, **keywords}
    return evaluate(model, data, **given)


def test_the_table_holds_what_faithfulness_measures(same, kept, found):
    assert found.images == ("three.png", "one.png", "two.JPG")
    assert found.titles == ("Grad-CAM", "Saliency")
    keys = [column.key for column in found.columns]
    item = items(kept)[0][1]
    for row, method in enumerate(METHODS):
        alone = faithfulness(
            same,
            [item.photo],
            method,
            masks=[item.mask],
            steps=2,
            stages=1,
            baselines=["mean"],
            random=2,
            seed=int(item.key[:8], 16),
        )
        for one in alone.measures:
            if one.key == "max_box_found":  # the best threshold is that of all images
                continue
            column = keys.index(one.key)
            assert found.values[row, column, 1] == pytest.approx(one.mean, nan_ok=True)
            assert found.random[row, column, 1] == pytest.approx(one.random_mean, nan_ok=True)
            assert found.beaten[row, column, 1] == pytest.approx(one.beaten, nan_ok=True)


def test_what_methods_have_in_common_is_computed_once_for_each_image(model, folder):
    methods = ("gradcam", "layercam", "saliency", "input_x_gradient", "guided_backprop")
    settings = dataclasses.replace(QUICK, groups=("curves", "drop", "randomisation"))
    item = items(folder)[0][0]
    apart = [evaluated(model, [item], methods=(one,), settings=settings) for one in methods]
    with counted(model.module) as passes:
        found = evaluated(model, [item], methods=methods, settings=settings)
    for row, alone in enumerate(apart):
        np.testing.assert_array_equal(found.values[row], alone.values[0])
        np.testing.assert_array_equal(found.random[row], alone.random[0])
    # The photo and one network with redrawn weights: once for the layers, once for the gradient at
    # the input, once by the guided rule; and the photo once beside what was changed of it.
    photo = model.prepare([item.photo]).tensor
    own = [key for key in passes.computed() if key[0] == digest(photo[0])]
    assert sorted(passes.computed()[key] for key in own) == [3, 4]
    assert len(passes.backward) == 6


def test_an_image_without_a_mask_has_no_localisation(found):
    inside = found.cell("saliency", "energy_inside")
    assert inside.images == 2
    assert found.cell("saliency", "gain").images == 3
    place = [column.key for column in found.columns].index("energy_inside")
    assert np.isnan(found.values[1, place]).tolist() == [False, False, True]
    assert inside.mean == pytest.approx(np.nanmean(found.values[1, place]))
    assert any("broken.png" in note for note in found.provenance.notes)


def test_a_cell_is_a_mean_with_its_interval_and_its_chance(found):
    cell = found.cell("gradcam", "gain")
    assert cell.low <= cell.mean <= cell.high
    place = [column.key for column in found.columns].index("gain")
    assert cell.chance == pytest.approx(p_value(found.beaten[0, place], 2))
    assert math.isnan(found.cell("gradcam", "brightness").chance)
    with pytest.raises(UsageError, match="no measure 'gian' in this table"):
        found.cell("gradcam", "gian")
    with pytest.raises(UsageError, match="no method 'layercam' in this table"):
        found.cell("layercam", "gain")


def test_a_run_that_was_ended_goes_on_and_gives_the_same_table(
    model, kept, found, tmp_path, monkeypatch
):
    whole = found
    calls: list[str] = []
    measure = ImageQuestion.measure

    def counted(question, method, *given):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(method)
        return measure(question, method, *given)

    monkeypatch.setattr(ImageQuestion, "measure", counted)
    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        evaluated(model, kept, state=state)
    assert len(list(state.glob("*/*-*.json"))) == 3
    calls[:] = ["-"] * 4  # past the interruption
    found = evaluated(model, kept, state=state)
    assert len(calls) == 4 + 3, "three of six were kept"
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.low, whole.low)
    evaluated(model, kept, state=state)
    assert len(calls) == 4 + 3, "nothing was left to do"


@pytest.mark.parametrize("what", ["weights", "settings", "random"])
def test_whatever_changes_a_number_has_records_of_its_own(model, folder, tmp_path, what):
    state = tmp_path / "state"
    (folder / "broken.png").unlink()
    evaluated(model, folder, state=state, methods=["gradcam"], count=1)
    keywords = {"settings": CheckSettings(steps=3, stages=1)} if what == "settings" else {}
    if what == "random":
        keywords = {"random": 3}
    if what == "weights":
        model = Model(tiny_network(seed=1), preprocessing=model.preprocessing)
    evaluated(model, folder, state=state, methods=["gradcam"], count=1, **keywords)
    assert len(list(state.iterdir())) == 2


def test_a_damaged_record_is_measured_again(tmp_path):
    store = MeasurementStore(tmp_path / "state", {"a": 1})
    record = MapMeasurements(
        "T", (MeasureColumn("k", "K", "high"),), (Measurement(1.0, float("nan"), 0.5),)
    )
    store.put("m", "i" * 64, record)
    again = MeasurementStore(tmp_path / "state", {"a": 1}).get("m", "i" * 64)
    assert again is not None
    assert again.columns == record.columns
    assert math.isnan(again.entries[0].random)
    (file,) = (tmp_path / "state").glob("*/m-*.json")
    file.write_text(file.read_text("utf-8")[:30], "utf-8")
    assert MeasurementStore(tmp_path / "state", {"a": 1}).get("m", "i" * 64) is None
    assert MeasurementStore(tmp_path / "state", {"a": 2}).get("m", "i" * 64) is None


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    store = MeasurementStore(tmp_path / "file" / "state", {})
    with pytest.raises(OutputError, match="cannot be made"):
        store.put("m", "i", MapMeasurements("T", (), ()))


def test_no_photo_is_decoded_before_it_is_measured(folder, monkeypatch):
    found, _ = items(folder)
    decoded: list[str] = []

    def counted(source, name=None):
        decoded.append(Path(source).name)
        return read_photo(source, name)

    monkeypatch.setattr("cnnviz.datasets.files.read_photo", counted)
    monkeypatch.setattr("cnnviz.datasets.mask_files.read_photo", counted)
    assert [item.name for item in found] == ["three.png", "one.png", "two.JPG"]
    assert len({item.key for item in found}) == 3
    assert decoded == ["three-mask.png", "one-mask.png"], "a mask is part of the key"
    photo = found[1].photo
    assert decoded[2:] == ["one.png"]
    assert found[1].sha256 == photo.sha256


def test_a_photo_that_is_found_damaged_when_it_is_measured_is_left_out(model, folder):
    whole = (folder / "one.png").read_bytes()
    (folder / "one.png").write_bytes(whole[: len(whole) // 2])
    found = evaluated(model, folder)
    assert found.images == ("three.png", "two.JPG")
    assert found.values.shape[-1] == 2
    told = [note for note in found.provenance.notes if note.startswith("one.png: ")]
    assert len(told) == 1
    for name in ("two.JPG", "inner/three.png"):
        (folder / name).unlink()
    with pytest.raises(ImageError, match=r"no image to evaluate on \(one"):
        evaluated(model, folder)


def test_the_time_is_told_after_the_first_image(model, folder, monkeypatch):
    # As if the second image took as long as the first, whatever else the machine does.
    ticks = iter(range(1000))
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr(running, "time", clock)
    told: list[str] = []
    seen: list[tuple[int, int]] = []
    evaluated(
        model,
        folder,
        announce=told.append,
        progress=lambda done, total, what: seen.append((done, total)),
    )
    assert len(told) == 1
    assert told[0].startswith("4 more maps take about ")
    assert seen == [(k, 6) for k in range(7)]


def test_a_forecast_is_told_again_where_the_second_image_shows_it_to_be_wrong():
    told: list[str] = []
    forecast = Forecast(told.append)
    forecast.latest = {"gradcam": 10.0, "saliency": 20.0}
    forecast.tell(["gradcam", "saliency"] * 4, "; 2 were measured before")
    forecast.tell(["gradcam", "saliency"] * 3)
    assert told == ["8 more maps take about 2 min; 2 were measured before."]
    forecast.latest = {"gradcam": 2.0, "saliency": 3.0}
    forecast.tell(["gradcam", "saliency"])
    assert told[1:] == [
        "2 more maps take about 5 s: the first image took another time than the second."
    ]
    forecast.tell([])
    assert len(told) == 2


def test_the_shipped_data_come_with_their_masks():
    found, refused = items("shapes", 3)
    sample = Shapes(split="held-out")[2]
    assert refused == []
    assert len(found) == 3
    np.testing.assert_array_equal(found[2].mask, sample.mask)
    np.testing.assert_array_equal(found[2].photo.pixels, sample.image)
    assert len(items(Shapes(seed=3), 2)[0]) == 2


def test_a_count_spreads_over_the_folder(folder):
    (folder / "broken.png").unlink()
    names = [item.photo.name for item in items(folder, 2)[0]]
    assert names == ["three.png", "two.JPG"]


def test_images_and_items_can_be_given(folder):
    photo = read_photo(folder / "one.png")
    found, _ = items([photo, EvaluationImage(photo, np.ones((20, 24), bool)), folder / "two.JPG"])
    assert [item.mask is None for item in found] == [True, False, True]
    assert len({item.key for item in found}) == 3


@each_case(
    ("data", "count", "error", "message"),
    [
        ("nowhere", None, UsageError, "no folder 'nowhere'"),
        ("shapes", 0, UsageError, "count cannot be 0"),
        ([], None, ImageError, "no image to evaluate on"),
    ],
)
def test_data_that_is_not_there(data, count, error, message):
    with pytest.raises(error, match=message):
        items(data, count)


def test_files_that_are_no_images_are_told(folder):
    (folder / "notes.txt").write_text("no image")
    assert "1 file beside the images left out: 1 .txt" in items(folder)[1]


def test_a_mask_of_another_size_leaves_the_image_out(folder):
    Image.new("L", (3, 3)).save(folder / "one-mask.png")
    found, refused = items(folder)
    assert len(found) == 2
    assert any("one-mask.png is not as large as one.png" in reason for reason in refused)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"methods": ["grad-cam"]}, "no method 'grad-cam' of making heatmaps"),
        ({"methods": []}, "No method was named"),
        ({"random": 0}, "random cannot be 0"),
    ],
)
def test_wrong_arguments(model, folder, keywords, message):
    with pytest.raises(UsageError, match=message):
        evaluated(model, folder, **keywords)


ONLY_MARKED = CheckSettings(groups=("localisation",))


def test_localisation_without_any_mask_is_refused_before_work_begins(model, folder, monkeypatch):
    for mask in folder.rglob("*-mask.png"):
        mask.unlink()
    monkeypatch.setattr(ImageQuestion, "measure", None)
    with pytest.raises(UsageError, match="localisation cannot be measured: no object") as error:
        evaluated(model, folder, settings=ONLY_MARKED)
    assert "NAME-mask.png" in str(error.value)


def test_localisation_is_measured_where_there_is_a_mask(model, folder):
    found = evaluated(model, folder, settings=ONLY_MARKED)
    assert found.titles == ("Grad-CAM", "Saliency")
    assert found.cell("gradcam", "pointing").images == 2
    assert np.isnan(found.values[:, :, 2]).all()
    assert [axes.get_visible() for axes in found.figure().axes] == [True] * 4


def test_localisation_whose_only_masked_photo_is_damaged_is_a_sentence(model, folder):
    (folder / "inner" / "three-mask.png").unlink()
    whole = (folder / "one.png").read_bytes()
    (folder / "one.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="no object is marked"):
        evaluated(model, folder, settings=ONLY_MARKED)


def test_the_interval_is_that_of_resampled_means():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, (1, 1, 400))
    low, high = intervals(values, seed=1)
    error = values.std() / 20.0
    assert low[0, 0] == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert high[0, 0] == pytest.approx(values.mean() + 1.96 * error, abs=0.02)


def test_the_interval_passes_over_what_is_missing():
    values = np.array([[1.0, np.nan, 3.0, np.nan], [np.nan] * 4, [np.nan, 2.0, np.nan, np.nan]])
    low, high = intervals(values, seed=0)
    # Student's t of two values: 12.7 standard errors, each of one half of their distance.
    assert low[0] == pytest.approx(2.0 - 12.7062)
    assert high[0] == pytest.approx(2.0 + 12.7062)
    assert np.isnan([low[1:], high[1:]]).all(), "of none and of one there is no interval"


@pytest.mark.parametrize("count", [3, 9, 30])
def test_intervals_of_few_images_hold_the_mean_as_often_as_they_say(count):
    """A bootstrap of three values holds it in three quarters of all cases."""
    values = np.random.default_rng(5).normal(1.0, 2.0, (2000, count))
    low, high = intervals(values, seed=0)
    assert ((low <= 1.0) & (high >= 1.0)).mean() == pytest.approx(0.95, abs=0.025)


def test_the_interval_of_a_share_is_that_of_wilson():
    shares = np.array([[1.0] * 12, [1.0, 0.0, 1.0] * 4])
    low, high = intervals(shares[:, None], 0, [(0.0, 1.0)])
    assert (low[0, 0], high[0, 0]) == wilson(12, 12)
    assert (low[1, 0], high[1, 0]) == wilson(8, 12)
    low, high = intervals(shares, seed=0)
    assert np.isnan([low[0], high[0]]).all(), "ones of a measure that may be greater"
    assert (low[1], high[1]) == wilson(8, 12)


def test_many_equal_values_are_no_certainty():
    """No resample of equal values has another: the interval had no width, however few they were."""
    low, high = intervals(np.full((1, 3, 60), 0.5), 0, [(0.0, 1.0), (0.0, np.inf), (-1.0, 1.0)])
    others = wilson(0, 60)[1]
    assert low[0] == pytest.approx([0.5 - 0.5 * others, np.nan, 0.5 - 1.5 * others], nan_ok=True)
    assert high[0] == pytest.approx([0.5 + 0.5 * others, np.nan, 0.5 + 0.5 * others], nan_ok=True)


def test_it_is_written_as_csv_json_and_picture(found, tmp_path):
    with found.save(tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(METHODS) * len(found.columns)
    row = next(r for r in rows if (r["method"], r["measure"]) == ("saliency", "gain"))
    assert float(row["mean"]) == found.cell("saliency", "gain").mean, "in full"
    held = json.loads(found.save(tmp_path / "t.json").read_text("utf-8"))
    assert len(held["cells"]) == len(rows)
    assert np.shape(held["values"]) == found.values.shape
    assert found.save(tmp_path / "t.png").stat().st_size > 0
    assert found.save(tmp_path / "t.npz").stat().st_size > 0


def test_one_measure_is_drawn_into_axes_and_several_are_refused(found):
    figure = Figure()
    with pytest.raises(UsageError, match="several panels"):
        found.figure(ax=figure.subplots())
    (place,) = [p for p, column in enumerate(found.columns) if column.key == "gain"]
    columns = slice(place, place + 1)
    names = ("values", "random", "beaten", "low", "high")
    parts = {name: getattr(found, name)[:, columns] for name in names}
    one = dataclasses.replace(found, columns=found.columns[columns], **parts)
    axes = Figure().subplots()
    one.figure(ax=axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(found.titles)
    assert axes.get_title(loc="left")


def test_the_picture_shows_each_mean_once(found):
    figure = found.figure()
    assert 1 <= len([axes for axes in figure.axes if axes.get_visible()]) <= 8
    gain = figure.axes[0]
    dots = [line.get_xdata()[0] for line in gain.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([found.cell(m, "gain").mean for m in METHODS])
    figure.draw_without_rendering()


def test_the_verdicts_name_each_method_that_fails(model, kept, found):
    told = " ".join(found.verdicts)
    for method, title in zip(METHODS, found.titles, strict=True):
        blind = found.cell(method, "gain").chance > 0.1
        start = re.split("Hardly changed|Not known", told)[0]
        assert (title in start) == blind
    some = evaluated(model, kept, settings=CheckSettings(groups=("drop",)))
    assert some.verdicts == ()


def test_a_method_that_was_measured_on_no_image_is_not_judged(found):
    """A map of a layer that images pass by under other weights was said hardly to change."""
    keys = [column.key for column in found.columns]
    values = found.values.copy()
    values[0, keys.index("similarity_kept")] = np.nan
    values[1, keys.index("gain"), 1:] = np.nan
    lacking = dataclasses.replace(found, values=values)
    first, other = found.titles[:2]
    *judged, untaken = lacking.verdicts
    assert untaken.endswith(f"no image, and so not judged by the check randomisation: {first}.")
    assert all(first not in said for said in judged if "weights" in said)
    title = found.columns[keys.index("gain")].title
    assert f"{title} {len(found.images)} ({other} 1)" in " ".join(lacking.counted())


@pytest.mark.parametrize(("count", "least"), [(10, 0.895), (20, 0.92), (39, 0.935)])
def test_the_interval_of_skewed_shares_holds_the_mean_about_as_often_as_it_says(count, least):
    """Resamples held it in 88 of 100 trials of ten, and in 89 of twenty."""
    values = np.random.default_rng(3).beta(0.3, 3.0, (600, 1, count))
    low, high = intervals(values, 0, [(0.0, 1.0)])
    assert ((low <= 0.3 / 3.3) & (high >= 0.3 / 3.3)).mean() > least


def test_where_most_values_are_zero_the_interval_holds_the_mean_nearly_as_often_as_it_says():
    """Resamples of eighty, of which one in fifty is above zero, held it in 69 of 100 trials."""
    rng = np.random.default_rng(2)
    values = np.where(rng.random((400, 1, 80)) < 0.02, rng.random((400, 1, 80)), 0.0)
    low, high = intervals(values, 0, [(0.0, 1.0)])
    assert ((low <= 0.01) & (high >= 0.01)).mean() > 0.9


def test_the_interval_of_few_images_holds_the_mean_about_as_often_as_it_says():
    """The middle 95% of resamples of ten images held it in 91 of 100 trials."""
    values = np.random.default_rng(0).random((400, 1, 10))
    low, high = intervals(values, seed=1)
    assert ((low <= 0.5) & (high >= 0.5)).mean() > 0.935
