"""A preparation of images that nobody named is told as a guess, wherever a person looks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnviz
import cnnviz_cli.network_options
from cnnviz.errors import UsageError
from cnnviz.images import read_photo
from cnnviz_cli.app import main
from tests.helpers.each_case import each_case

CODE = """
from torch import nn


def make():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 4))
"""


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(CODE)
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_report_says_that_the_preparation_is_a_guess(network: nn.Module) -> None:
    photo = np.zeros((40, 40, 3), np.uint8)
    made = cnnviz.report(network, photo, "predictions")
    assert "The preprocessing is guessed" in made.notes[0]
    assert "centre 32 x 32 px" in made.notes[0]


def test_a_report_of_a_tensor_or_of_known_preparation_does_not(network: nn.Module) -> None:
    assert cnnviz.report(network, torch.rand(1, 3, 32, 32), "predictions").notes == ()
    known = cnnviz.Preprocessing(32, (32, 32), (0.5,) * 3, (0.5,) * 3)
    photo = np.zeros((40, 40, 3), np.uint8)
    assert (
        cnnviz.report(cnnviz.Model(network, preprocessing=known), photo, "predictions").notes == ()
    )
    assert cnnviz.load("shapes").doubt == ""


def test_the_command_line_says_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["predictions", "photo.png", "--model", "net.py:make", "--json"])
    assert end.value.code == 0
    told = capsys.readouterr()
    assert "Note: The preprocessing is guessed" in told.err
    assert "32 px is a size that the network accepts" in told.err
    with pytest.raises(SystemExit):
        main(["report", "photo.png", "--model", "net.py:make", "--sections", "predictions"])
    assert capsys.readouterr().err.count("The preprocessing is guessed") == 1
    assert "The preprocessing is guessed" in (folder / "cnnviz-report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["filters"], 0),
        (["architecture"], 0),
        (["network-diagram"], 0),
        (["gradient-flow", "--no-remedies"], 0),
        (["gradient-flow", "photo.png", "--no-remedies"], 1),
    ],
)
def test_it_is_told_only_where_photos_are_prepared(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: int
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--model", "net.py:make", "--json"])
    assert end.value.code == 0
    assert capsys.readouterr().err.count("The preprocessing is guessed") == told


def _prepared(folder: Path, *arguments: str, source: str = "net.py:make") -> cnnviz.Preprocessing:
    """Return what the command line prepares photos with."""
    seen = []
    load = cnnviz_cli.network_options.load_model

    def watched(*given: object, **named: object) -> cnnviz.Model:
        seen.append(load(*given, **named))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cnnviz_cli.network_options, "load_model", watched)
        with pytest.raises(SystemExit) as end:
            main(["predictions", "photo.png", "--model", source, "--json", *arguments])
    assert end.value.code == 0
    return seen[0].preprocessing


def test_options_say_the_preparation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--resize", "36", "--crop", "32", "--mean", "0.5", "--std", "0.25")
    found = _prepared(folder, *given)
    assert (found.resize, found.crop) == (36, (32, 32))
    assert (found.mean, found.std) == ((0.5,) * 3, (0.25,) * 3)
    assert not found.is_guess
    assert "The preprocessing is guessed" not in capsys.readouterr().err
    # Of sizes alone nobody said what is subtracted, and of a mean alone nobody said the size.
    for half in (("--resize", "32x32"), ("--mean", "0.5", "--std", "0.25")):
        assert _prepared(folder, *half).is_guess
        assert "The preprocessing is guessed" in capsys.readouterr().err


UNDIVIDED = "Note: The mean of the images of this network was said and no std"


def test_a_mean_without_a_std_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _prepared(folder, "--mean", "0.5")
    assert (found.mean, found.std) == ((0.5,) * 3, (1.0,) * 3)
    assert capsys.readouterr().err.count(UNDIVIDED) == 1
    # Pixels from 0 to 255 are not divided either, and saying so gives the same numbers.
    silent = _prepared(folder, "--mean", "104,117,123", "--std", "1")
    assert UNDIVIDED not in capsys.readouterr().err
    assert _prepared(folder, "--mean", "104,117,123").std == silent.std
    assert UNDIVIDED in capsys.readouterr().err


def test_a_file_with_a_mean_and_no_std_is_told_until_somebody_says_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "net.toml").write_text("resize = 40\ncrop = [32, 32]\nmean = [0.5]\n")
    assert _prepared(folder, "--resize", "32x32").std == (1.0,) * 3
    assert UNDIVIDED in capsys.readouterr().err
    assert _prepared(folder, "--std", "0.25").std == (0.25,) * 3
    assert UNDIVIDED not in capsys.readouterr().err
    made = cnnviz.report(cnnviz.load("net.py:make"), folder / "photo.png", "predictions")
    assert made.notes[0].startswith(UNDIVIDED.removeprefix("Note: "))


def test_a_file_of_hugging_face_without_a_std_is_refused(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"size": 32, "image_mean": [0.5, 0.5, 0.5]}')
    with pytest.raises(UsageError, match=r"has an image_mean and no image_std"):
        cnnviz.load("net.py:make")


def test_a_std_alone_leaves_the_mean_a_guess(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _prepared(folder, "--std", "0.25")
    assert found.mean == cnnviz.load("net.py:make").preprocessing.mean
    assert found.std == (0.25,) * 3
    assert "The preprocessing is guessed" in capsys.readouterr().err


def test_channels_in_the_order_of_opencv(folder: Path) -> None:
    found = _prepared(folder, "--colour", "bgr", "--mean", "104,117,123")
    assert found.mean == pytest.approx((104 / 255, 117 / 255, 123 / 255))
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[..., 0] = 255
    tensor = found(read_photo(pixels))
    # (255 - 123) in the last channel, which is red; minus the mean in the others.
    assert tensor[:, 0, 0].tolist() == pytest.approx([-104, -117, 132])
    assert (found.invert(tensor) == pixels).all()
    assert "channels as blue, green, red" in found.describe()


@pytest.mark.parametrize("name", ["net.toml", "preprocessing.toml"])
def test_a_file_beside_the_network_says_it(folder: Path, name: str) -> None:
    (folder / name).write_text("resize = 40\ncrop = [32, 32]\nmean = [0.5]\nstd = [0.5]\n")
    found = _prepared(folder)
    assert (found.resize, found.crop, found.mean) == (40, (32, 32), (0.5,) * 3)
    assert found.origin == f"as {name} says"
    assert not found.is_guess


def test_a_file_of_that_name_for_something_else(folder: Path) -> None:
    (folder / "net.toml").write_text("[training]\nlr = 0.1\n")
    (folder / "net.json").write_text('["a", "b"]')
    assert cnnviz.load("net.py:make").preprocessing.is_guess
    (folder / "preprocessing.toml").write_text("resize = 40\nsize = 3\n")
    with pytest.raises(UsageError, match=r"no setting 'size'.*as preprocessing.toml says"):
        cnnviz.load("net.py:make")
    (folder / "preprocessing.toml").write_text("")
    with pytest.raises(UsageError, match=r"preprocessing.toml holds no settings"):
        cnnviz.load("net.py:make")


def test_a_file_beside_the_checkpoint_says_it(folder: Path) -> None:
    network = cnnviz.load("net.py:make").module
    (folder / "run").mkdir()
    torch.save(network.state_dict(), folder / "run" / "best.pth")
    (folder / "run" / "preprocessor_config.json").write_text(
        '{"do_resize": true, "size": {"shortest_edge": 36}, "do_center_crop": true, "resample": 3,'
        '"crop_size": {"height": 32, "width": 32}, "do_normalize": true, "do_rescale": true,'
        '"rescale_factor": 0.00392156862745098, "image_mean": [0.5, 0.5, 0.5],'
        '"image_std": [0.25, 0.25, 0.25], "image_processor_type": "SomeImageProcessor"}'
    )
    found = cnnviz.load("net.py:make", "run/best.pth").preprocessing
    assert (found.resize, found.crop, found.interpolation) == (36, (32, 32), "bicubic")
    assert (found.mean, found.std) == (pytest.approx((0.5,) * 3), pytest.approx((0.25,) * 3))


def test_a_mapping_says_it_in_python() -> None:
    model = cnnviz.load("shapes", preprocessing={"resize": 64})
    assert model.input_shape == (3, 64, 64)
    assert model.preprocessing.mean == cnnviz.load("shapes").preprocessing.mean
    grey = cnnviz.load("lenet5", "random", preprocessing={"colour": "grey", "resize": "28x28"})
    assert grey.input_shape == (1, 28, 28)


@each_case(
    ("given", "told"),
    [
        ({"size": 3}, "no setting 'size'"),
        ({"resize": "big"}, "'big' is no size"),
        ({"mean": "a,b"}, "are no numbers"),
        ({"colour": "hsv"}, "no colour 'hsv'"),
        ({"mean": [0.1, 0.2]}, "mean has 2 numbers, "),
        ("nowhere.toml", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(given: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        cnnviz.load("shapes", preprocessing=given)


def test_names_of_networks_and_classes(folder: Path) -> None:
    text = CODE.replace("nn.Linear(2 * 30 * 30, 4))", "nn.Linear(2 * 30 * 30, 4))\n\n\n")
    text += (
        "class Small(nn.Sequential):\n    pass\n\n\ndef build_it():\n    return Small(*make())\n"
    )
    (folder / "net.py").write_text(text)
    assert cnnviz.load("net.py:make").name == "net"
    assert cnnviz.load("net.py:build_it").name == "Small"
    (folder / "categories.txt").write_text("a\nb\nc\nd\n")
    assert cnnviz.load("net.py:make").categories == ("a", "b", "c", "d")
    (folder / "categories.txt").write_text("a\nb\n")
    model = cnnviz.load("net.py:make")
    assert model.categories is None
    unused = "The 2 class names in categories.txt are not used: net has 4 outputs"
    assert model.notes[1:] == (unused,)  # after the note that its weights are random
    torch.save(model.module.state_dict(), folder / "net.pth")
    both = cnnviz.load("net.py:make", "net.pth").notes
    assert both.count(unused) == 1, "the list is beside the checkpoint and beside the network"


@pytest.mark.parametrize(
    ("layers", "names", "known"),
    [
        ("nn.Conv2d(3, 3, 1)", "a\nb\nc\nd\n", None),
        ("nn.Conv2d(3, 3, 1)", "a\nb\nc\n", ("a", "b", "c")),
        ("nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)", "no\nyes\n", ("no", "yes")),
    ],
    ids=["map of other classes", "map of these classes", "both classes of a logit"],
)
def test_names_are_those_of_as_many_classes(
    folder: Path, layers: str, names: str, known: tuple[str, ...] | None
) -> None:
    source = f"from torch import nn\n\n\ndef make():\n    return nn.Sequential({layers})\n"
    (folder / "map.py").write_text(source)
    (folder / "categories.txt").write_text(names)
    model = cnnviz.load("map.py:make")
    assert model.categories == known
    assert any("map has 3 outputs" in note for note in model.notes) == (known is None)


@pytest.mark.parametrize(
    "held",
    [
        {"classes": ["w", "x", "y", "z"]},
        {"class_to_idx": {"z": 3, "w": 0, "x": 1, "y": 2}},
        {"meta": {"CLASSES": ("w", "x", "y", "z")}},
        {"hyper_parameters": {"id2label": {0: "w", 1: "x", 2: "y", 3: "z"}}},
    ],
)
def test_class_names_in_the_checkpoint(folder: Path, held: dict[str, object]) -> None:
    state = cnnviz.load("net.py:make").module.state_dict()
    torch.save({"state_dict": state, **held}, folder / "best.ckpt")
    assert cnnviz.load("net.py:make", "best.ckpt").categories == ("w", "x", "y", "z")


def test_a_file_says_what_goes_beside_the_image(folder: Path) -> None:
    (folder / "two.py").write_text(
        "import cnnviz, torch\nfrom torch import nn\n\n\n"
        "class Two(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.c = nn.Conv2d(3, 2, 3)\n\n"
        "    def forward(self, x, scale):\n"
        "        return self.c(x).mean((2, 3)) * scale\n\n\n"
        "def forward_args(images):\n"
        "    return {'x': images, 'scale': 2.0}\n"
    )
    model = cnnviz.load("two.py:Two")
    assert (model.name, model.channels) == ("Two", 3)
    constant = (folder / "two.py").read_text().partition("def forward_args")[0]
    (folder / "two.py").write_text(f"{constant}forward_args = (cnnviz.IMAGE, 2.0)\n")
    image = torch.rand(1, 3, 8, 8)
    twice = cnnviz.capture(cnnviz.load("two.py:Two"), image, layers=()).logits
    assert torch.equal(twice, cnnviz.capture(model, image, layers=()).logits)
