"""Report.save: every file, the manifest, and what happens when it fails."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import OutputError
from cnnviz.reports import document, report
from cnnviz.reports.destination import check_destination
from cnnviz.reports.own_files import is_own
from tests.helpers.report_model import small_model


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["saved", "saved_several"])
def manifest(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def data(manifest):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(manifest.data.read_text("utf-8"), parse_constant=refuse)


def test_the_manifest_lists_every_file_as_it_is(manifest, data):
    there = {
        path.relative_to(manifest.directory).as_posix()
        for path in manifest.directory.rglob("*")
        if path.is_file()
    }
    assert {entry["path"] for entry in data["files"]} == there - {"report.json"}
    for entry in data["files"]:
        content = (manifest.directory / entry["path"]).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest.to_json()["files"] == data["files"]


def test_every_document_consists_of_files_that_may_be_replaced(
    saved, saved_several, saved_hostile, saved_training
):
    for manifest in (saved, saved_several, saved_hostile, saved_training):
        folder = manifest.directory.resolve()
        written = [path for path in folder.rglob("*") if path.is_file()]
        assert len(written) > 3
        assert [path for path in written if not is_own(path, folder)] == []
        assert check_destination(folder, force=True) == folder


@pytest.mark.usefixtures("left_empty")
def test_the_manifest_names_the_forms(saved, brief, tmp_path):
    assert saved.to_json()["pdf"].endswith("report.pdf")
    assert saved.to_json()["single_file"].endswith("report-single-file.html")
    plain = brief.save(tmp_path / "out")
    assert plain.pdf is None
    assert plain.to_json()["single_file"] is None
    assert names(tmp_path / "out") == ["pictures", "report.html", "report.json"]


def test_the_numbers_say_what_the_report_says(single, saved):
    data = json.loads(saved.data.read_text("utf-8"))
    assert data["format"] == "cnnviz report"
    assert data["provenance"]["model"] == "small"
    assert data["provenance"]["weights_sha256"] == small_model().sha256
    assert data["images"][0]["guesses"][0] == {
        "category": single.answers[0].best.category,
        "probability": pytest.approx(single.answers[0].best.probability),
        "value": pytest.approx(single.answers[0].best.probability),
        "said": single.answers[0].best.said,
        "share": pytest.approx(single.answers[0].best.probability),
    }
    assert data["images"][0]["output"] == data["provenance"]["output"] != ""
    assert [part["key"] for part in data["sections"]] == [part.key for part in single.sections]
    assert data["versions"].keys() >= {"python", "torch", "cnnviz", "matplotlib"}
    assert data["seconds"]["total"] == pytest.approx(
        sum(spent for step, spent in data["seconds"].items() if step != "total"), abs=0.01
    )
    sections = {part["key"]: part for part in data["sections"]}
    assert sections["feature_maps"]["pictures"][0]["data"]["peak"]
    assert sections["cam"]["pictures"][0]["data"]["targets"] == [single.answers[0].target]


def test_refused_images_are_in_the_numbers(saved_several):
    data = json.loads(saved_several.data.read_text("utf-8"))
    assert [entry["name"] for entry in data["refused"]] == ["broken.jpg"]
    assert [entry["name"] for entry in data["images"]] == ["garden.png", "tower.png"]
    assert {part["image"] for part in data["sections"]} == {"garden.png", "tower.png", None}


def test_every_picture_has_the_size_that_is_written_and_its_origin(manifest, data):
    for part in data["sections"]:
        for entry in part["pictures"]:
            with Image.open(manifest.directory / entry["file"]) as image:
                assert image.size == (entry["width"], entry["height"])
                assert image.mode == "RGB"
                origin = json.loads(image.info["Description"])
            assert origin["model"] == "small"


def test_every_picture_is_drawn(saved):
    for part in json.loads(saved.data.read_text("utf-8"))["sections"]:
        for entry in part["pictures"]:
            with Image.open(saved.directory / entry["file"]) as image:
                assert len(np.unique(np.asarray(image))) > 3


def test_the_same_report_saved_twice_has_the_same_pictures(brief, tmp_path):
    first, second = brief.save(tmp_path / "first"), brief.save(tmp_path / "second")
    pictures = [entry for entry in first.files if entry.path.endswith(".png")]
    assert len(pictures) == 3
    assert pictures == [entry for entry in second.files if entry.path.endswith(".png")]


@pytest.mark.usefixtures("left_empty")
def test_an_existing_report_needs_force(brief, tmp_path):
    brief.save(tmp_path / "out")
    with pytest.raises(OutputError, match="already is a report"):
        brief.save(tmp_path / "out")
    brief.save(tmp_path / "out", single_file=True, force=True)
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "report-single-file.html").exists()


@pytest.mark.usefixtures("left_empty")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("step", ["draw_all", "render", "_write_json"])
def test_what_fails_half_way_leaves_nothing(brief, tmp_path, monkeypatch, error, step):
    calls = []

    def failing(*arguments, **options):
        calls.append(arguments)
        raise error

    monkeypatch.setattr(document, step, failing)
    with pytest.raises(error):
        brief.save(tmp_path / "out")
    assert calls
    assert names(tmp_path) == []


@pytest.mark.usefixtures("left_empty")
def test_a_large_single_file_says_so_and_points_to_the_folder(brief, tmp_path, monkeypatch):
    monkeypatch.setattr(document, "SINGLE_FILE_LIMIT", 10_000)
    manifest = brief.save(tmp_path / "out", single_file=True)
    assert manifest.single_file.exists()
    assert len(manifest.notes) == 1
    assert "more than 10.0 kB" in manifest.notes[0]
    assert "report.html" in manifest.notes[0]
    assert manifest.notes[0] in json.loads(manifest.data.read_text("utf-8"))["notes"]


def test_a_single_file_within_the_limit_needs_no_words(saved):
    assert saved.single_file.stat().st_size < document.SINGLE_FILE_LIMIT
    assert saved.notes == ()


@pytest.mark.usefixtures("left_empty")
def test_progress_covers_the_whole_job_and_never_runs_backwards(photos, tmp_path):
    told = []
    made = report(small_model(), photos[0], "photo,cam", progress=lambda *entry: told.append(entry))
    at_report = len(told)
    made.save(tmp_path / "out")
    done = [entry[0] for entry in told]
    totals = {entry[1] for entry in told[1:]}
    assert at_report < len(told)
    assert done == sorted(done)
    assert len(totals) == 1
    assert told[-1] == (*totals, *totals, "done")
    assert any("garden.png" in what for _, _, what in told)


def test_repr_is_one_honest_line(single, several):
    assert repr(single).startswith("<Report: small on 1 image (garden.png: ")
    assert "2 images" in repr(several)
    assert "\n" not in repr(several)


@pytest.mark.usefixtures("left_empty")
def test_a_folder_that_vanishes_while_pictures_are_drawn_is_a_sentence(
    brief, tmp_path, monkeypatch
):
    (tmp_path / "above").mkdir()
    drawn = document.draw_all

    def vanishing(*given, **how):
        found = drawn(*given, **how)
        shutil.rmtree(tmp_path / "above")
        return found

    monkeypatch.setattr(document, "draw_all", vanishing)
    with pytest.raises(OutputError, match=r"cannot be written to .*No such file"):
        brief.save(tmp_path / "above" / "out")
    assert names(tmp_path) == []
