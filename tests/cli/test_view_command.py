import csv
import hashlib
import inspect
import json
import sys
import types
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from cnnviz.images import read_photo
from cnnviz.models import Model, load
from cnnviz.passes.captured import Capture
from cnnviz.results import drawing
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.table import TableResult
from cnnviz.views import VIEWS, View, find
from cnnviz_cli import network_options, photo_options, view_command
from cnnviz_cli.app import app
from cnnviz_cli.file_stem import file_stem
from cnnviz_cli.lazy import add_lazy_command
from tests.helpers.each_case import each_case


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Loudness(Result):
    values: np.ndarray
    said: tuple

    def draw(self, into=None):
        figure = drawing.canvas(2, 1, into)
        figure.add_subplot().plot(self.values)
        return figure

    def caption(self):
        return "How loud."

    def summary(self):
        return f"loudness of {len(self.values)}"

    def __str__(self):
        return f"{len(self.values)} places, one after the other"


def _provenance(model):
    return Provenance(model=model.name, weights=model.weights, weights_sha256=model.sha256)


def loudness(
    capture: Capture,
    layer: str | None = None,
    *,
    unit: Literal["dB", "sone"] = "dB",
    channels: Sequence[int] | None = None,
) -> Loudness:
    """Measure how loud the channels are.

    Parameters
    ----------
    capture : Capture
        A capture.
    unit : str
        In [dB] or in sone.
    """
    values = np.array([float(each.mean()) for each in capture.activations.values()])
    said = (layer, unit, channels, tuple(capture.activations), capture.targets)
    return Loudness(values=values, said=said, provenance=_provenance(capture.model))


def louder(
    model: Model, images: object, *, target: str | None = None, progress: object = None
) -> Loudness:
    """Measure how loud a network is on images."""
    progress(1, 3, "listening")
    said = (type(images).__name__, len(images), target)
    return Loudness(values=np.ones(2), said=said, provenance=_provenance(model))


def brightness(
    image: str | Image.Image, share: float = 0.5, *, model: Model | None = None
) -> Loudness:
    """Measure how bright a photo is."""
    photo = read_photo(image)
    origin = Provenance(model="", weights="", weights_sha256="")
    said = (photo.name, photo.width, photo.height, share, model and model.name)
    return Loudness(values=np.array([photo.pixels.mean()]), said=said, provenance=origin)


@pytest.fixture
def new_views(monkeypatch):
    """Three views that the command line has never heard of, as lines of the table and no more."""
    for function in (loudness, louder, brightness):
        module = types.ModuleType(f"cnnviz.views.{function.__name__}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    views = [
        View(
            "loudness",
            "capture",
            "How loud it is.",
            layers_from="layer",
            gradients=True,
            target=True,
        ),
        View("louder", "model", "How loud it is on a photo.", target=True, progress=True),
        View("brightness", "photo", "How bright a photo is.", network=True),
    ]
    before = list(app.registered_commands)
    for view in views:
        add_lazy_command(
            app,
            view.command,
            lambda view=view: view_command.build(view),
            summary=view.summary,
            panel="One view at a time",
        )
    yield
    app.registered_commands[:] = before


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


RANDOM = ("--model", "shapes", "--weights", "random")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_of_the_table_has_a_help_page_from_its_docstring(run, view):
    page = run(view.command, "--help")
    assert page.code == 0
    assert view.summary in page.out
    assert "--out" in page.out
    assert ("--target" in page.out) is view.target
    assert ("--data" in page.out) is (view.images != "none" and view.needs != "photo")
    networks = view.needs in ("model", "capture") or view.network
    assert ("--model" in page.out) is networks
    assert ("PHOTO" in page.out.partition("Options")[0]) is (view.images != "none")
    # Tables are named where the result is one.
    made = inspect.signature(view.function()).return_annotation
    home = sys.modules[view.function().__module__]
    tables = [issubclass(getattr(home, one), TableResult) for one in made.split(" | ")]
    assert (".csv or .tex" in " ".join(page.out.split())) is all(tables)
    if view.name in ("predictions", "cam"):
        assert (".csv" in page.out) is (view.name == "predictions")


def test_a_new_view_needs_nothing_but_its_line(run, new_views, photo, tmp_path):
    assert "How loud it is." in run("--help").out
    page = run("loudness", "--help").out
    assert "In [dB] or in sone." in page
    assert "dB|sone" in page
    said = run("loudness", photo, *RANDOM, "--unit", "sone", "--channels", "1,2")
    assert said.code == 0, said.err
    assert said.last_line == "my-photo-loudness.png"
    assert Image.open(tmp_path / said.last_line).format == "PNG"
    assert "loudness of" in said.err
    assert "places, one after the other" in said.out


def test_a_view_gets_what_the_options_say(run, new_views, photo):
    said = json.loads(run("loudness", photo, *RANDOM, "--json").out)["said"]
    assert said[:3] == [None, "dB", None]
    assert len(said[3]) > 1
    first = said[3][0]
    said = json.loads(
        run(
            "loudness", photo, *RANDOM, "--layer", f"{first}#0", "--unit", "sone", "--channels",
            "3,5", "--target", "heart", "--json",
        ).out
    )["said"]  # fmt: skip
    assert said == [f"{first}#0", "sone", [3, 5], [first], ["heart"]]


def test_a_pattern_or_stages_gives_a_view_of_several_layers_those_it_chose(run, photo):
    whole = json.loads(run("cam", photo, *RANDOM, "--layer", "stages", "--json").out)["layers"]
    assert len(whole) > 1
    kind = json.loads(run("cam", photo, *RANDOM, "--layer", "conv", "--json").out)["layers"]
    names = [row["name"] for row in json.loads(run("layers", "conv", "--json").out)]
    assert kind == names
    picked = json.loads(
        run("cam", photo, *RANDOM, "--layer", f"{names[2]},{names[0]}", "--json").out
    )
    assert picked["layers"] == [names[2], names[0]]


def test_a_view_of_a_model_that_takes_images_gets_photos_and_target(run, new_views, photo):
    said = run("louder", photo, photo, *RANDOM, "--target", "star", "--json")
    assert json.loads(said.out)["said"] == ["list", 2, "star"]
    assert json.loads(run("louder", *RANDOM, "--json").out)["said"] == ["list", 1, None]


def test_a_view_of_a_photo_gets_it_as_it_is_and_a_network_only_where_one_is_named(
    run, new_views, photo, tmp_path, monkeypatch
):
    said = run("brightness", photo, "--share", "0.25")
    assert said.code == 0, said.err
    assert said.last_line == "my-photo-brightness.png"
    found = json.loads(run("brightness", photo, "--json", *RANDOM).out)
    assert found["said"] == ["my photo.png", 100, 80, 0.5, load("shapes").name]
    monkeypatch.setattr(network_options, "load_model", None)
    sample = json.loads(run("brightness", "--json").out)["said"]
    assert sample == ["grace_hopper.jpg", 512, 600, 0.5, None]


def test_a_view_of_a_photo_takes_one_that_is_there_and_spares_it(run, new_views, photo):
    said = run("brightness", photo.with_name("my phot.png"))
    assert said.code == 2
    assert "Did you mean 'my photo.png'" in said.err
    before = photo.read_bytes()
    assert "would be overwritten" in run("brightness", photo, "--out", photo).err
    assert photo.read_bytes() == before
    page = run("brightness", "--help").out
    assert "--data" not in page
    assert "--image" not in page


def test_a_view_that_takes_time_is_given_the_bar(run, new_views, monkeypatch):
    seen = []

    @contextmanager
    def bar(quiet):
        yield lambda *step: seen.append((quiet, *step))

    monkeypatch.setattr(view_command, "progress_bar", bar)
    assert run("louder", *RANDOM, "--json", "--quiet").code == 0
    assert (True, 1, 3, "listening") in seen


def test_json_goes_to_stdout_alone_and_writes_no_file(run, photo, tmp_path):
    said = run("predictions", photo, *RANDOM, "--json")
    found = json.loads(said.out)
    assert found["images"] == ["my photo.png"]
    assert said.err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my photo.png"]


@pytest.mark.parametrize("out", ["maps.json", "maps.npz", "maps.png", None])
def test_json_says_where_the_large_arrays_are(run, photo, tmp_path, out):
    options = () if out is None else ("--out", out)
    said = run("feature-maps", photo, *RANDOM, "--json", *options)
    found = json.loads(said.out)
    assert found["maps"]["shape"] == [128, 12, 12]
    if out in ("maps.json", "maps.npz"):
        digest = hashlib.sha256((tmp_path / "maps.npz").read_bytes()).hexdigest()
        assert found["npz"] == {"file": "maps.npz", "sha256": digest}
        assert found["maps"]["file"] == found["photo"]["file"] == "maps.npz"
        assert said.err == ""
    else:
        assert "npz" not in found
        assert found["maps"]["file"] is None
        assert "shape and range of 2 large arrays; with --out NAME.json the values" in said.err
        assert not (tmp_path / "maps.npz").exists()
    if out == "maps.json":
        assert json.loads((tmp_path / out).read_text("utf-8")) == found


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "npz", "json"])
def test_the_suffix_decides_the_format(run, photo, tmp_path, suffix):
    said = run("predictions", photo, *RANDOM, "--out", f"answer.{suffix}")
    assert said.code == 0
    assert said.last_line == f"answer.{suffix}"
    heads = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "npz": b"PK", "json": b"{"}
    assert (tmp_path / f"answer.{suffix}").read_bytes().startswith(heads[suffix])


def test_a_table_is_written_as_csv_and_latex(run, photo, tmp_path):
    assert run("predictions", photo, *RANDOM, "--out", "a.csv").code == 0
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    assert sum(float(row["probability"]) for row in rows) <= 1.0
    assert run("predictions", photo, *RANDOM, "--out", "a.tex").code == 0
    assert r"\toprule" in (tmp_path / "a.tex").read_text("utf-8")


def test_a_picture_has_the_style_that_was_asked_for(run, photo, tmp_path):
    style = ("--figure-size", "5x3", "--dpi", "40", "--font", "serif")
    assert run("predictions", photo, *RANDOM, "--out", "a.png", *style).code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (200, 120)


def test_a_picture_is_as_wide_as_a_column(run, photo, tmp_path):
    style = ("--figure-width", "120mm", "--font-size", "8", "--no-title", "--dpi", "100")
    assert run("predictions", photo, *RANDOM, "--out", "a.png", *style).code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == pytest.approx(120 / 25.4 * 100, abs=1)


def test_a_picture_fills_a_slide(run, photo, tmp_path):
    found = run("softmax", photo, "--figure-size", "16:9", "--out", "slide.png")
    assert found.code == 0
    with Image.open(tmp_path / "slide.png") as picture:
        assert picture.size == (1920, 1080)
    refused = run("softmax", photo, "--figure-size", "16:0", "--out", "b.png")
    assert refused.code == 2
    assert "no shape of a figure" in refused.err


def test_a_picture_that_turns_out_too_narrow_is_kept_as_large_as_it_needs(run, photo, tmp_path):
    told = ("feature-maps", photo, *RANDOM, "--layer", "features.0")
    refused = run(*told, "--out", "a.png", "--figure-width", "51mm")
    assert refused.code == 2
    assert "does not fit into a width of 2.01 inches (51 mm)" in refused.error_lines[-2]
    assert "'a.png' has the picture as large as it needs" in refused.error_lines[-1]
    assert run(*told, "--out", "b.png").code == 0
    with Image.open(tmp_path / "a.png") as kept, Image.open(tmp_path / "b.png") as natural:
        assert kept.size == natural.size


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--figure-size", "5"), "no size of a figure"),
        (("--figure-size", "0x3"), "cannot have 0 x 3 inches"),
        (("--dpi", "-1"), "--dpi cannot be -1"),
        (("--font", "DejaVu Sanz"), "no font 'DejaVu Sanz'"),
        (("--figure-width", "85px"), "'85px' is no length"),
        (("--figure-width", "85mm", "--figure-size", "4x3"), "Both a size and a width"),
        (("--font-size", "2"), "--font-size cannot be 2"),
        (("--font-size", "36", "--figure-width", "7"), "points can be read at a width of 7 inches"),
        (("--font-size", "36", "--figure-size", "9x3"), "36 points can be read at 9 x 3 inches"),
        (("--out", "a.json", "--no-title"), "'a.json' is none"),
        (("--out", "a.csv"), "no table"),
        (("--out", "a.json", "--dpi", "50"), "'a.json' is none"),
        (("--json", "--dpi", "50"), "--json writes none"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(run, photo, monkeypatch, asked, said):
    monkeypatch.setattr(network_options, "load_model", lambda *_: pytest.fail("it was begun"))
    found = run("cam", photo, *asked)
    assert found.code == 2
    assert said in found.error_lines[0]
    assert len(found.error_lines) == 2


def test_predictions_are_printed_as_a_table(run, photo):
    said = run("predictions", photo, *RANDOM, "--k", 3)
    rows = [line for line in said.out.splitlines() if "%" in line]
    assert len(rows) == 3
    assert "probability" in said.out


def test_the_architecture_is_printed_with_its_sums(run):
    said = run("architecture", *RANDOM, "--image-size", "64,96", "--out", "a.json")
    assert said.code == 0
    assert "conv" in said.out
    assert "multiply-accumulate operations" in said.out
    assert "at 64 x 96" in said.err


def test_a_photo_that_cannot_be_read_is_left_out_by_name(run, photo, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    said = run("predictions", photo, "empty.png", *RANDOM)
    assert said.code == 0
    assert any(line.startswith("Note: empty.png: ") for line in said.error_lines)
    assert said.last_line == "my-photo-predictions.png"


def test_why_a_map_must_not_be_read_as_evidence_is_said_beside_it(run, photo, tmp_path):
    network = """
import torch
from torch import nn

class Deaf(nn.Sequential):
    def forward(self, x):
        return super().forward(x) * 0.0 + torch.tensor([[1.0, 2.0]])

def make():
    return Deaf(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
    (tmp_path / "deaf.py").write_text(network)
    said = run("cam", photo, "--model", "deaf.py:make", "--crop", "32", "--json")
    assert said.code == 0
    (doubt,) = json.loads(said.out)["doubts"]
    assert "does not change with noise, black or the mean of the image in its place" in doubt
    assert f"Note: {doubt}" in said.error_lines


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (["predictions", "my photo.jpg"], "there is no such file", "Did you mean 'my photo.png'?"),
        (["cam", "--layer", "featuers"], "has no layer 'featuers'", "Did you mean 'features"),
        (["cam", "--model", "shapez"], "no network called 'shapez'", "Did you mean 'shapes"),
        (["cam", "--out", "cam.gif"], "cannot be saved as 'cam.gif'", ".png, .svg"),
        (["cam", "--out", "no/cam.png"], "There is no folder 'no'", "Make the folder first"),
        (["cam", "--target", "hart"], "no class 'hart'", "Did you mean 'heart'"),
    ],
)
def test_a_wrong_argument_is_two_lines_and_writes_nothing(
    run, photo, tmp_path, arguments, what, remedy
):
    said = run(*arguments, "--weights", "random")
    assert said.code == 2
    assert what in said.error_lines[0]
    assert remedy in said.error_lines[1]
    assert len(said.error_lines) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my photo.png"]


def test_what_is_read_is_never_overwritten(run, photo, tmp_path):
    before = photo.read_bytes()
    (tmp_path / "link.png").symlink_to(photo)
    (tmp_path / "classes.json").write_text("[]")
    for out, others in (
        (photo.name, ()),
        (f"./{photo.name}", ()),
        ("link.png", ()),
        ("classes.json", ("--categories", "classes.json")),
    ):
        said = run("predictions", photo, *RANDOM, *others, "--out", out)
        assert said.code == 2
        assert "is read by this command and would be overwritten" in said.error_lines[0]
        assert said.error_lines[1] == "Name another file with --out."
    assert photo.read_bytes() == before
    assert (tmp_path / "classes.json").read_text() == "[]"


@pytest.mark.parametrize("out", ["cam.gif", "no/cam.png", "."])
def test_a_place_for_the_result_is_looked_for_before_any_work(run, photo, monkeypatch, out):
    monkeypatch.setattr(network_options, "load_model", lambda *given: pytest.fail("worked"))
    assert run("cam", photo, "--out", out).code == 2


def test_what_a_network_prints_is_no_result(run, photo, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "print('imported')\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        print('made')\n"
        "        self.conv = nn.Conv2d(3, 4, 3)\n"
        "    def forward(self, x):\n"
        "        print('called')\n"
        "        return self.conv(x).mean((2, 3))\n"
    )
    said = run("predictions", photo, "--model", "net.py:Net", "--json")
    assert json.loads(said.out)["images"] == ["my photo.png"]
    assert {"imported", "made", "called"} <= set(said.error_lines)
    said = run("layers", "--model", "net.py:Net", "--json")
    assert [entry["name"] for entry in json.loads(said.out)] == ["conv"]


@pytest.mark.parametrize("command", ["cam", "feature-maps"])
def test_a_call_that_there_is_not_is_refused(run, photo, command):
    said = run(command, photo, *RANDOM, "--layer", "features.0#5")
    assert said.code == 2
    assert "'features.0' has no call 5" in said.error_lines[0]


def test_several_photos_are_named_in_the_file(run, photo, tmp_path):
    photo.with_name("b.png").write_bytes(photo.read_bytes())
    said = run("predictions", photo, "b.png", *RANDOM)
    assert said.last_line == "my-photo-and-1-more-predictions.png"


@each_case(
    ("photos", "model", "stem"),
    [
        (["../../etc/<b>.png"], "m", "b"),
        ([], "timm:resnet18", "timm-resnet18"),
        ([], "..", "result"),
        (["ä" * 300 + ".jpg"], "m", "ä" * 80),
    ],
)
def test_a_default_file_name_is_safe(photos, model, stem):
    assert file_stem(photos, model) == stem


def test_without_a_photo_the_shipped_classes_get_a_held_out_sample():
    model = network_options.load_model("shapes", "random", None, "cpu")
    (photo,) = photo_options.photos_or_sample(None, model)
    assert photo.name.startswith("shapes held-out ")
    assert photo.pixels.shape == (96, 96, 3)


def test_without_a_photo_any_other_network_gets_the_sample_photo():
    model = network_options.load_model("lenet5", "random", None, "cpu")
    (photo,) = photo_options.photos_or_sample([], model)
    assert photo.name == "grace_hopper.jpg"


def test_a_view_may_not_take_the_name_of_a_shared_option(monkeypatch):
    def clashing(capture: Capture, out: str = "") -> Loudness:
        """Take `out`."""

    monkeypatch.setattr(View, "function", lambda self: clashing)
    with pytest.raises(TypeError, match=r"cam: \['out'\] are options of every command"):
        view_command.build(find("cam"))


def test_a_view_of_many_images_takes_data_or_photos(run, photo, tmp_path):
    quick = (*RANDOM, "--layer", "features.0", "--k", "2", "--top", "2", "--quiet")
    said = run("top-activations", *quick, "--data", str(photo.parent), "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["seen"] == 1
    assert found["channels"][0]["strongest"][0]["name"] == "my photo.png"
    said = run("top-activations", *quick, str(photo), str(photo))
    assert said.last_line == "my-photo-and-1-more-top-activations.png", said.err
    said = run("top-activations", *quick, "--count", "3", "--out", "a.json")
    assert said.code == 0, said.err
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["data"].startswith("shapes, 3")


def test_a_view_of_many_images_says_which_are_missing(run, photo):
    said = run("top-activations", "--data", "shapes", str(photo))
    assert (said.code, said.error_lines[0]) == (2, "Error: Both photos and --data are given.")
    said = run("top-activations", "--model", "lenet5", "--weights", "random")
    assert said.code == 2
    assert "Name a folder of them with --data." in said.error_lines[1]
    assert "--data" in run("top-activations", "--help").out
    assert "--data" not in run("filters", "--help").out
