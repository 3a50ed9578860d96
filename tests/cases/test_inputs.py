"""Networks that take more than an image, or take it by name; each input can be explained."""

import copy

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ModelError, TargetError, UsageError
from cnnviz.models import as_model, load

X = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
DEPTH = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
PLAIN = cnnviz.Preprocessing(16, (16, 16), (0.0,) * 3, (1.0,) * 3)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(1, 8, 3, padding=1)
        self.drop = nn.Dropout(0.9)
        self.fc = nn.Linear(16, 4)

    def forward(self, rgb: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        both = [self.a(rgb).relu().mean((2, 3)), self.b(depth).relu().mean((2, 3))]
        scale = 100.0 if self.training else 1.0
        return self.fc(self.drop(torch.cat(both, 1))) * scale


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3)

    def forward(self, *, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.c(pixel_values).relu().mean((2, 3))


@pytest.fixture
def network() -> TwoInputs:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TwoInputs()


def test_each_of_two_images_is_explained(network: TwoInputs) -> None:
    expected = network.eval()(X, DEPTH.expand(2, -1, -1, -1)).detach()
    network.train()
    colour = cnnviz.Model(network, inputs=(cnnviz.IMAGE, DEPTH))
    depth = cnnviz.Model(network, inputs={"depth": cnnviz.IMAGE, "rgb": X[:1]})
    assert (colour.channels, depth.channels) == (3, 1)
    assert colour.name == "TwoInputs"
    found = cnnviz.capture(colour, X, layers="conv")
    torch.testing.assert_close(found.logits, expected)
    assert list(found.activations) == ["a", "b"]
    assert cnnviz.cam(found, "a").maps[0].shape == (2, 16, 16)
    other = cnnviz.capture(depth, DEPTH, layers="conv")
    assert torch.allclose(other.logits, expected[:1], atol=1e-6)
    assert float(other.input_gradient.abs().sum()) > 0
    assert network.training
    assert network.drop.training


@pytest.mark.parametrize(
    "view",
    [
        lambda model: cnnviz.architecture(model, 16).trace.parameters == 224 + 80 + 68,
        lambda model: cnnviz.attribute(model, X[:1], "integrated_gradients", steps=4).maps[0].any(),
        lambda model: cnnviz.attribute(model, X[:1], "guided_backprop").maps[0].any(),
        lambda model: cnnviz.occlusion(model, X[:1], window=8, stride=8).maps[0].any(),
        lambda model: cnnviz.gradient_flow(model, X, remedies=False).summary(),
        lambda model: cnnviz.deconvnet(model, X[:1], "a", top=1).signals.any(),
        lambda model: cnnviz.faithfulness(model, X[:1], measures=("randomisation",)).summary(),
        lambda model: cnnviz.report(model, X[:1], "predictions,cam").answers,
    ],
)
def test_views_take_it_as_any_network(network: TwoInputs, view: object) -> None:
    before = copy.deepcopy(network.state_dict())
    model = cnnviz.Model(network, inputs=(cnnviz.IMAGE, DEPTH), preprocessing=PLAIN)
    assert view(model)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in network.modules())
    assert all(child.training for child in network.modules())


def test_a_call_of_ones_own(network: TwoInputs) -> None:
    model = cnnviz.Model(network.eval(), call=lambda net, images: net(images, images[:, :1]))
    found = cnnviz.capture(model, X, layers=())
    torch.testing.assert_close(found.logits, network(X, X[:, :1]).detach())
    assert model.module.state_dict().keys() == network.state_dict().keys()
    twin = copy.deepcopy(model.module)
    with torch.no_grad():
        twin.fc.weight.zero_()
        twin.fc.bias.zero_()
    assert not twin(X).any()
    assert network(X, X[:, :1]).any()


def test_what_the_called_network_keeps_of_its_own_is_put_back() -> None:
    class Keeps(TwoInputs):
        def __init__(self) -> None:
            super().__init__()
            self.last = None
            self.modes: list[bool] = []

        def train(self, mode: bool = True) -> "Keeps":
            self.modes.append(mode)
            return super().train(mode)

        def forward(self, rgb: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
            self.last = super().forward(rgb, depth)
            return self.last

    network = Keeps()
    model = cnnviz.Model(network, call=lambda net, images: net(images, DEPTH))
    assert cnnviz.capture(model, X, layers="conv").logits.shape == (2, 4)
    assert network.last is None
    assert network.modes == []
    assert network.training


def test_a_call_that_holds_tensors_is_no_reason_to_run_more_often() -> None:
    class Counting(TwoInputs):
        calls = 0  # of the class: what a network holds itself is put back

        def forward(self, rgb: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
            Counting.calls += 1
            return super().forward(rgb, depth)

    for inputs in (
        {"call": lambda net, images: net(images, DEPTH)},
        {"call": (lambda depth: lambda net, images: net(images, depth))(DEPTH)},
        {"inputs": (cnnviz.IMAGE, DEPTH)},
        {"inputs": {"depth": DEPTH, "rgb": cnnviz.IMAGE}},
    ):
        model = cnnviz.Model(Counting(), preprocessing=PLAIN, **inputs)
        cnnviz.cam(cnnviz.capture(model, X[:1], layers="a"))
        Counting.calls = 0
        cnnviz.cam(cnnviz.capture(model, X[:1], layers="a"))
        # The pass of the capture alone, as for a network that takes an image.
        assert Counting.calls == 1


def test_an_image_taken_by_name_alone() -> None:
    network = ByName()
    expected = network(pixel_values=X).detach()
    torch.testing.assert_close(cnnviz.capture(network, X, layers="c").logits, expected)
    assert cnnviz.architecture(network, 16).summary()


def test_what_the_network_takes_is_said(network: TwoInputs) -> None:
    told = r"takes forward\(rgb, depth\): besides one image it needs the argument depth"
    for images in (X, (X[:1], DEPTH)):
        with pytest.raises(ModelError, match=told):
            cnnviz.capture(network, images, layers="conv")
    with pytest.raises(ModelError, match=told):
        cnnviz.architecture(network, 16)


def test_inputs_that_do_not_say_where_the_image_goes(network: TwoInputs) -> None:
    with pytest.raises(UsageError, match="IMAGE stands 0 times"):
        cnnviz.Model(network, inputs=(X, DEPTH))
    with pytest.raises(UsageError, match="IMAGE stands 2 times"):
        cnnviz.Model(network, inputs=(cnnviz.IMAGE, cnnviz.IMAGE))
    with pytest.raises(UsageError, match="Both call and inputs"):
        cnnviz.Model(network, inputs=(cnnviz.IMAGE, DEPTH), call=lambda net, images: net(images))


def test_options_and_lists_beside_an_image() -> None:
    class Metas(ByName):
        def forward(self, x: torch.Tensor, img_metas: list[str], *, scale: float) -> torch.Tensor:
            assert img_metas == ["a"]
            return self.c(x).relu().mean((2, 3)) * scale

    model = cnnviz.Model(Metas(), inputs={"x": cnnviz.IMAGE, "img_metas": ["a"], "scale": 2.0})
    assert cnnviz.capture(model, X, layers="c").logits.shape == (2, 4)
    assert model.channels == 3


def test_what_training_put_around_a_network_is_taken_off() -> None:
    class Trainer(nn.Module):  # as a LightningModule without a forward
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model
            self.loss = nn.CrossEntropyLoss()

    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for wrapped in (nn.DataParallel(inner), Trainer(inner), nn.DataParallel(Trainer(inner))):
        model = as_model(wrapped)
        assert model.module is inner
        assert "is looked at" in model.notes[0]
    assert load(nn.DataParallel(inner)).notes == ("The network inside a DataParallel is looked at",)
    assert as_model(inner).notes == ()


def test_a_refused_input_says_what_the_network_takes() -> None:
    class OfBatch(ByName):
        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            return self.c(batch["image"]).relu().mean((2, 3))

    with pytest.raises(ModelError, match=r"It takes forward\(batch\)"):
        cnnviz.capture(OfBatch(), X, layers="c")
    model = cnnviz.Model(OfBatch(), call=lambda net, images: net({"image": images}))
    assert cnnviz.capture(model, X, layers="c").logits.shape == (2, 4)


def test_two_images_through_the_same_layers() -> None:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Conv2d(1, 4, 3)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.c(a).mean((2, 3)) - self.c(b).mean((2, 3))

    network = Siamese().double()
    other = torch.rand(1, 1, 8, 8)
    model = cnnviz.Model(network, inputs=(other, cnnviz.IMAGE))
    found = cnnviz.capture(model, other.repeat(2, 1, 1, 1), layers="c")
    assert list(found.activations) == ["c#0", "c#1"]
    assert float(found.logits.abs().max()) < 1e-12
    three = cnnviz.Model(network, inputs=(torch.rand(3, 1, 8, 8), cnnviz.IMAGE))
    with pytest.raises(TargetError, match=r"returns a tensor \[3, 4\] for 1 image"):
        cnnviz.capture(three, other.repeat(2, 1, 1, 1), layers=())


@pytest.mark.parametrize("both", [False, True])
def test_the_default_map_of_a_siamese_network(both: bool) -> None:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU())
            self.tower = nn.Sequential(*layers)
            self.fc = nn.Linear(8, 1)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.fc((self.tower(a).mean((2, 3)) - self.tower(b).mean((2, 3))).abs())

    def call(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return network(images, images.flip(3) if both else X[1:])

    torch.manual_seed(0)
    model = cnnviz.Model(Siamese(), call=call, preprocessing=PLAIN)
    found = cnnviz.cam(cnnviz.capture(model, X[:1], layers="stages"))
    # Of the image alone, its own branch; of the image and its mirror image, the later one.
    assert found.layers == ("tower.4#1" if both else "tower.4#0",)
    assert found.maps[0].any()
    made = cnnviz.report(model, X[:1], "predictions,cam")
    assert [section.key for section in made.sections][:2] == ["predictions", "cam"]


def test_a_whole_number_beside_an_image() -> None:
    class Labelled(ByName):
        def __init__(self) -> None:
            super().__init__()
            self.names = nn.Embedding(10, 4)

        def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
            return self.c(x).mean((2, 3)) * self.names(label)

    inputs = {"x": cnnviz.IMAGE, "label": torch.tensor([3])}
    model = cnnviz.Model(Labelled(), inputs=inputs)
    assert cnnviz.capture(model, X, layers="c").logits.shape == (2, 4)


@pytest.mark.filterwarnings("ignore:.*(nested tensors is in prototype|CSR tensor support)")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda images: images.to_sparse(), "is sparse"),
        (lambda images: images[0, 0].to_sparse_csr(), "is sparse"),
        (lambda images: torch.nested.nested_tensor(list(images)), "is nested"),
        (lambda images: images.to("meta"), "on the meta device"),
        (lambda images: images.to(torch.float8_e4m3fn), "float8_e4m3fn"),
    ],
    ids=["sparse", "rows", "nested", "meta", "8 bits"],
)
def test_tensors_without_a_value_for_each_place_are_refused(given, told) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    signals = nn.Sequential(nn.Conv1d(3, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    images = given(torch.rand(2, 3, 8, 8))
    for refuse in (
        lambda: cnnviz.capture(network, images, layers=()),
        lambda: cnnviz.capture(network, [images], layers=()),
        lambda: cnnviz.capture(signals, images, layers=()),
        lambda: cnnviz.top_activations(network, images, "0"),
    ):
        with pytest.raises(UsageError, match=told):
            refuse()
