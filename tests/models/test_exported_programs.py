"""Programs of torch.export are networks with the layers that they had."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError, ModelError
from cnnviz.heatmaps.checks.randomisation import redraw
from cnnviz.introspection.layers import kind, named_layers
from tests.helpers.exported import exported

# What torch warns of as it exports is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def network() -> nn.Module:
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return nn.Sequential(*layers).eval()


def _export(network: nn.Module, path: Path, **options: object) -> Path:
    program = exported(network, (torch.rand(1, 3, 16, 16),), **options)
    torch.export.save(program, path)
    return path


def test_a_program_is_a_network(network: nn.Module, tmp_path: Path) -> None:
    model = cnnviz.load(_export(network, tmp_path / "mine.pt2"), device="cpu")
    assert (model.name, model.weights) == ("mine", "exported to mine.pt2")
    assert model.input_shape == (3, 16, 16)
    assert model.preprocessing.is_guess
    images = torch.rand(2, 3, 16, 16)
    found = cnnviz.capture(model, images[:1], layers="*")
    assert list(found.activations) == ["0", "1", "2", "3", "4"]
    assert torch.allclose(found.logits, network(images[:1]).detach(), atol=1e-6)
    # Exported for one image; several go one by one.
    assert torch.allclose(model.forward(images), network(images), atol=1e-6)
    assert cnnviz.attribute(model, images[:1], "integrated_gradients", steps=3).maps[0].any()
    assert cnnviz.architecture(model).trace.parameters == 4 * 28 + 10
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_any_number_of_images(network: nn.Module, tmp_path: Path) -> None:
    sizes = {0: torch.export.Dim.DYNAMIC}
    program = exported(network, (torch.rand(2, 3, 16, 16),), dynamic_shapes=(sizes,))
    torch.export.save(program, tmp_path / "any.pt2")
    model = cnnviz.load(tmp_path / "any.pt2", device="cpu")
    assert model.notes == ()
    assert len(cnnviz.capture(model, torch.rand(3, 3, 16, 16), layers="0").logits) == 3


def test_what_is_no_program_is_a_sentence(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        cnnviz.load(tmp_path / "none.pt2")
    (tmp_path / "bad.pt2").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"bad.pt2 is no program of torch.export"):
        cnnviz.load(tmp_path / "bad.pt2")
    with pytest.raises(ModelError, match="holds its weights"):
        cnnviz.load(_export(network, tmp_path / "mine.pt2"), "random")


def test_layers_that_torch_cannot_tell_apart_are_a_sentence(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As torch 2.6 says of strict programs.
    def fails(program: object) -> None:
        raise RuntimeError("Child module '0' is not a descendant of parent module 'fn'.")

    path = _export(network, tmp_path / "mine.pt2")
    monkeypatch.setattr(torch.export, "unflatten", fails)
    with pytest.raises(ModelError, match=r"layers of mine.pt2 apart \(Child.*strict=False"):
        cnnviz.load(path)


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    one = torch.rand(1, 3, 8, 8)
    torch.export.save(exported(Two(), (one, one)), tmp_path / "two.pt2")
    with pytest.raises(ModelError, match=r"two.pt2 takes 2 inputs, not one image"):
        cnnviz.load(tmp_path / "two.pt2")


def test_no_code_in_a_program_runs(network: nn.Module, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    good = _export(network, tmp_path / "mine.pt2")
    torch.save(Trap(), tmp_path / "trap")
    content = (tmp_path / "trap").read_bytes()
    with zipfile.ZipFile(good) as old:
        items = {item.filename: old.read(item) for item in old.infolist()}
    pickled = [name for name in items if name.endswith(".pt")]
    assert pickled
    for trap in pickled:
        with zipfile.ZipFile(tmp_path / "evil.pt2", "w") as new:
            for name, held in items.items():
                new.writestr(name, content if name == trap else held)
        with pytest.raises(ModelError):
            cnnviz.load(tmp_path / "evil.pt2")
        assert not (tmp_path / "ran").exists()


def test_the_module_of_a_program_is_taken_from_a_factory_as_in_python(
    network: nn.Module, tmp_path: Path
) -> None:
    saved, file = _export(network, tmp_path / "mine.pt2"), tmp_path / "net.py"
    file.write_text(
        f"import torch\ndef make():\n    return torch.export.load({str(saved)!r}).module()\n"
    )
    image = torch.rand(1, 3, 16, 16)
    seen = cnnviz.capture(cnnviz.load(f"{file}:make"), image, layers=())
    assert torch.allclose(seen.logits, network(image).detach(), atol=1e-6)


class Normed(nn.Module):
    """Has every kind of call that the gradient's way is followed by; some units are dead."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.two, self.group = nn.ConvTranspose2d(8, 8, 2, 2), nn.GroupNorm(2, 8)
        self.three, self.last = nn.Conv2d(8, 8, 1), nn.Linear(8, 3)
        self.norm.running_mean.uniform_(-1.0, 1.0)
        self.norm.bias.data[:2] = -50.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.one(x)))
        x = torch.sigmoid(self.group(self.two(x)))
        return self.last(nn.functional.hardtanh(self.three(x)).mean((2, 3)))


def test_the_gradient_of_a_program_is_that_of_its_network(tmp_path: Path) -> None:
    # Operators of ATen stand in a program for the functions that a network calls.
    network, images = Normed().eval(), torch.randn(3, 3, 8, 8)
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    program = exported(network, (images,), dynamic_shapes=sizes)
    torch.export.save(program, tmp_path / "any.pt2")
    of_program = cnnviz.gradient_flow(cnnviz.load(tmp_path / "any.pt2", device="cpu"), images)
    wanted = cnnviz.gradient_flow(network, images)
    assert of_program.points == wanted.points == ("one", "two", "three", "last")
    assert wanted.dead_fractions[0] == 0.25
    for name in ("arriving", "dead_fractions", "saturated_fractions", "weight_figures"):
        np.testing.assert_allclose(getattr(of_program, name), getattr(wanted, name), rtol=1e-5)


def test_of_a_program_for_one_image_the_gradient_is_that_of_the_first(tmp_path: Path) -> None:
    network, images = Normed().eval(), torch.randn(3, 3, 16, 16)
    found = cnnviz.gradient_flow(cnnviz.load(_export(network, tmp_path / "one.pt2")), images)
    wanted = cnnviz.gradient_flow(network, images[:1])
    assert found.points == wanted.points
    np.testing.assert_allclose(found.arriving, wanted.arriving, rtol=1e-5)
    assert any("one after the other: the first alone" in note for note in found.provenance.notes)


def test_rules_meet_the_same_activations_in_a_program(tmp_path: Path) -> None:
    class Masked(Normed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.one(x)
            return super().forward((x * (x > 0))[:, :3])

    network, image = Masked().eval(), torch.randn(1, 3, 16, 16)
    program = cnnviz.load(_export(network, tmp_path / "one.pt2"), device="cpu")
    found, wanted = (
        cnnviz.capture(each, image, layers="three", rule="deconvnet", target=0)
        for each in (program, network)
    )
    assert "at 2 of 4 activation functions" in str(wanted.coverage)
    assert str(found.coverage) == str(wanted.coverage)
    assert torch.equal(found.input_gradient, wanted.input_gradient)


class _Normed(nn.Module):
    """Layers of every kind that a program tells by its operators."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
        self.bn, self.relu, self.pool = nn.BatchNorm2d(4), nn.ReLU6(), nn.MaxPool2d(2)
        self.up, self.norm = nn.ConvTranspose2d(4, 4, 2), nn.GroupNorm(2, 4)
        self.gelu, self.drop, self.flat = nn.GELU(), nn.Dropout(), nn.Flatten()
        self.head = nn.Linear(4 * 9 * 9, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.up(self.pool(self.relu(self.bn(self.conv(image)))))
        return self.head(self.flat(self.drop(self.gelu(self.norm(maps)))))


@pytest.mark.parametrize("decomposed", [False, True])
def test_kinds_choose_the_same_layers_as_before(decomposed: bool) -> None:
    torch.manual_seed(0)
    module, image = _Normed().eval(), torch.rand(1, 3, 16, 16)
    program = exported(module, (image,))
    program = program.run_decompositions() if decomposed else program
    unflat = torch.export.unflatten(program)
    kinds = {name: kind(layer) for name, layer in named_layers(unflat).items()}
    before = {name: kind(layer) for name, layer in named_layers(module).items()}
    # Decomposed, dropout in evaluation is nothing, and flattening one of many views.
    gone = {"dropout", "flatten"} if decomposed else set()
    wanted = {name: what for name, what in before.items() if what not in gone}
    assert {name: kinds.get(name) for name in wanted} == wanted
    if not decomposed:  # There a copy has no derivative.
        maps = [cnnviz.cam(cnnviz.capture(one, image, layers="conv")) for one in (module, unflat)]
        np.testing.assert_allclose(maps[1].maps[0], maps[0].maps[0], rtol=1e-5, atol=1e-7)


def test_weights_of_a_program_are_redrawn_as_those_of_its_module() -> None:
    torch.manual_seed(0)
    module, image = _Normed(), torch.rand(8, 3, 16, 16)
    module(image)
    module = module.eval()
    unflat = torch.export.unflatten(exported(module, (image[:1],)))
    for network in (module, unflat):
        redraw(network, ["conv", "bn", "norm", "head"], seed=0)
    np.testing.assert_allclose(
        unflat(image[:1]).detach(), module(image[:1]).detach(), rtol=1e-5, atol=1e-6
    )


def test_the_flat_module_of_a_program_says_where_its_layers_are(network: nn.Module) -> None:
    flat = exported(network, (torch.rand(1, 3, 16, 16),)).module()
    for look in (
        lambda: cnnviz.capture(flat, torch.rand(1, 3, 16, 16)),
        lambda: cnnviz.filters(flat),
    ):
        with pytest.raises(LayerError, match=r"calls operators, not layers.*unflatten\(program\)"):
            look()
