"""Networks that `torch.export` saved: ``path/to/network.pt2``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.foreign_code import first_line
from cnnviz.images import Preprocessing
from cnnviz.images.paths import expand
from cnnviz.models.guesses import guess_for
from cnnviz.models.model import Model
from cnnviz.models.settings import beside_model
from cnnviz.results.given_files import check_ordinary, no_file
from cnnviz.results.text import plural

SUFFIX = ".pt2"
_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def names() -> list[str]:
    """Return no name: any file may hold a network."""
    return []


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the network of ``FILE.pt2``, or None (see `cnnviz.models.sources`)."""
    if not name.lower().endswith(SUFFIX):
        return None
    path = expand(name)
    if weights != "DEFAULT":
        raise ModelError(
            f"{path.name} holds its weights.", "Leave the weights out, or export another program."
        )
    return load_program(path)


def load_program(path: Path) -> Model:
    """Load an exported program, its layers under the names they had.

    Raises
    ------
    ModelError
        The file is missing or damaged, its program takes more than one image, or torch cannot tell
        its layers apart.
    """
    if not path.is_file():
        raise ModelError(*no_file(path))
    program = _read(path)
    shape = _image_shape(program, path)
    model = Model(
        _with_layers(program, path).eval(),
        name=path.stem,
        preprocessing=_guess(shape),
        weights=f"exported to {path.name}",
        notes=_notes(shape),
        call=_one_by_one if shape[0] == 1 else None,
    )
    beside_model(model, path)
    return model


def _read(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), _data_only():
            warnings.simplefilter("ignore")
            check_ordinary(path)
            return torch.export.load(path)
    except Exception as error:  # damage surfaces as almost any exception
        raise ModelError(
            f"{path.name} is no program of torch.export, or is damaged ({first_line(error)}).",
            "Save one with torch.export.save(torch.export.export(network, (image,)), path); the "
            "version of torch must be able to read it.",
        ) from error


def _with_layers(program: Any, path: Path) -> nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module: nn.Module = torch.export.unflatten(program)
    except Exception as error:  # torch raises what it meets
        raise ModelError(
            f"torch {torch.__version__} cannot tell the layers of {path.name} apart "
            f"({first_line(error)}).",
            "Export the network anew with strict=False, as torch 2.7 and later do unless told "
            "otherwise.",
        ) from error
    return module


def _one_by_one(network: nn.Module, images: torch.Tensor) -> Any:
    """Run a program that takes one image on each of several."""
    found = [network(images[place : place + 1]) for place in range(len(images))]
    if len(found) == 1 or not all(isinstance(output, torch.Tensor) for output in found):
        return found[0] if len(found) == 1 else network(images)
    return torch.cat(found)


@contextmanager
def _data_only() -> Iterator[None]:
    """Let torch read tensors and nothing else: it would run what is pickled in a program."""
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


def _image_shape(program: Any, path: Path) -> tuple[int | None, ...]:
    """Return the shape that a program takes; None for an axis that may have any length."""
    wanted = program.graph_signature.user_inputs
    nodes = [
        node for node in program.graph.nodes if node.op == "placeholder" and node.name in wanted
    ]
    values = [node.meta.get("val") for node in nodes]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor) or values[0].ndim != 4:
        raise ModelError(
            f"{path.name} takes {plural(len(wanted), 'input')}, not one image [N, C, H, W].",
            "Export a network whose forward takes the image alone.",
        )
    return tuple(size if isinstance(size, int) else None for size in values[0].shape)


def _guess(shape: tuple[int | None, ...]) -> Preprocessing:
    guess, height, width = guess_for(shape[1] or 3), shape[2], shape[3]
    if height is None or width is None:
        return guess
    told = f"{guess.origin}; {height} x {width} px is what it was exported for"
    return replace(guess, resize=min(height, width), crop=(height, width), origin=told)


def _notes(shape: tuple[int | None, ...]) -> tuple[str, ...]:
    if shape[0] is None:
        return ()
    return (
        f"Exported for {plural(shape[0], 'image')} at a time (dynamic_shapes of torch.export "
        "allows any number)",
    )
