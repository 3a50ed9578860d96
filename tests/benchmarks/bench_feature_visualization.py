"""Feature visualization beside lucent: processor time per channel, and the activation at the end.

    python tests/benchmarks/bench_feature_visualization.py [--steps N] [--rounds N] [--channels N]
        [--only early late] [--networks resnet18 squeezenet1_0] [--peer] [--write FILE.md]

The same channels of the same layers of ResNet-18, the same number of steps, one thread, seconds of
the processor, turn by turn; early stopping is off, so that both take every step. lucent is
reimplemented here with its defaults (128 px, Fourier with lucid's colours, its five transforms,
scaled up to 224 px, Adam at 0.05, one channel at a time, the whole network forward, the weights'
gradients too), for torch-lucent 0.1.8 asks for a kornia of 2020. With --peer the package itself
is timed; it can be had without changing anything else by

    pip install --no-deps --target FOLDER torch-lucent==0.1.8 kornia==0.4.1 decorator
    PYTHONPATH=FOLDER python tests/benchmarks/bench_feature_visualization.py --peer

Each picture is scored as it is, without random moves, by the mean activation of its channel, and
both at the same two sizes: that of cnnviz's pictures, to which lucent's are cut (not scaled), and
224 px, to which cnnviz's, which are tiles where they are smaller, are continued as a tiling.
ResNet-18 has random weights; for SqueezeNet, named by --networks, trained weights must be in
torch's cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
import types
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.models import Model
from cnnviz.units.visualization import (
    AscentSettings,
    Job,
    VisualizationStore,
    plan,
    read_objectives,
    scoring,
)

LAYERS = {
    "resnet18": {"early": "layer1.1.conv2", "late": "layer4.1.conv2"},
    "squeezenet1_0": {"early": "features.3.expand3x3", "late": "features.12.expand3x3"},
}
NATIVE = 224
GOALS = {"early": 2.2, "late": 1.7}
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
# As in lucent's param/color.py, after Olah et al. 2017.
COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


def lucents(module: nn.Module, layer: str, channel: int, steps: int) -> torch.Tensor:
    """Return the picture [1, 3, 128, 128] that lucent's `render_vis` makes with its defaults."""
    random = np.random.default_rng(channel)
    torch.default_generator.manual_seed(channel)
    frequencies = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None, :65])
    scale = torch.tensor(1.0 / np.maximum(frequencies, 1.0 / 128)).float()[..., None]
    spectrum = (0.01 * torch.randn(1, 3, 128, 65, 2)).requires_grad_()
    colours = COLOURS / COLOURS.norm(dim=0).max()
    held: dict[str, torch.Tensor] = {}
    handle = module.get_submodule(layer).register_forward_hook(
        lambda _module, _inputs, output: held.update(found=output)
    )

    def picture() -> torch.Tensor:
        waves = torch.view_as_complex(scale * spectrum)
        values = torch.fft.irfftn(waves, s=(128, 128), norm="ortho") / 4.0
        return torch.einsum("cd,ndhw->nchw", colours, values).sigmoid()

    optimizer = torch.optim.Adam([spectrum], lr=5e-2)
    try:
        for _ in range(steps):
            optimizer.zero_grad()
            x = (_lucents_moves(picture(), random) - MEAN[:, None, None]) / STD[:, None, None]
            module(F.interpolate(x, (224, 224), mode="bilinear", align_corners=True))
            (-held["found"][:, channel].mean()).backward()
            optimizer.step()
    finally:
        handle.remove()
        module.zero_grad()
    return picture().detach()


def _lucents_moves(x: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Pad, jitter, scale, rotate and jitter, as lucent's `standard_transforms`."""
    x = _moved(F.pad(x, [12] * 4, value=0.5), shift=random.integers(8, size=2))
    factor = 1 + (random.integers(11) - 5) / 50.0
    side = int(np.ceil(factor * x.shape[-1]))
    pad = max(0, int(np.ceil((x.shape[-1] - side) / 2)))
    x = F.pad(F.interpolate(x, (side, side), mode="bilinear", align_corners=True), [pad] * 4)
    x = _moved(x, angle=float(random.choice([*range(-10, 11), 0, 0, 0, 0, 0])))
    return _moved(x, shift=random.integers(4, size=2))


def _moved(x: torch.Tensor, *, shift: Sequence[int] = (0, 0), angle: float = 0.0) -> torch.Tensor:
    side, turn = x.shape[-1], np.deg2rad(angle)
    matrix = [
        [np.cos(turn), -np.sin(turn), -2.0 * shift[0] / side],
        [np.sin(turn), np.cos(turn), -2.0 * shift[1] / side],
    ]
    grid = F.affine_grid(torch.tensor([matrix]).float(), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def package(module: nn.Module, layer: str, channel: int, steps: int) -> torch.Tensor:
    """Return the picture that the installed lucent makes."""
    for name in ("IPython", "IPython.display"):
        # It imports these for notebooks, and uses nothing of them here.
        sys.modules.setdefault(name, types.ModuleType(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lucent.optvis import objectives, render

        found = render.render_vis(
            module,
            objectives.channel(layer.replace(".", "_"), channel),
            thresholds=(steps,),
            progress=False,
            show_image=False,
        )
    module.zero_grad()
    return torch.from_numpy(found[0]).permute(0, 3, 1, 2).float()


def ours(model: Model, layer: str, channels: Sequence[int], steps: int) -> list[torch.Tensor]:
    """Make all channels at once and return their pictures, [1, 3, h, w] each."""
    objectives = read_objectives(model, f"{layer}:{','.join(map(str, channels))}")
    groups = plan(
        model, objectives, AscentSettings("fourier", steps, 0, (0, 0), early=False), None, False
    )
    found = Job(model, groups, VisualizationStore(None, {})).run()
    return [torch.from_numpy(found[objective.name][2].pictures) for objective in objectives]


def scores(
    model: Model, layer: str, channel: int, mine: torch.Tensor, other: torch.Tensor
) -> tuple[float, float, float, float]:
    """Return what both pictures score at the size of cnnviz's, and what they do at 224 px."""
    side = mine.shape[-1]
    large = F.interpolate(other, (NATIVE, NATIVE), mode="bilinear", align_corners=True)
    margin = (NATIVE - side) // 2
    cut = large[..., margin : margin + side, margin : margin + side]
    continued = F.pad(mine, [margin] * 4, mode="circular") if margin else mine
    (objective,) = read_objectives(model, f"{layer}:{channel}")
    with scoring(model, objective.layer) as probe, torch.no_grad():
        own, theirs, own_large, theirs_large = (
            float(probe.scores(picture, [objective])[0])
            for picture in (mine, cut, continued, large)
        )
    return own, theirs, own_large, theirs_large


def measure(
    name: str, where: str, peer: Callable[..., torch.Tensor], chosen: argparse.Namespace
) -> str:
    """Return a row of the table."""
    model = cnnviz.load(name, "random" if name == "resnet18" else "DEFAULT", device="cpu")
    model.module.eval()
    layer, channels = LAYERS[name][where], range(chosen.channels)
    mine, theirs, ratios = [], [], []
    for _ in range(chosen.rounds):
        begin = time.process_time()
        pictures = ours(model, layer, channels, chosen.steps)
        mine.append((time.process_time() - begin) / len(channels))
        begin = time.process_time()
        others = [
            peer(model.module, layer, each, chosen.steps) for each in channels[: chosen.peers]
        ]
        theirs.append((time.process_time() - begin) / len(others))
        ratios.append(theirs[-1] / mine[-1])
    found = np.array(
        [
            scores(model, layer, *each)
            for each in zip(channels, pictures, others, strict=False)  # lucent may make fewer
        ]
    )
    side, middle = pictures[0].shape[-1], np.median(found, axis=0)
    cells = [
        f"{name}, {where}: {layer}",
        f"{statistics.median(mine):.2f} s",
        f"{statistics.median(theirs):.2f} s",
        f"{statistics.median(ratios):.1f}",
        f"{GOALS[where]:g}",
        f"{side} px: {middle[0]:.3g}, {middle[1]:.3g}",
        f"{int((found[:, 0] >= found[:, 1]).sum())} of {len(found)}",
        f"{middle[2]:.3g}, {middle[3]:.3g}",
        f"{int((found[:, 2] >= found[:, 3]).sum())} of {len(found)}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, and print as Markdown."""
    parser = argparse.ArgumentParser(description="Feature visualization beside lucent.")
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--channels", type=int, default=8, help="channels at each layer")
    parser.add_argument("--peers", type=int, default=3, help="how many of them lucent makes")
    parser.add_argument("--only", nargs="+", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--networks", nargs="+", choices=list(LAYERS), default=["resnet18"])
    parser.add_argument("--peer", action="store_true", help="time the installed lucent")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page of Markdown")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "| layer | cnnviz, per channel | lucent | times faster | goal | activation, lucent's | "
        f"as high or higher | at {NATIVE} px | as high or higher |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in chosen.networks:
        for where in chosen.only:
            lines.append(measure(name, where, package if chosen.peer else lucents, chosen))
            print(lines[-1], flush=True)
    which = "torch-lucent 0.1.8" if chosen.peer else "lucent's defaults, reimplemented"
    text = "\n".join(lines) + (
        f"\n\nSeconds of the processor, one thread, {chosen.steps} steps, {chosen.channels} "
        f"channels, {chosen.peers} of them by {which}; activations are medians over these. "
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, torch "
        f"{version('torch')}. ResNet-18 has random weights, SqueezeNet trained ones.\n"
    )
    print(f"\n{text}")
    if chosen.write:
        chosen.write.write_text(f"# Feature visualization\n\n{text}", "utf-8")


if __name__ == "__main__":
    main()
