"""ImageNet's folders, which are called by WordNet ids, as the classes of a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import ResNet18_Weights

import cnnviz
from cnnviz.errors import InstallationError, UsageError
from cnnviz.evaluation.answers import truth
from cnnviz.models import Model
from cnnviz.models.wordnet_ids import wordnet_classes
from tests.helpers.colour_classes import Means, colour_model, write_colour

NAMES = tuple(ResNet18_Weights.DEFAULT.meta["categories"])
GOLDFISH, ZEBRA, DAISY = 1, 340, 985


def imagenet_model(names: tuple[str, ...] = NAMES) -> Model:
    """Return a network that calls red a goldfish, green a zebra and blue a daisy."""
    module = Means()
    module.head = torch.nn.Linear(3, len(names), bias=False)
    with torch.no_grad():
        module.head.weight.zero_()
        for colour, place in enumerate((GOLDFISH, ZEBRA, DAISY)):
            module.head.weight[place, colour] = 4.0
    return colour_model(module, categories=names)


def folder(root: Path, *labels: str) -> Path:
    for place, label in enumerate(labels):
        write_colour(root / label / "1.png", [255 * (place == at) for at in range(3)])
    return root


def test_some_folders_of_imagenet_are_its_classes(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    val = folder(tmp_path / "val", "n01443537", "n02391049", "n11939491")
    found = cnnviz.evaluate_classifier(imagenet_model(), val, explain=0)
    assert (found.images, found.wrong) == (3, 0)
    assert found.matched_by == "wordnet"
    assert "WordNet ids, matched to the classes of ImageNet by timm's list" in found.caption()
    swapped = folder(tmp_path / "swapped", "n02391049", "n01443537")
    wrong = cnnviz.error_analysis(imagenet_model(), swapped)
    assert sorted((m.truth, m.answer) for m in wrong.mistakes) == [
        ("goldfish", "zebra"),
        ("zebra", "goldfish"),
    ]


def test_the_classes_are_those_of_timms_own_names_too() -> None:
    data = pytest.importorskip("timm.data")
    info = data.ImageNetInfo("imagenet-1k")
    described = wordnet_classes([info.index_to_description(place) for place in range(1000)])
    assert dict(described) == dict(wordnet_classes(NAMES))
    assert described["n01443537"] == GOLDFISH
    assert len(described) == 1000
    assert wordnet_classes(NAMES[::-1]) == {}, "others, or in another order"
    assert wordnet_classes(NAMES[:10]) == {}


def test_an_id_of_no_class_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    val = folder(tmp_path / "val", "n01443537", "n00000001")
    with pytest.raises(UsageError, match="'n00000001' is a WordNet id of none of the 1,000"):
        cnnviz.error_analysis(imagenet_model(), val)


def test_ids_for_a_network_of_other_classes_say_how_to_name_them(tmp_path: Path) -> None:
    val = folder(tmp_path / "val", "n01443537", "n02391049")
    with pytest.raises(UsageError, match="no class 'n01443537'") as refused:
        cnnviz.error_analysis(colour_model(), val)
    assert "categories=" in refused.value.remedy
    assert "--categories" in refused.value.option
    assert "CSV" in refused.value.remedy
    assert "not ImageNet's" in refused.value.remedy


def test_without_timm_the_remedy_names_all_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(names: object) -> dict[str, int]:
        raise InstallationError("timm is not installed.", 'Install it: pip install "cnnviz[timm]".')

    monkeypatch.setattr(truth, "wordnet_classes", absent)
    val = folder(tmp_path / "val", "n01443537", "n02391049")
    with pytest.raises(UsageError, match="timm, which has those of ImageNet's") as refused:
        cnnviz.error_analysis(imagenet_model(), val)
    assert all(word in refused.value.remedy for word in ("cnnviz[timm]", "'tench'", "CSV"))
