"""The checkpoints of a training: their order, which are chosen, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cnnviz.errors import CheckpointError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.models.checkpoint_series import check_series, checkpoint_series
from cnnviz.models.compared import compared_models, told_apart
from tests.helpers.state import state


def network(fill: float = 0.5) -> nn.Sequential:
    made = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(fill)
    return made.eval()


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(names):
        held = network(float(place)).state_dict()
        if name.endswith(".safetensors"):
            save_file(held, folder / name)
        else:
            torch.save(held, folder / name)
    return folder


@pytest.mark.parametrize(
    ("names", "epochs", "unit"),
    [
        (("epoch-1.pth", "epoch-2.pth", "epoch-10.pth"), (1, 2, 10), "epoch"),
        (("net18_e03_acc0.50.pt", "net18_e12_acc0.10.pt"), (3, 12), "epoch"),
        (("epoch=0-step=40.ckpt", "epoch=0-step=120.ckpt"), (40, 120), "step"),
        (("009.safetensors", "010.safetensors"), (9, 10), "checkpoint"),
        (("loss0.9-epoch1.pth", "loss0.75-epoch2.pth", "loss0.8-epoch3.pth"), (1, 2, 3), "epoch"),
        (("global_step9.pt", "global_step10.pt"), (9, 10), "step"),
        *(
            ((f"{word}1.pt", f"{word}2.pt"), (1, 2), "checkpoint")
            for word in ("stage-", "state_", "unit-", "commits", "phase")
        ),
    ],
)
def test_epochs_are_the_numbers_that_tell_the_names_apart(
    tmp_path: Path, names: tuple[str, ...], epochs: tuple[int, ...], unit: str
) -> None:
    found = checkpoint_series(write(tmp_path, *reversed(names)))
    assert [path.name for path in found.paths] == list(names)
    assert (found.epochs, found.unit, found.numbered) == (epochs, unit, True)


def test_what_has_no_number_among_others_is_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, "epoch-2.pth", "best.pth", "epoch-1.pth", ".epoch-3.pth")
    (tmp_path / "log-4.txt").write_text("loss 0.1")
    found = checkpoint_series(tmp_path)
    assert found.epochs == (1, 2)
    assert found.notes == ("best.pth was left out, whose name has no number",)


def test_files_that_are_named_stay_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, "before.pth", "after.pth")
    with pytest.raises(CheckpointError, match=r"after\.pth and before\.pth have no number"):
        checkpoint_series(tmp_path)
    for given in (
        [tmp_path / "before.pth", tmp_path / "after.pth"],
        f"{tmp_path}/before.pth, {tmp_path}/after.pth",
    ):
        found = checkpoint_series(given)
        assert [path.name for path in found.paths] == ["before.pth", "after.pth"]
        assert (found.epochs, found.numbered) == ((1, 2), False)


def test_of_many_the_first_stand_closer_together_and_any_can_be_named(tmp_path: Path) -> None:
    write(tmp_path, *(f"epoch-{number}.pth" for number in range(1, 31)))
    found = checkpoint_series(tmp_path, most=6)
    assert found.epochs == (1, 2, 4, 8, 15, 30)
    assert found.found == 30
    assert any("6 of 30 checkpoints" in note for note in found.notes)
    assert checkpoint_series(tmp_path, epochs=[20, 3]).epochs == (3, 20)
    assert checkpoint_series(f"{tmp_path}/EPOCH-2?.pth", most=24).epochs == tuple(range(20, 30))
    # As many as there are places in between are still different ones.
    assert checkpoint_series(tmp_path, most=29).epochs[:5] == (1, 2, 3, 4, 5)
    with pytest.raises(UsageError, match="There is no epoch 31"):
        checkpoint_series(tmp_path, epochs=[1, 31])
    with pytest.raises(UsageError, match="One epoch is no history"):
        checkpoint_series(tmp_path, epochs=[1])


def test_fewer_than_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No checkpoints are in the folder"):
        checkpoint_series(tmp_path)
    write(tmp_path, "epoch-1.pth")
    with pytest.raises(CheckpointError, match="1 checkpoint is in the folder"):
        checkpoint_series(tmp_path)
    with pytest.raises(CheckpointError, match=r"epoch-1\.pth is one checkpoint"):
        checkpoint_series(tmp_path / "epoch-1.pth")
    with pytest.raises(CheckpointError, match="There is no folder"):
        checkpoint_series(tmp_path / "nowhere")


def test_every_checkpoint_is_tried_and_the_network_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "epoch-1.pth", "epoch-2.pth")
    model = Model(network())
    check_series(model, checkpoint_series(tmp_path))
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), tmp_path / "epoch-3.pth")
    with pytest.raises(CheckpointError, match=r"epoch-3\.pth lacks 4 tensors"):
        check_series(model, checkpoint_series(tmp_path))
    (tmp_path / "epoch-4.pth").write_bytes(b"nothing")
    lost = network()
    lost[0].weight.data[0] = float("nan")
    torch.save(lost.state_dict(), tmp_path / "epoch-5.pth")
    before = state(model.module)
    with pytest.raises(
        CheckpointError,
        match=r"3 of 5 checkpoints cannot be used: epoch-3\.pth, epoch-4\.pth and epoch-5",
    ):
        check_series(model, checkpoint_series(tmp_path))
    assert state(model.module) == before


def test_a_checkpoint_makes_the_same_network_with_other_weights(tmp_path: Path) -> None:
    write(tmp_path, "before.pth", "after.pth")
    model = Model(network(7.0), name="net", categories=("a", "b"), weights="checkpoint before.pth")
    before = state(model.module)
    (other,) = compared_models(model, None, tmp_path / "after.pth")
    assert float(other.module[0].weight.detach().max()) == 1.0
    assert (other.name, other.categories, other.weights) == (
        "net", ("a", "b"), "checkpoint after.pth",
    )  # fmt: skip
    assert state(model.module) == before
    assert told_apart([model, other]) == (
        "net (checkpoint before.pth)",
        "net (checkpoint after.pth)",
    )
    assert told_apart([model, model]) == ("net, 1", "net, 2")
    (tmp_path / "after.pth").rename(tmp_path / "lr=0,1.pth")
    (other,) = compared_models(model, None, str(tmp_path / "lr=0,1.pth"))
    assert other.weights == "checkpoint lr=0,1.pth"
    two = compared_models(model, "conv-3, mlp-2", ["random", "random"])
    assert [one.name for one in two] == ["conv-3", "mlp-2"]
    with pytest.raises(UsageError, match="1 checkpoint for 2 networks"):
        compared_models(model, ["conv-3", "mlp-2"], "random")


def test_classes_of_the_checkpoint_are_its_own_and_what_was_said_of_images_stays(
    tmp_path: Path,
) -> None:
    model = Model(network(), categories=("a", "b"))
    held = {"state_dict": network(1.0).state_dict(), "classes": ["cat", "dog"]}
    torch.save(held, tmp_path / "other.pth")
    (other,) = compared_models(model, None, str(tmp_path / "other.pth"))
    assert other.categories == ("cat", "dog")
    assert model.categories == ("a", "b")
    (tmp_path / "other.toml").write_text("mean = 0.5\nstd = 0.25\n")
    (other,) = compared_models(model, None, tmp_path / "other.pth")
    assert other.preprocessing.mean == (0.5,) * 3
    known = Model(network(), preprocessing=Preprocessing(8, (8, 8), (0.1,) * 3, (1.0,) * 3))
    (other,) = compared_models(known, None, tmp_path / "other.pth")
    assert other.preprocessing == known.preprocessing
