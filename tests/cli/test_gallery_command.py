import json

import pytest

QUICK = ("gallery", "shapes-plain", "--data=shapes", "--count=12", "--layers=classifier")


def test_it_builds_a_site_and_ends_with_its_home_page(run, tmp_path):
    (planned,) = json.loads(run(*QUICK, "--dry-run", "--json").out)
    said = run(*QUICK, "--out", "site")
    assert said.code == 0, said.err
    assert said.last_line == "site/index.html"
    assert (tmp_path / "site/models/shapes-plain/classifier/9.html").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"site", "site-scan"}
    assert "10 units" in said.err
    taken = sum(path.stat().st_size for path in (tmp_path / "site-scan").rglob("*.npz"))
    assert planned["scan_bytes"] / 10 < taken < planned["scan_bytes"]
    again = run(*QUICK, "--out", "site", "--json", "--quiet")
    assert json.loads(again.out) == [{"units": 10, "written": 0}]


def test_the_network_may_be_an_option_or_an_argument(run):
    named = ("--data=shapes", "--count=12", "--layers=classifier", "--dry-run", "--json")
    for asked in (
        ["shapes-plain"],
        ["--model", "shapes-plain"],
        ["shapes-plain", "--model=shapes-plain"],
    ):
        (planned,) = json.loads(run("gallery", *asked, *named).out)
        assert (planned["model"], planned["units"]) == ("shapes-plain", 10)


def test_a_dry_run_says_what_it_takes_and_writes_nothing(run, tmp_path):
    said = run(*QUICK, "--dry-run", "--json")
    (found,) = json.loads(said.out)
    assert (found["images"], found["units"], found["layers"]) == (12, 10, 1)
    assert found["bytes"] == 10 * (45_000 + 1_050 + 300), (
        "pages and pictures, tiles, and rows of units.json"
    )
    assert "12 images, 10 units in 1 layer," in said.err
    assert list(tmp_path.iterdir()) == []


def test_images_that_cannot_be_read_are_listed(run, tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (60, 60), (200, 30, 30)).save(folder / "red.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    said = run("gallery", "shapes-plain", "--data", folder, "--layers=classifier", "-o", "site")
    assert said.code == 0, said.err
    assert "Left out: broken.jpg" in said.err
    network = (tmp_path / "site/models/shapes-plain/index.html").read_text("utf-8")
    assert "1 image could not be read" in network


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--data", "photos"], "no network"),
        (["shapes-plain", "--data", "nowhere"], "no folder 'nowhere'"),
        (["shapes-plain", "--layers", "nine"], "nine"),
        (["shapes-plain", "--out", "no/where"], "no folder"),
        (["nonesuch"], "nonesuch"),
        (["--model", "nonesuch"], "nonesuch"),
        (["shapes-plain", "--model", "resnet18"], "Two networks are named"),
        (["shapes-plain", "--budget", "5m"], "nothing to spend it on"),
    ],
)
def test_a_wrong_argument_is_two_lines_and_leaves_nothing(run, tmp_path, arguments, what):
    said = run("gallery", *arguments)
    assert said.code == 2
    assert len(said.error_lines) == 2
    assert what in said.err
    assert list(tmp_path.iterdir()) == []
