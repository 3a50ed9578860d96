"""Skips in any form, costs and fields of what is no plain convolution: against brute force."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.introspection.tracing import trace
from cnnviz.introspection.tracing.map_layout import MapLayout


class Block(nn.Module):
    """A convolution, and a form of skip around another one."""

    def __init__(self, form: Callable[[Block, torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.form = form
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.stem, self.conv = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.gate, self.fc = nn.Conv2d(8, 8, 1), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.fc(self.form(self, x, self.conv(x.relu())).relu().mean((2, 3)))


def images() -> torch.Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def highway(block: Block, x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    gate = block.gate(x).sigmoid()
    return gate * branch + (1 - gate) * x


SKIPS = {
    "x - (-b)": lambda block, x, b: x - (-b),
    "rsub": lambda block, x, b: torch.rsub(-x, b),
    "lerp": lambda block, x, b: torch.lerp(x, b, 0.3),
    "lerp by a gate": lambda block, x, b: torch.lerp(x, b, block.gate(x).sigmoid()),
    "addcmul": lambda block, x, b: torch.addcmul(x, b, torch.full_like(b, 0.5), value=0.5),
    "addcmul in place": lambda block, x, b: x.clone().addcmul_(b, torch.full_like(b, 0.5)),
    "addcdiv": lambda block, x, b: torch.addcdiv(x, b, torch.full_like(b, 2.0)),
    "broadcast": lambda block, x, b: x + b.mean((2, 3), keepdim=True),
    "broadcast skip": lambda block, x, b: x.mean((2, 3), keepdim=True) + b,
    "stack": lambda block, x, b: torch.stack([x, b], 1).sum(1),
    "mean of a stack": lambda block, x, b: torch.stack([x, b]).mean(0),
    "highway": highway,
    "baddbmm": lambda block, x, b: torch.baddbmm(
        x.flatten(0, 1), b.flatten(0, 1), b.flatten(0, 1)
    ).view_as(x),
}


@pytest.mark.parametrize("form", SKIPS)
def test_a_skip_is_found_in_every_form_and_its_ways_add_up(form: str) -> None:
    module, x = Block(SKIPS[form]).eval(), images()
    found = cnnviz.skip_connections(module, x, target=1)
    assert len(found.blocks) == 1
    kept: list[torch.Tensor] = []
    handle = module.stem.register_forward_hook(lambda m, i, out: kept.append(out))
    (whole,) = torch.autograd.grad(module(x)[:, 1].sum(), kept)
    handle.remove()
    by_hand = whole.flatten(1).norm(dim=1).numpy()
    np.testing.assert_allclose(found.whole[0], by_hand, rtol=1e-4)
    np.testing.assert_allclose(found.elsewhere[0], 0.0, atol=1e-5 * by_hand.max())
    assert "no residual addition" not in found.summary()


@pytest.mark.parametrize(
    "form",
    [
        lambda block, x, b: torch.cat([x[:, :4], b[:, :4]], 1),
        lambda block, x, b: torch.maximum(x, b),
        lambda block, x, b: x * b,
    ],
)
def test_ways_that_join_without_a_sum_are_not_called_one_way(form: Callable) -> None:
    said = cnnviz.skip_connections(Block(form).eval(), images()).summary()
    assert "several paths back, which join in other forms than sums" in said


class Made(nn.Module):
    """What a function makes of the images, its modules and its weights."""

    def __init__(self, way: Callable, *modules: nn.Module, **weights: torch.Tensor) -> None:
        super().__init__()
        self.way, self.parts = way, nn.ModuleList(modules)
        for name, weight in weights.items():
            setattr(self, name, nn.Parameter(weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.way(self, x)


def tokens(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(2).mT


COSTS = {
    # By hand: each of 64 steps meets every weight once.
    "lstm": (Made(lambda n, x: n.parts[0](tokens(x))[0], nn.LSTM(3, 5, batch_first=True)), 10240),
    "two layers both ways": (
        Made(lambda n, x: n.parts[0](tokens(x))[0], nn.LSTM(3, 5, 2, bidirectional=True)),
        64 * 2 * (4 * 5 * 8) + 64 * 2 * (4 * 5 * 15),
    ),
    "gru": (Made(lambda n, x: n.parts[0](tokens(x))[0], nn.GRU(3, 5, batch_first=True)), 7680),
    "plain": (Made(lambda n, x: n.parts[0](tokens(x))[0], nn.RNN(3, 5, batch_first=True)), 2560),
    "cell": (Made(lambda n, x: n.parts[0](x.mean((2, 3))), nn.LSTMCell(3, 5)), 4 * 5 * 8),
    "bilinear": (
        Made(lambda n, x: n.parts[0](x.mean((2, 3)), x.amax((2, 3))), nn.Bilinear(3, 3, 5)),
        60,
    ),
    "einsum": (
        Made(lambda n, x: torch.einsum("bchw,dc->bdhw", x, n.w), w=torch.ones(7, 3)),
        64 * 21,
    ),
    "attention": (
        Made(
            lambda n, x: n.parts[0](tokens(x), tokens(x), tokens(x))[0],
            nn.MultiheadAttention(3, 1, batch_first=True),
        ),
        64 * 4 * 9 + 2 * 64 * 64 * 3,
    ),
    "conv_tbc": (
        Made(
            lambda n, x: torch.conv_tbc(x.flatten(2).permute(2, 0, 1), n.w, n.b, 1).mean(0),
            w=torch.ones(3, 3, 5),
            b=torch.ones(5),
        ),
        64 * 3 * 3 * 5,
    ),
    "addbmm": (
        Made(
            lambda n, x: torch.addbmm(n.b, x[0], n.w)[None], w=torch.ones(3, 8, 5), b=torch.ones(5)
        ),
        3 * 8 * 8 * 5,
    ),
    "product and activation": (
        Made(
            lambda n, x: torch._addmm_activation(n.b, x.flatten(1), n.w),
            w=torch.ones(192, 5),
            b=torch.ones(5),
        ),
        192 * 5,
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_those_counted_by_hand(name: str) -> None:
    module, by_hand = COSTS[name]
    found = trace(module.eval(), (3, 8, 8))
    assert found.macs == by_hand
    assert found.uncounted == ()
    counted = sum(call.parameters for call in found.calls)
    assert counted == found.parameters == sum(one.numel() for one in module.parameters())
    assert found.uncalled == ()


def unseen(n: Made, x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(n.parts[0](x).detach().numpy() * 2.0)


@pytest.mark.parametrize(
    ("way", "named"),
    [
        (lambda n, x: torch.fft.irfft2(torch.fft.rfft2(n.parts[0](x))), "_fft_r2c"),
        (lambda n, x: torch.linalg.inv(n.parts[0](x) + 9 * torch.eye(8)), "linalg_inv"),
        (lambda n, x: torch.geqrf(n.parts[0](x))[0], "geqrf"),
        (unseen, "a tensor made outside torch"),
    ],
)
def test_a_cost_that_is_not_known_makes_every_sum_a_least_one(way: Callable, named: str) -> None:
    inner = Made(way, nn.Conv2d(3, 3, 1))
    found = cnnviz.architecture(nn.Sequential(inner, nn.Conv2d(3, 2, 1)).eval(), 8)
    least = 64 * 9 + 64 * 6
    assert found.sums()["macs"] == least
    assert found.sums()["uncounted"] >= 1
    assert f"at least {least}" in str(found)
    assert f"at least {least} MACs at 8 x 8" in found.summary()
    assert any(named in note and "the MACs are the least" in note for note in found.notes())
    rows = [row for row in found.to_json()["layers"] if row["uncounted"]]
    assert bool(rows) == (way is not unseen)
    assert all(row["macs"] is None or row["macs"] > 0 for row in rows)
    assert "at least" in found.html_table() or "unknown" in found.html_table()


def seen_by_brute_force(module: nn.Module, row: int, column: int) -> tuple[int, int]:
    """Return how many rows and columns of a 12 x 10 image can change one position of the output."""
    module = module.double().eval()
    for weight in module.parameters():
        nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    rows, columns = set(), set()
    with torch.no_grad():
        for seed in range(4):
            x = torch.randn(1, 3, 12, 10, generator=torch.Generator().manual_seed(seed)).double()
            before = module(x)[:, :, row, column]
            for axis, length, changed in ((2, 12, rows), (3, 10, columns)):
                for place in range(length):
                    for step in (1.5, -1.5):
                        other = x.clone()
                        other.select(axis, place).add_(step)
                        if not torch.equal(module(other)[:, :, row, column], before):
                            changed.add(place)
    spans = [max(each) - min(each) + 1 if each else 0 for each in (rows, columns)]
    return spans[0], spans[1]


def conv(size: int = 3, **options) -> nn.Conv2d:
    return nn.Conv2d(3, 3, size, **options)


ROWS = torch.arange(9, -1, -1)


def reversed_by_gather(n: Made, x: torch.Tensor) -> torch.Tensor:
    maps = n.parts[0](x)
    return maps.gather(3, ROWS.expand_as(maps))


def reversed_by_scatter(n: Made, x: torch.Tensor) -> torch.Tensor:
    maps = n.parts[0](x)
    return torch.zeros_like(maps).scatter(3, ROWS.expand_as(maps), maps)


def looked_up(n: Made, x: torch.Tensor) -> torch.Tensor:
    """Sampled where a small network says, as spatial transformers do."""
    angles = x.mean((2, 3))[:, :, None]
    theta = torch.cat([angles[:, :2], 1 + angles[:, 1:], angles[:, :2]], 2)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(n.parts[0](x), grid, align_corners=False)


FIELDS: dict[str, nn.Module] = {
    "one pixel": nn.Sequential(conv(1), nn.ReLU(), conv(1)),
    "circular": nn.Sequential(conv(padding=1, padding_mode="circular"), nn.Tanh(), conv(1)),
    "circular twice": nn.Sequential(
        conv(padding=1, padding_mode="circular"), conv(5, padding=2, padding_mode="circular")
    ),
    "circular function": Made(
        lambda n, x: n.parts[0](F.pad(x, (1, 1, 2, 2), "circular")), conv((5, 3))
    ),
    "fft": Made(
        lambda n, x: torch.fft.irfft2(torch.fft.rfft2(n.parts[0](x)) ** 2), conv(padding=1)
    ),
    "fft of columns": Made(
        lambda n, x: torch.fft.ifft(torch.fft.fft(n.parts[0](x)) ** 2).real, conv(padding=1)
    ),
    "gather": Made(reversed_by_gather, conv(padding=1)),
    "scatter": Made(reversed_by_scatter, conv(padding=1)),
    "rot90 twice": Made(
        lambda n, x: torch.rot90(n.parts[0](x), 2, (2, 3)), conv((3, 1), padding=(1, 0))
    ),
    "grid sampling": Made(looked_up, conv(padding=1)),
    "recurrent rows": Made(
        lambda n, x: n.parts[0](x.flatten(2).mT)[0].mT.reshape(1, 3, 12, 10),
        nn.LSTM(3, 3, batch_first=True, bidirectional=True, proj_size=0, num_layers=1),
    ),
}


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "recurrent rows"])
def test_fields_are_those_found_by_changing_pixels(name: str) -> None:
    module = FIELDS[name]
    traced = trace(module, (3, 12, 10))
    field = (traced.blocks or traced.calls)[-1].receptive_field
    assert field is not None
    assert tuple(field.size) == seen_by_brute_force(module, 6, 5)


def test_every_step_of_a_recurrent_layer_sees_those_before_it() -> None:
    way = Made(lambda n, x: n.parts[0](x.mean(3).mT)[0].mT[..., None], nn.LSTM(3, 3))
    field = trace(way, (3, 12, 10)).calls[-1].receptive_field
    assert field is not None
    whole = Made(lambda n, x: n.parts[0](tokens(x))[0].mean(1), nn.GRU(3, 3, batch_first=True))
    last = trace(whole, (3, 12, 10)).calls[-1].receptive_field
    assert last is not None
    assert last.whole


def test_what_is_sampled_at_fixed_places_is_unknown_not_small() -> None:
    def way(n: Made, x: torch.Tensor) -> torch.Tensor:
        grid = F.affine_grid(n.w, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    module = Made(way, w=torch.randn(1, 2, 3))
    found = cnnviz.architecture(nn.Sequential(module, conv(1)).eval(), 8)
    assert found.layers[-1].receptive_field is None
    assert found.arrays()["receptive_field"][-1].tolist() == [-1, -1]
    assert any("grid_sampler_2d reads is not known" in note for note in found.notes())


@pytest.mark.parametrize("stride", [1, 2])
def test_circular_padding_keeps_the_map_and_is_no_canvas(stride: int) -> None:
    def network(mode: str) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode),
            nn.Conv2d(4, 4, 5, padding=2, stride=stride, padding_mode=mode),
            nn.MaxPool2d(2),
        ).eval()

    calls = zip(
        trace(network("circular"), (3, 24, 24)).calls,
        trace(network("zeros"), (3, 24, 24)).calls,
        strict=True,
    )
    for ours, plain in calls:
        assert isinstance(ours.map, MapLayout)
        assert isinstance(plain.map, MapLayout)
        assert ours.map.covers_input
        assert plain.map.covers_input
        assert ours.map.size == plain.map.size
        assert ours.map_field is not None
        assert plain.map_field is not None
        assert ours.map_field.stride == plain.map_field.stride
        assert ours.map_field.start == plain.map_field.start
        assert ours.map_field.size == plain.map_field.size


def test_a_unit_that_sees_one_pixel_looks_at_one() -> None:
    torch.manual_seed(0)  # no ReLU may be off at the place that is looked at
    module = nn.Sequential(conv(1), nn.ReLU(), conv((1, 5), padding=(0, 2))).eval()
    found = cnnviz.receptive_field(module, images(), "0,2", draws=2)
    assert found.effective[0].tolist() == [1.0, 1.0]
    assert found.effective[1, 0] == 1.0
    assert 1.0 < found.effective[1, 1] <= 5.0
    assert "looks at 1 x" in found.summary()


def test_a_spectral_network_is_measured_with_its_complex_weights() -> None:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.fc = nn.Conv2d(3, 6, 1), nn.Linear(6, 4)
            self.weight = nn.Parameter(torch.randn(6, 6, 5, 3, dtype=torch.cfloat) * 0.1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            z = self.stem(x)
            there = torch.fft.rfft2(z)
            low = torch.zeros_like(there)
            parts = torch.einsum("bixy,ioxy->boxy", there[:, :, :5, :3], self.weight)
            low[:, :, :5, :3] = parts
            return self.fc((torch.fft.irfft2(low, s=z.shape[2:]) + z).relu().mean((2, 3)))

    found = cnnviz.gradient_flow(Spectral().eval(), torch.rand(2, 3, 16, 16), remedies=False)
    assert found.verdict.hidden == 2
    assert found.points == ("stem", "(network)", "add", "fc")
    assert np.isfinite(found.weight_gradient_norms[1])


class Complex(nn.Module):
    """Complex layers, between a real one and the absolute values."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.conv = nn.Conv2d(4, 6, 3, padding=1, dtype=torch.cfloat)
        self.mix, self.fc = nn.Linear(6, 7, dtype=torch.cfloat), nn.Linear(7, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.conv(torch.complex(x, x.roll(1, 1)))
        return self.fc(self.mix(x.permute(0, 2, 3, 1)).abs().mean((1, 2)))


def test_costs_of_complex_layers_are_told_in_real_multiplications() -> None:
    found = {call.name: call.macs for call in cnnviz.architecture(Complex(), 8).layers}
    # Three real convolutions, as torch computes it, and four real products for each complex one.
    assert found["conv"] == 3 * 64 * 6 * 4 * 9
    assert found["mix"] == 4 * 64 * 6 * 7
    assert (found["stem"], found["fc"]) == (64 * 4 * 3, 7 * 5)


class Flattened(nn.Module):
    """A convolution whose map is flattened, one behind it that is cut into windows, and tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.unfold = nn.Unfold(3, stride=2, padding=1)
        self.mix = nn.Conv1d(36, 8, 1)
        self.norm = nn.LayerNorm(8)
        self.flatten = nn.Flatten()
        self.relu = nn.ReLU()
        self.last = nn.Linear(8 * 64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.norm(self.mix(self.unfold(self.conv(x))).transpose(1, 2))
        return self.last(self.relu(self.flatten(tokens)))


def test_windows_and_flattened_maps_see_what_their_positions_see() -> None:
    network = Flattened().eval()
    found = cnnviz.architecture(network, (16, 16))
    said = {call.name: call.receptive_field.describe() for call in found.layers}
    flat = "inside the image up to 5 x 5 a value, together whole image"
    assert said == {
        "conv": "3 x 3",
        **dict.fromkeys(("unfold", "mix", "norm"), "up to 5 x 5"),
        **dict.fromkeys(("flatten", "relu"), flat),
        "last": "whole image",
    }
    # What one value sees is what its gradient reaches.
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    flattened = network.norm(network.mix(network.unfold(network.conv(image))).transpose(1, 2))
    value = flattened.flatten(1)[0, 8 * 27 + 3]
    seen = torch.autograd.grad(value, image)[0][0].abs().amax(0) > 0
    assert (int(seen.any(1).sum()), int(seen.any(0).sum())) == (5, 5)
    # The table, its arrays, its JSON and the view of the same layer say the same.
    places = [call.name for call in found.layers]
    assert found.arrays()["receptive_field"][places.index("mix")].tolist() == [5, 5]
    numbers = found.layers[places.index("relu")].to_json()["receptive_field"]
    assert (numbers["each_value"], numbers["whole_image"]) == ((5, 5), True)
    view = cnnviz.receptive_field(network, torch.rand(1, 3, 16, 16), "mix", draws=2)
    assert view.described == ("up to 5 x 5 px",)


@pytest.mark.parametrize("made_by", ["weight_norm", "spectral_norm", "orthogonal"])
def test_a_layer_that_computes_its_weight_is_one_layer_and_the_weight_no_output(
    made_by: str,
) -> None:
    """What a layer makes its weight by is neither a layer of the table nor a map in memory."""
    wrap = getattr(nn.utils.parametrizations, made_by)
    plain, computed = (
        nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
        for _ in range(2)
    )
    for place in (0, 2):
        wrap(computed[place])
    calls, own = trace(computed, (3, 16, 16)).calls, trace(plain, (3, 16, 16)).calls
    assert [(call.label, call.windows) for call in calls] == [
        (call.label, call.windows) for call in own
    ]
    sums = [cnnviz.architecture(each, 16).sums() for each in (computed, plain)]
    assert sums[0]["activation_bytes"] == sums[1]["activation_bytes"]
    assert sums[0]["layers"] == sums[1]["layers"]
