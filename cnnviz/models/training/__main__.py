"""The command `python -m cnnviz.models.training NAME --out DIR`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from cnnviz.errors import CnnvizError, OutputError

from .card import describe, judge, to_file, write
from .data import draw_samples
from .loop import TRAINABLE, Network, TrainingRecipe, check_trainable, train

_EVERY = 100
CHECKPOINTS = "checkpoints"
"""The folder, in that of the network, of what is kept on the way."""


def main(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(TRAINABLE)}.")],
    out: Annotated[Path, typer.Option(help="Folder for NAME.safetensors and NAME.json.")],
    seed: Annotated[int, typer.Option(help="Seed of the data, the weights and the order.")] = 0,
    samples: Annotated[int, typer.Option(help="Training samples, 27 KB of memory each.")] = (
        TrainingRecipe.samples
    ),
    epochs: Annotated[int, typer.Option(help="Passes over them.")] = TrainingRecipe.epochs,
    workers: Annotated[int | None, typer.Option(help="Processes that draw samples.", min=1)] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch.", min=1)] = None,
    keep_every: Annotated[
        int | None,
        typer.Option(help="Keep a checkpoint every so many steps, in DIR/checkpoints.", min=1),
    ] = None,
) -> None:
    """Train a network on shapes; write its weights and its model card."""
    try:
        recipe = TrainingRecipe(seed=seed, samples=samples, epochs=epochs)
        check_trainable(name)
        _make_folder(out if keep_every is None else out / CHECKPOINTS)
        if threads is not None:
            torch.set_num_threads(threads)
        _train_and_write(name, out, recipe, workers, keep_every)
    except CnnvizError as error:
        typer.echo(f"{error.what}\n{error.remedy}", err=True)
        raise typer.Exit(2) from None


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {str(out)!r} cannot be made: {error.strerror or error}.",
            "Name another folder with --out.",
        ) from error


def _train_and_write(
    name: str, out: Path, recipe: TrainingRecipe, workers: int | None, keep_every: int | None
) -> None:
    begin = time.monotonic()
    typer.echo(f"Drawing {recipe.samples:,} samples.")
    images, labels, masks = draw_samples(recipe.samples, seed=recipe.seed, workers=workers)
    drawn = time.monotonic() - begin
    recent: list[float] = []

    def report(step: int, loss: float) -> None:
        recent.append(loss)
        if step % _EVERY == 0 or step == recipe.steps:
            mean = sum(recent[-_EVERY:]) / len(recent[-_EVERY:])
            passed = time.monotonic() - begin
            typer.echo(f"step {step:,} of {recipe.steps:,}: loss {mean:.3f}, {passed:.0f} s")

    def keep(steps: int, network: Network) -> None:
        content = to_file(name, network, recipe, steps)
        write(out / CHECKPOINTS / f"{name}-step-{steps}.safetensors", content)

    typer.echo(f"Training {name}.")
    network, losses = train(
        name, images, labels, masks, recipe, report=report, keep_every=keep_every, keep=keep
    )
    training = {
        "steps": len(losses),
        "drawing_seconds": round(drawn, 1),
        "seconds": round(time.monotonic() - begin, 1),
        "processor_seconds": round(sum(os.times()[:4]), 1),
        "threads": torch.get_num_threads(),
    }
    del images, masks
    content = to_file(name, network, recipe, len(losses))
    card = describe(name, network, content, recipe, training)
    card["results"] = judge(name, network, seed=recipe.seed, workers=workers)
    write(out / f"{name}.safetensors", content)
    write(out / f"{name}.json", (json.dumps(card, indent=2) + "\n").encode())
    typer.echo(
        f"{card['results']['accuracy']:.2%} of {card['results']['samples']:,} held-out samples "
        f"right. Written to {out}: {name}.safetensors ({len(content):,} bytes) and {name}.json."
    )


if __name__ == "__main__":
    typer.run(main)
