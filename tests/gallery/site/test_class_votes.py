"""The votes for a class are what units add to its score, beside the network's own numbers."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.datasets import open_dataset
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model
from cnnviz.models.settings import Preprocessing
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.site.build import build
from cnnviz_gallery.site.class_votes import class_votes, votes_of_json
from cnnviz_gallery.site.context import prepare
from cnnviz_gallery.site.site_folder import SiteFolder

CLASSES = ("a", "b", "c")


class Residual(nn.Module):
    """A convolution whose outputs are all below zero until a batch norm shifts them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3)
        nn.init.constant_(self.first.bias, -50.0)
        self.norm.running_mean.fill_(-50.0)

    def features(self, x):
        x = self.norm(self.first(x)).relu()
        return (self.second(x) + x).mean((2, 3))

    def forward(self, x):
        return self.head(self.features(x))


class ClassMap(nn.Module):
    """The last layer is a convolution with a kernel, as in an all-convolutional network."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, stride=2)
        self.head = nn.Conv2d(5, 3, 3, stride=2, padding=1)

    def forward(self, x):
        return self.head(self.first(x).relu()).relu().mean((2, 3))


def context(network, layers, tmp_path):
    torch.manual_seed(3)
    module = network().eval()
    prepared = Preprocessing(resize=24, crop=(24, 24), mean=(0.5,) * 3, std=(0.2,) * 3)
    model = Model(module, name="voter", preprocessing=prepared, categories=CLASSES)
    data = open_dataset(_photos())
    found = scan(model, data, layers, settings=ScanSettings(sample=4))
    subject = prepare(found, model, data, SiteFolder(tmp_path / "site"), None)
    return subject, module, subject.images.tensors(range(6)).double()


def _photos():
    return [
        np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        for seed in range(6)
    ]


def test_what_a_unit_adds_is_its_weight_times_what_arrives(tmp_path):
    subject, module, inputs = context(Residual, ["first", "second"], tmp_path)
    assert subject.scan.layer("first").silent.all(), "its peaks say nothing of what it adds"
    module = module.double()
    with torch.no_grad():
        added = (module.features(inputs) * module.head.weight[1]).mean(0).numpy()
    module.float()
    found = class_votes(subject, 1, range(6))
    assert found.images == 6
    assert votes_of_json(found.to_json()) == found
    wanted = {channel: value for channel, value in enumerate(added) if value > 0.0}
    assert wanted
    told = {vote.page_unit(subject): vote for vote in found.votes}
    assert {unit.channel: vote.value for unit, vote in told.items()} == pytest.approx(
        wanted, rel=1e-5
    )
    for unit, vote in told.items():
        assert unit.layer == "second"
        assert set(vote.units) == {Unit("first", unit.channel), Unit("second", unit.channel)}


def test_a_convolution_votes_by_the_mean_over_its_positions(tmp_path):
    subject, module, inputs = context(ClassMap, ["first"], tmp_path)
    module = module.double()
    with torch.no_grad():
        read = module.first(inputs).relu()
        added = [
            F.conv2d(read[:, [at]], module.head.weight[2:, [at]], None, stride=2, padding=1).mean()
            for at in range(5)
        ]
    module.float()
    found = class_votes(subject, 2, range(6))
    wanted = {Unit("first", at): float(value) for at, value in enumerate(added) if value > 0.0}
    assert {vote.units[0]: vote.value for vote in found.votes} == pytest.approx(wanted, rel=1e-5)


def test_without_images_a_class_has_the_weights_alone(tmp_path):
    subject, module, _ = context(ClassMap, ["first"], tmp_path)
    found = class_votes(subject, 0, ())
    assert found.images == 0
    sums = module.head.weight[0].sum((1, 2)).tolist()
    wanted = {Unit("first", at): value for at, value in enumerate(sums) if value > 0.0}
    assert {vote.units[0]: vote.value for vote in found.votes} == pytest.approx(wanted, rel=1e-5)


class Within(ClassMap):
    """The last layer is the network's own, and one before it has as many outputs as classes."""

    def __init__(self):
        super().__init__()
        mixed = [[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [3.0, 0.0, 1.0]]
        self.mixed = nn.Parameter(torch.tensor(mixed))

    def forward(self, x):
        return super().forward(x) @ self.mixed


class Cosine(nn.Linear):
    def forward(self, x):
        return F.linear(F.normalize(x), F.normalize(self.weight), self.bias)


class ByAngle(Residual):
    def __init__(self):
        super().__init__()
        self.head = Cosine(4, 3)


def test_no_votes_are_told_that_are_not_those_of_the_answer(tmp_path):
    subject, _, _ = context(Within, ["first"], tmp_path)
    assert subject.last_layer is None
    assert class_votes(subject, 0, range(6)).votes == ()
    subject, _, _ = context(ByAngle, ["first", "second"], tmp_path)
    assert subject.last_layer == "head"
    assert class_votes(subject, 0, range(6)).images == 0, "they are by the weights alone"


@pytest.mark.parametrize(
    ("network", "said", "to"),
    [
        (
            ClassMap,
            "first was not scanned: no pages of these units.",
            "the class in the last layer",
        ),
        (
            Residual,
            "first and second were not scanned: no pages of these units.",
            "the score of the class",
        ),
    ],
)
def test_pages_say_how_votes_were_measured_and_which_layers_were_not_scanned(
    network, said, to, tmp_path
):
    subject, _, _ = context(network, ["head"], tmp_path)
    home = build(subject.scan, subject.model, subject.images.data, tmp_path / "site").home
    pages = [path.read_text("utf-8") for path in home.parent.glob("models/voter/classes/?-*.html")]
    texts = [re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page)) for page in pages]
    assert any(f"What each adds to {to}" in text for text in texts)
    assert any("times its weight there" in text for text in texts)
    voted = [text for text in texts if "Units that vote" in text]
    assert voted
    for text in voted:
        assert said in text
        assert ("By their weights in the last layer" in text) == (
            "predicts this class for 0" in text
        )
