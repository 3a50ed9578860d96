"""`cnnviz shapes`: pictures of the shipped data, with their masks and factors."""

from __future__ import annotations

import inspect
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from cnnviz import bounds
from cnnviz.bounds import Index, Within, read_whole
from cnnviz.errors import OutputError, UsageError
from cnnviz.results.text import plural
from cnnviz_cli import output_options
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import print_json, say

if TYPE_CHECKING:
    from cnnviz.datasets.shapes import Sample, Shapes

SUMMARY = "Draw samples of the shipped data, with masks and factors."
HELP = """Draw samples of the shipped data into a new folder, with masks and factors.

Each sample is an RGB picture in a folder of its class, beside a mask of the object's visible
pixels, and an entry in samples.json with its class and the factors it was made from. Every command
that takes --data reads labels and masks from there. A factor is fixed by a value (--rotation 30),
drawn from a range (--clutter 0:5), or swept over the samples with all else as it was (--sweep
occlusion=0:0.8)."""
FACTORS = "Factors"

Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The folder to make.")]
Count = Annotated[int, Within(1, 10**6), typer.Option("--count", "-n", help="How many samples.")]
Start = Annotated[Index, typer.Option(help="The index of the first sample.")]
Seed = Annotated[bounds.Seed, typer.Option(help="The seed of the set.")]
Split = Annotated[
    Literal["train", "held-out"], typer.Option(help="Two sets that share no random number.")
]
Difficulty = Annotated[
    Literal["easy", "default", "hard"], typer.Option(help="What the factors are drawn from.")
]
Class = Annotated[
    str | None,
    typer.Option("--class", metavar="NAME", help="Draw only this class, by name or index."),
]
Sweep = Annotated[
    str | None,
    typer.Option(
        metavar="FACTOR=LOW:HIGH",
        help="Draw one sample, the one at --start, over a range of one factor.",
    ),
]


def build() -> Callable[..., Any]:
    """Return the command, with an option for every factor that the data set has."""
    from cnnviz.datasets.shapes.factors import LIMITS, NAMES, TEXTURES, Factors
    from cnnviz.datasets.shapes.scene import LARGEST, SMALLEST

    size = Annotated[
        int,
        Within(SMALLEST, LARGEST),
        typer.Option(help="The side of the pictures in pixels."),
    ]

    described = _attribute_descriptions(inspect.getdoc(Factors) or "")
    parameters = [
        shared("out", Out, Path("shapes")),
        shared("count", Count, 10),
        shared("class_name", Class, None),
        shared("sweep", Sweep, None),
        shared("start", Start, 0),
        shared("seed", Seed, 0),
        shared("split", Split, "train"),
        shared("difficulty", Difficulty, "default"),
        shared("size", size, 96),
        shared("json", output_options.AsJson, False),
        shared("quiet", output_options.Quiet, False),
    ]
    for name in NAMES:
        limits = "|".join(TEXTURES) if name == "texture" else "{:g} to {:g}".format(*LIMITS[name])
        option = typer.Option(
            f"--{name.replace('_', '-')}",
            metavar="NAME[,NAME]" if name == "texture" else "VALUE|LOW:HIGH",
            help=escape(f"{described.get(name, '')} ({limits})".strip()),
            rich_help_panel=FACTORS,
        )
        parameters.append(shared(name, Annotated[str | None, option], None))
    return with_signature(_run, parameters, HELP)


def _attribute_descriptions(docstring: str) -> dict[str, str]:
    from cnnviz_cli.described import parameter_descriptions

    return parameter_descriptions(
        docstring.replace("Attributes\n----------", "Parameters\n----------")
    )


def _run(values: dict[str, Any]) -> None:
    from cnnviz.datasets.files import SAMPLES
    from cnnviz.datasets.shapes import Shapes
    from cnnviz.datasets.shapes.factors import NAMES

    settings = {name: _setting(name, values[name]) for name in NAMES if values[name] is not None}
    shapes = Shapes(
        values["seed"],
        split=values["split"],
        difficulty=values["difficulty"],
        size=values["size"],
        **settings,
    )
    samples = _chosen(shapes, values)
    with _new_folder(values["out"]) as folder:
        entries = [_write(sample, position, folder) for position, sample in enumerate(samples)]
        text = json.dumps(entries, indent=1) + "\n"
        (folder / SAMPLES).write_text(text, "utf-8")
    if values["json"]:
        print_json(entries)
        return
    if not values["quiet"]:
        say(f"{plural(len(entries), 'sample')} of {shapes!r}{_asked(values)}")
    typer.echo(values["out"])


def _asked(values: dict[str, Any]) -> str:
    """Say of which class the samples are, and which factor is swept, where either was asked for."""
    said = "" if values["class_name"] is None else f", class {values['class_name']}"
    if values["sweep"] is not None:
        said += f", number {values['start']} with {values['sweep']}"
    return said


def _setting(name: str, text: str) -> Any:
    """Read a value, a range or a choice of names."""
    if name == "texture":
        names = tuple(part.strip() for part in text.split(","))
        return names[0] if len(names) == 1 else names
    low, colon, high = text.partition(":")
    return (_number(name, low), _number(name, high)) if colon else _number(name, low)


def _number(name: str, text: str) -> float:
    try:
        return int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else float(text)
    except ValueError:
        raise UsageError(
            f"--{name.replace('_', '-')} cannot be {text!r}.",
            "Give a number, or a range such as 0.2:0.8.",
        ) from None


def _chosen(shapes: Shapes, values: dict[str, Any]) -> Iterable[Sample]:
    """Draw the samples, one at a time as they are asked for."""
    count, start = values["count"], values["start"]
    label = values["class_name"]
    if isinstance(label, str) and read_whole(label) is not None:
        label = read_whole(label)
    if values["sweep"] is not None:
        factor, steps = _sweep(values["sweep"], count)
        return shapes.sweep(factor, steps, index=start, label=label)
    indices = range(start, start + count)
    if label is None:
        return (shapes[index] for index in indices)
    return (shapes.draw(label, shapes.factors(index), index) for index in indices)


def _sweep(text: str, count: int) -> tuple[str, Sequence[Any]]:
    factor, equals, span = text.partition("=")
    factor = factor.strip().replace("-", "_")
    if factor == "texture" and equals:
        return factor, [part.strip() for part in span.split(",")]
    low, colon, high = span.partition(":")
    if not equals or not colon:
        raise UsageError(
            f"--sweep cannot be {text!r}.", "Write a factor and a range: --sweep occlusion=0:0.8."
        )
    first, last = _number(factor, low), _number(factor, high)
    values = [first + (last - first) * step / max(count - 1, 1) for step in range(count)]
    return factor, [round(value) for value in values] if factor == "clutter" else values


def _write(sample: Sample, position: int, folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from PIL import Image

    # A folder for each class is what labels are read from.
    (folder / sample.name).mkdir(exist_ok=True)
    stem = f"{sample.name}/{position:05d}-{sample.name}"
    Image.fromarray(sample.image).save(folder / f"{stem}.png")
    Image.fromarray(sample.mask.astype("uint8") * 255).save(folder / f"{stem}-mask.png")
    return {
        "image": f"{stem}.png",
        "mask": f"{stem}-mask.png",
        "class": sample.name,
        "label": sample.label,
        "hidden": sample.hidden,
        "seed": sample.seed,
        "split": sample.split,
        "index": sample.index,
        "factors": asdict(sample.factors),
    }


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Hand out a hidden folder and move it to `path` if the body succeeds."""
    from cnnviz.images.paths import expand
    from cnnviz.results.files import check_parent
    from cnnviz.results.suffixes import check_folder_name

    target = expand(path).absolute()
    check_folder_name(target)
    check_parent(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(
            f"{str(path)!r} is already there.", "Name a new folder with --out, or remove that one."
        )
    staging = target.parent / f".{target.name}-{secrets.token_hex(4)}"
    try:
        staging.mkdir()
        yield staging
        staging.replace(target)
    except OSError as error:
        raise OutputError(
            f"{str(path)!r} cannot be written: {error.strerror or error}.",
            "Check the free space and the permissions, or name another place.",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
