"""Networks of signals, volumes and clips in every view: what is drawn, told, refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch import nn

import cnnviz
from cnnviz.errors import CnnvizError, LayerError, UsageError
from cnnviz.images import ArrayPreprocessing
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model, OutputKind
from cnnviz.models.spaces import ONLY_IMAGES, only_images
from cnnviz.passes.captures import capture
from cnnviz.reports import report
from cnnviz.results.result import Result
from cnnviz.results.space import space_of
from cnnviz.views import VIEWS
from tests.helpers.array_networks import NETWORKS, build, fresh, seeded, signal_classifier
from tests.helpers.undrawn import undrawn

LAYERS = {
    "signal": ("1", "4"),
    "wavenet": ("skips.3",),
    "recurrent": ("conv",),
    "circular": ("conv",),
    "spectrogram": ("conv",),
    "unfolded": ("conv",),
    "volume": ("1", "4"),
    "unet": ("deep", "up"),
    "parted": ("time",),
    "patched": ("norm",),
}


DRAWN_BESIDE = ("signal", "wavenet", "volume", "parted")
"""Those whose maps `test_every_view_of_arrays` draws."""


def support(output: torch.Tensor, dims: tuple[int, ...], x: torch.Tensor) -> list[tuple[int, int]]:
    """Return where along each axis of the input the middle position of an output depends on it."""
    picked = output
    for dim in sorted(dims, reverse=True):
        picked = picked.select(dim, output.shape[dim] // 2)
    factors = torch.rand(picked.shape, generator=torch.Generator().manual_seed(1)) + 0.5
    (slope,) = torch.autograd.grad((picked * factors).sum(), x, retain_graph=True)
    reached = slope[0].abs().amax(0) > 0
    found = []
    for axis in range(reached.ndim):
        others = tuple(each for each in range(reached.ndim) if each != axis)
        places = (reached.amax(others) if others else reached).nonzero().flatten()
        found.append((int(places[0]), int(places[-1]) + 1))
    return found


@pytest.mark.parametrize("name", ["signal", "wavenet", "unfolded", "volume", "unet", "parted"])
def test_receptive_fields_are_the_support_of_the_gradient(name: str) -> None:
    network, x = fresh(name)
    # Nothing is switched off: the field is what could be seen.
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose3d):
            layer.weight.data.abs_()
    image = x[:1].clone().requires_grad_()
    traced = trace(network, tuple(image.shape[1:]))
    called = [
        call
        for call in traced.module_calls()
        if call.name and call.kind == "conv" and call.map_field is not None and call.map.dims
    ]
    assert called
    held: dict[str, torch.Tensor] = {}
    handles = [
        network.get_submodule(call.name).register_forward_hook(
            lambda module, given, output, name=call.name: held.__setitem__(name, output)
        )
        for call in called
    ]
    network(image)
    for handle in handles:
        handle.remove()
    for call in called:
        middle = tuple(length // 2 for length in call.map.size)
        found = list(call.map_field.window(*middle))
        assert found == support(held[call.name], call.map.dims, image), call.label


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_are_found_explained_and_drawn(name: str, tmp_path) -> None:
    network, x = build(name)
    held = capture(network, x, layers="stages")
    assert tuple(held.activations) == LAYERS[name]
    for method in ("gradcam", "layercam", "scorecam", "ablationcam"):
        found = cnnviz.cam(held, method=method)
        assert found.maps[0].ndim == x.ndim - 1
        assert np.isfinite(found.maps[0]).all()
        assert found.on_photo().shape == tuple(x.shape[2:])
    if name not in DRAWN_BESIDE:
        found.save(tmp_path / "cam.png", dpi=40)
    found.save(tmp_path / "cam.npz")
    stored = np.load(tmp_path / "cam.npz")[f"map {found.layers[0]}"]
    np.testing.assert_array_equal(stored, found.maps[0])
    assert len(found.peak()) == x.ndim - 2


@pytest.mark.parametrize("name", NETWORKS)
def test_every_view_works_or_says_why_not(name: str) -> None:
    network, x = build(name)
    model = Model(network)
    held = capture(model, x[:1], layers="stages")
    answer = cnnviz.predictions(held)
    assert answer.images == (held.batch.photos[0].name,)
    assert cnnviz.feature_maps(held).figure()
    assert cnnviz.filters(model).figure()
    table = cnnviz.architecture(model, tuple(x.shape[2:]))
    assert table.trace.macs > 0
    assert space_of(x.ndim - 2).noun in table.caption()
    assert table.figure()
    flow = cnnviz.gradient_flow(model, x, remedies=False)
    assert flow.verdict.label
    assert space_of(x.ndim - 2).noun in flow.data
    hidden = cnnviz.occlusion(model, x[:1], 4, 2)
    assert hidden.maps[0].shape[1:] == x.shape[2:]
    assert cnnviz.attribute(model, x[:1], "saliency").figure()
    noun = space_of(x.ndim - 2).noun
    for refused in ONLY_IMAGES:
        said = rf"^'{refused}' is for networks of images, and {model.name} takes {noun}s \["
        view = next((one for one in VIEWS if one.name == refused), None)
        if view is not None and view.needs == "capture":
            with pytest.raises(UsageError, match=said):
                view.function()(held)
        elif refused == "weight_sharing":  # It takes a photo, and no network.
            assert only_images(model, refused)
        elif refused == "convolve":
            with pytest.raises(UsageError, match=said):
                cnnviz.convolve(np.zeros((8, 8, 3), np.uint8), "0:0", model=model)
        elif hasattr(cnnviz, refused):
            with pytest.raises(UsageError, match=said):
                getattr(cnnviz, refused)(model, x)


@pytest.mark.parametrize("name", ["signal", "volume"])
def test_faithfulness_is_measured(name: str) -> None:
    network, x = build(name)
    for method in ("gradcam", "saliency"):
        found = cnnviz.faithfulness(network, x[:1], method, steps=3, stages=2)
        assert found.measure("gain").values.shape == (1,)
        assert all(verdict.sentence for verdict in found.verdicts)
        told = f"{found.summary()} {found.caption()} {texts(found)} {found}"
        assert space_of(x.ndim - 2).places in told
        assert not re.search(r"\b(pixels?|photos?|images?)\b", told)
    with pytest.raises(UsageError, match="Objects are marked in photos"):
        cnnviz.faithfulness(network, x, "gradcam", masks=[np.ones((2, 2), bool)] * 2)


def texts(found: Result) -> str:
    """Return all words of a picture."""
    return " ".join(one.get_text() for one in found.figure().findobj(Text))


@pytest.mark.parametrize("name", ["signal", "volume"])
def test_explanations_stand_below_one_another(name: str) -> None:
    network, x = build(name)
    found = cnnviz.explanations(network, x[:1], ["gradcam", "saliency"], checks=["curves"])
    figure = found.figure()
    told = " ".join(one.get_text() for one in figure.findobj(Text))
    # The input, a panel for each method, and the colour bar.
    assert len(figure.axes) == 4
    assert all(f"{each.title}, " in told for each in found.heatmaps)
    assert told.count("insertion - deletion") == 2
    assert not re.search(r"\b(pixels?|photos?|images?)\b", f"{told} {found.caption()}")
    if name == "volume":
        assert told.count("slice 5") == 3


def test_slices_of_maps_of_a_volume_are_named() -> None:
    network, x = build("volume")
    found = cnnviz.feature_maps(capture(network, x[:1], layers="4"))
    assert re.findall(r"map slice \d", texts(found)) == [f"map slice {at}" for at in range(3)]
    assert "of each map, all 3 slices; of the volume above, all 6 slices" in found.caption()


@pytest.mark.parametrize(
    ("name", "written"), [("signal", "photo,predictions,explanations"), ("volume", None)]
)
def test_a_report_at_its_defaults_is_whole(name: str, written: str | None, tmp_path) -> None:
    network, x = build(name)
    made = report(network, x[:1])
    keys = [section.key for section in made.sections]
    assert keys[:2] == ["photo", "predictions"]
    assert all(section.pictures for section in made.sections if section.key != "provenance")
    if written is not None:  # The pictures of the others are those of the views.
        made = report(network, x[:1], written)
    with undrawn():
        made.save(tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    noun = space_of(x.ndim - 2).noun
    assert f"The {noun} as the network sees it" in page
    assert "photo as the network" not in page


@pytest.mark.parametrize("name", ["signal", "volume"])
def test_the_sections_of_the_units_are_made(name: str, monkeypatch) -> None:
    monkeypatch.setattr("cnnviz.reports.sections.visualizations.STEPS", 2)
    network, x = build(name)
    noun = space_of(x.ndim - 2).noun
    made = report(network, x[:1], "units,visualizations")
    for section in made.sections:
        assert section.pictures
        assert noun in section.lead[0]
        assert not re.search(r"\b(pixels?|photos?|images?)\b", section.pictures[0].caption)
    arrays = made.sections[1].pictures[0].arrays
    optimised = [each for name, each in arrays.items() if name.startswith("pictures ")]
    assert optimised
    assert all(each.shape[1:] == x.shape[1:] for each in optimised)


@pytest.mark.parametrize("name", ["signal", "volume"])
def test_captions_do_not_speak_of_photos(name: str) -> None:
    network, x = build(name)
    held = capture(network, x, layers="stages")
    for found in (
        cnnviz.predictions(held),
        cnnviz.cam(held),
        cnnviz.attribute(network, x, "saliency"),
        cnnviz.gradient_whiteness(network, x, points=6),
        cnnviz.loss_landscape(network, x, [0, 1], dimensions=1, points=3),
    ):
        told = f"{found.summary()} {found.caption()} {texts(found)}"
        assert not re.search(r"\b(pixels?|photos?|images?|px)\b", told), told


def test_a_monitor_names_the_layers_of_a_signal() -> None:
    network, x = fresh("signal")
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with cnnviz.GradientMonitor(network, optimizer, every=1) as monitor:
        loss = network(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        monitor.log(loss=loss)
    assert set(monitor.records[0].of("gradient")) == {"0", "3", "7"}


def test_an_answer_at_every_sample_is_a_map_of_classes() -> None:
    network, x = build("wavenet")
    held = capture(network, x, layers="first", target=cnnviz.Region(1, np.arange(40) == 39))
    assert held.model.reading.kind == OutputKind.CLASS_MAP
    asked = held.resolved_targets[0].asked
    evidence = np.abs(cnnviz.attribute(network, x, "saliency", asked).maps[0])
    # Causal: the last sample hears the 16 before and at it, and none besides.
    assert evidence[:, :24].max() == 0.0
    assert evidence[:, 24:].max() > 0.0


def test_causal_fields_look_back_only() -> None:
    network, _ = build("wavenet")
    field = trace(network, (1, 40)).find("filters.3").receptive_field
    assert field.size == (16,)
    assert field.describe() == "16 samples"
    assert field.window(30) == ((15, 31),)


def test_wrapped_signals_reach_round_the_end() -> None:
    network, _ = build("circular")
    field = trace(network, (1, 40)).find("conv").receptive_field
    assert field.size == (5,)


def test_steps_of_a_recurrent_layer_see_all_before_them() -> None:
    network, _ = build("recurrent")
    call = trace(network, (1, 40)).find("lstm")
    assert call.map.size == (20,)
    assert call.map_field.window(3) == ((0, 9),)


def test_a_spectrogram_is_a_map_along_time_alone() -> None:
    network, x = build("spectrogram")
    layout = capture(network, x, layers="conv").layout("conv")
    assert layout.size == (9,)
    assert layout.channels == 4 * 9


def test_a_batch_gives_what_each_input_gives_alone() -> None:
    for name in ("recurrent", "patched", "parted"):
        network, x = build(name)
        held = capture(network, x, layers="stages", target=1)
        alone = [capture(network, one[None], layers="stages", target=1) for one in x]
        np.testing.assert_allclose(
            cnnviz.cam(held).maps[0],
            np.concatenate([cnnviz.cam(one).maps[0] for one in alone]),
            rtol=1e-4,
            atol=1e-6,
        )


def test_slices_that_are_left_out_are_named() -> None:
    network = seeded(lambda: nn.Sequential(nn.Conv3d(1, 2, 3), nn.Flatten(), nn.LazyLinear(2)))
    x = torch.rand(1, 1, 40, 6, 6)
    network(x)
    takes = ArrayPreprocessing(axes=3, shape=tuple(x.shape[2:]))
    found = cnnviz.cam(capture(Model(network, preprocessing=takes), x, layers="0"))
    assert "Drawn are 16 of 40 slices: 0, 3, 5, 8, 10, 13" in found.caption()
    few = cnnviz.cam(capture(*build("volume"), layers="stages"))
    assert "Drawn" not in few.caption()


def test_a_vector_is_no_map_of_a_signal() -> None:
    network, x = build("signal")
    held = capture(network, x, layers="7")
    with pytest.raises(LayerError, match=r"not \[N, C, L\]"):
        cnnviz.cam(held, "7")


def test_a_signal_of_another_number_of_channels_is_refused() -> None:
    network = seeded(signal_classifier)
    with pytest.raises(CnnvizError, match=r"has 3 channels, and the network takes 2"):
        capture(network, torch.rand(1, 3, 40))
    with pytest.raises(CnnvizError, match=r"network takes signals \[N, 2, L\]"):
        capture(network, torch.rand(1, 2, 40, 40))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="no inputs of 4 axes"):
        ArrayPreprocessing(axes=4)
    with pytest.raises(UsageError, match="Signals keep their size"):
        ArrayPreprocessing(resize=32)
    with pytest.raises(UsageError, match="is none of a volume"):
        ArrayPreprocessing(axes=3, shape=(4, 4))
    network = seeded(signal_classifier)
    with pytest.raises(UsageError, match="is not approximated"):
        cnnviz.occlusion(network, torch.rand(1, 2, 40), approximate=0.5)
    with pytest.raises(UsageError, match="no size of a signal"):
        cnnviz.architecture(network, (3, 40))


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (nn.Sequential(nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1)), (4, 1, 40)),
        (nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1)), (4, 1, 6, 8, 8)),
    ],
    ids=["signals", "volumes"],
)
def test_the_loss_and_the_gradient_along_a_line(
    network: nn.Sequential, inputs: tuple[int, ...]
) -> None:
    whole = nn.Sequential(*network, nn.Flatten(), nn.Linear(4, 3)).eval()
    given = torch.randn(inputs, generator=torch.Generator().manual_seed(0))
    labels = [0, 1, 2, 0]
    found = cnnviz.loss_landscape(whole, given, labels, dimensions=1, points=3)
    loss = nn.functional.cross_entropy(whole(given), torch.tensor(labels))
    assert found.losses[0, 1] == pytest.approx(float(loss.detach()), rel=1e-5)
    smooth = cnnviz.gradient_whiteness(whole, given[:2], points=12)
    assert smooth.correlations[0, :, 0] == pytest.approx(1.0)
