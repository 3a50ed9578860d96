from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import OutputError, UsageError
from cnnviz.models.networks import SHIPPED, ShapesPlain
from cnnviz.models.training import TrainingRecipe, data, draw_samples, normalise, train
from cnnviz.models.training import __main__ as command
from cnnviz.models.training import card as cards
from cnnviz.models.training.data import augment, cells_of, close_up
from cnnviz.models.training.loop import _add_batch_norms, _fold_batch_norms
from cnnviz.models.training.objective import misplaced, untidiness


@pytest.fixture(scope="module")
def samples():
    return draw_samples(96, seed=0, workers=1)


def test_samples_are_those_of_the_set(samples):
    images, labels, masks = samples
    shapes = Shapes(0)
    assert np.array_equal(images[95], shapes[95].image)
    assert np.array_equal(masks[95], shapes[95].mask)
    assert labels.tolist() == [shapes.label(i) for i in range(96)]


def test_several_processes_draw_the_same_samples(monkeypatch):
    monkeypatch.setattr(data, "CHUNK", 4)
    alone = draw_samples(14, seed=1, split="held-out", workers=1)
    together = draw_samples(14, seed=1, split="held-out", workers=2)
    assert len(alone[0]) == 14
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_what_draws_them_is_found_without_torch():
    code = f"import sys, {data.draw_chunk.__module__}; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_normalise_is_what_the_metadata_promises():
    images = torch.tensor([[[[0, 128, 255]]]], dtype=torch.uint8)
    expected = (np.array([0, 128, 255]) / 255 - 0.5) / 0.25
    assert normalise(images).shape == (1, 3, 1, 1)
    assert normalise(images).flatten().numpy() == pytest.approx(expected, abs=1e-5)


def test_augmentation_moves_images_and_cells_together(samples):
    images, _, masks = samples
    cells = torch.from_numpy(cells_of(masks))
    painted = torch.from_numpy(np.repeat(masks[..., None], 3, axis=3))
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(20):
        turned, objective = augment(painted, cells, generator)
        assert np.array_equal(cells_of(turned[..., 0].numpy()), objective.numpy())
        seen.add(objective.numpy().tobytes())
    assert len(seen) == 8
    pixels = torch.from_numpy(images[:1])
    colours = {
        tuple(augment(pixels, cells[:1], generator)[0].sum((0, 1, 2)).tolist()) for _ in range(60)
    }
    assert len(colours) == 6


def test_cells_are_the_middles_of_the_mask():
    masks = np.zeros((1, 96, 96), dtype=bool)
    masks[0, 8:16, 16:20] = True
    cells = cells_of(masks)
    assert cells.shape == (1, 12, 12)
    assert cells[0, 1, 2] == 0.5
    assert cells.sum() == 0.5


def test_a_close_up_keeps_the_object(samples):
    images, _, masks = samples
    masked = np.where(masks[..., None], images, 0)
    pictures, cells = close_up(masked, cells_of(masks))
    assert pictures.shape == (96, 72, 72, 3)
    assert cells.shape == (96, 9, 9)
    kept = (pictures > 0).sum((1, 2, 3)) / (masked > 0).sum((1, 2, 3))
    assert kept.min() > 0.9
    assert kept.mean() > 0.995


def test_evidence_on_the_object_costs_nothing_and_elsewhere_much():
    cells = torch.zeros(2, 12, 12)
    cells[:, 3, 4] = 1.0
    evidence = torch.zeros(2, 12, 12)
    evidence[0, 3, 4] = evidence[1, 9, 9] = 30.0
    on, off = misplaced(evidence, cells).tolist()
    assert on == pytest.approx(0.0, abs=0.01)
    assert off == pytest.approx(-np.log(1e-3), abs=0.01)


def test_untidiness_orders_noise_blob_and_edge():
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(7.0) - 3, torch.arange(7.0) - 3, indexing="ij")
    window = torch.exp(-(x**2 + y**2) / 6)
    noise = torch.randn(3, 7, 7, generator=generator)
    blob, edge = window.expand(3, 7, 7), (window * torch.sin(x)).expand(3, 7, 7)
    opponent = torch.stack([window, -window, 0 * window])
    values = untidiness(torch.stack([noise, blob, edge, opponent]))
    assert values[0] == pytest.approx(1.0, abs=0.35)
    assert values[1] > 0.4
    assert values[2] < 0.2
    assert values[3] < 0.2
    scaled = untidiness(5 * torch.stack([noise, blob, edge, opponent]))
    assert torch.allclose(values, scaled)


def test_folding_batch_norms_keeps_the_function():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ShapesPlain()
        keys = list(network.state_dict())
        _add_batch_norms(network)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.normal_(module.bias)
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
        images = torch.randn(2, 3, 96, 96)
    network.eval()
    before = network(images)
    _fold_batch_norms(network)
    assert torch.allclose(network(images), before, atol=1e-4)
    assert list(network.state_dict()) == keys


@pytest.mark.parametrize("name", ["shapes-plain", "shapes-residual"])
def test_training_reduces_the_loss_and_repeats_bit_for_bit(name, samples):
    samples = [part[:16] for part in samples]
    recipe = TrainingRecipe(samples=16, epochs=4, batch_size=8, learning_rate=2e-3, bfloat16=False)
    state = torch.get_rng_state()
    one, losses = train(name, *samples, recipe)
    assert torch.equal(torch.get_rng_state(), state)
    other, again = train(name, *samples, recipe)
    assert losses == again
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )
    assert len(losses) == recipe.steps == 8
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1
    assert not one.training
    assert one.state_dict().keys() == SHIPPED[name]().state_dict().keys()


def test_the_file_is_the_same_for_the_same_network_and_loads_as_stored():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ShapesPlain()
    one = cards.to_file("shapes-plain", network, TrainingRecipe(), 7)
    assert one == cards.to_file("shapes-plain", network, TrainingRecipe(), 7)
    stored = cards.as_stored("shapes-plain", network)
    value = stored.state_dict()["classifier.weight"]
    assert torch.equal(value, network.classifier.weight.half().float())


def test_pointing_counts_maxima_on_the_mask():
    """One map, lit at one cell, has its maximum there and nowhere else."""
    network = ShapesPlain().eval()

    class OneCell(ShapesPlain):
        def maps(self, x):
            maps = torch.zeros(len(x), 128, 12, 12)
            maps[:, 0, 3, 8] = 1.0
            return maps

    network.__class__ = OneCell
    with torch.no_grad():
        network.classifier.weight.fill_(0.0)
        network.classifier.weight[:, 0] = 1.0
    images = np.zeros((2, 96, 96, 3), dtype=np.uint8)
    masks = np.zeros((2, 96, 96), dtype=bool)
    masks[0, 24:32, 64:72] = True
    masks[1] = ~masks[0]
    hits = cards.pointing(network, images, np.array([0, 1]), masks)
    assert hits.tolist() == [True, False]


def test_the_command_writes_weights_and_card(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "ACCURACY_SAMPLES", 40)
    monkeypatch.setattr(cards, "POINTING_SAMPLES", 20)
    app = _app()
    out = tmp_path / "new" / "folder"
    arguments = ["shapes-plain", "--out", str(out), "--samples", "64", "--epochs", "1"]
    result = CliRunner().invoke(app, [*arguments, "--workers", "1", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert "40 held-out samples right" in " ".join(result.output.split())
    assert sorted(p.name for p in out.iterdir()) == [
        "shapes-plain.json",
        "shapes-plain.safetensors",
    ]
    card = json.loads((out / "shapes-plain.json").read_text())
    content = (out / "shapes-plain.safetensors").read_bytes()
    assert card["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["data"]["seed"] == 5
    assert card["results"]["samples"] == 40
    assert card["training"]["steps"] == 1
    assert load_file(out / "shapes-plain.safetensors").keys() == ShapesPlain().state_dict().keys()


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "card.json").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        cards.write(tmp_path / "card.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_the_command_refuses_what_it_cannot_do(tmp_path):
    runner = CliRunner()
    result = runner.invoke(_app(), ["shapes-plian", "--out", str(tmp_path / "a")])
    assert result.exit_code == 2
    assert "'shapes-plian' is not a network that is trained on shapes." in result.output
    assert "'shapes-plain'" in result.output
    (tmp_path / "file").write_text("")
    result = runner.invoke(_app(), ["shapes-plain", "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "cannot be made" in result.output
    with pytest.raises(UsageError, match="Nothing can be learnt in 0 epochs"):
        TrainingRecipe(epochs=0)


def test_checkpoints_are_kept_on_the_way_and_change_nothing() -> None:
    recipe = TrainingRecipe(samples=16, epochs=1, batch_size=4, bfloat16=False)
    samples = draw_samples(16, seed=0, workers=1)
    kept: dict[int, ShapesPlain] = {}
    network, losses = train("shapes-plain", *samples, recipe, keep_every=3, keep=kept.__setitem__)
    plain, again = train("shapes-plain", *samples, recipe)
    assert list(kept) == [0, 3, 4]
    assert losses == again
    state = plain.state_dict()
    for one in (network, kept[4]):
        for name, value in one.state_dict().items():
            assert torch.equal(value, state[name]), name
    assert not any(one.training for one in kept.values())
    first = [one.features[0].weight for one in kept.values()]
    assert not torch.equal(first[1], first[2])
    with pytest.raises(UsageError, match="every 0 steps"):
        train("shapes-plain", *samples, recipe, keep_every=0)


def _app():
    import typer

    app = typer.Typer()
    app.command()(command.main)
    return app
