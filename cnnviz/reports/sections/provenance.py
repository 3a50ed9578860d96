"""How the report was made: enough to make it again."""

from __future__ import annotations

import platform
from functools import cache

from cnnviz.images import ArrayInput
from cnnviz.reports.content import Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.provenance import installed_version
from cnnviz.results.space import IMAGE
from cnnviz.results.text import measured_time, plural

PACKAGES = (
    "cnnviz",
    "torch",
    "torchvision",
    "captum",
    "numpy",
    "pillow",
    "matplotlib",
    "opencv-python",
)


def build(context: Context) -> Section:
    """List where everything came from: network, images, versions, and the time each step took."""
    return Section(
        key="provenance",
        title=context.title,
        anchor=context.anchor("provenance"),
        lead=(
            f"Each {context.model.space.noun} went through the network once, forward and backward; "
            "every picture of it in this report comes from that one pass. The network was run as "
            "for inference and left as it was. Nothing in the pictures was drawn at random.",
            "The same pictures lie beside this page as PNG files, each with its origin inside, and "
            "every number is in report.json.",
        ),
        tables=(_network(context), *_images(context), _versions(), _times(context)),
    )


def _network(context: Context) -> Table:
    model = context.model
    targets = {name for subject in context.subjects for name in subject.provenance.targets}
    rows = [
        ("Network", model.name),
        ("Weights", model.weights),
        ("SHA-256 of the weights", model.sha256),
        ("Preprocessing", model.preprocessing.describe()),
        *([("Output", model.reading.describe())] if model.reading is not None else []),
        ("Layers", context.layers or "the last at each spatial resolution"),
        ("Device", f"{model.device}, {str(model.dtype).removeprefix('torch.')}"),
    ]
    computed = dict.fromkeys(subject.provenance.computed_on for subject in context.subjects)
    if computed:
        rows.append(("Computed on", "; ".join(computed)))
    if targets:
        rows.append(("Explained", ", ".join(sorted(targets))))
    return Table(
        title="The network and what was done",
        caption="With these settings and the same files the report comes out the same.",
        columns=(TableColumn("What"), TableColumn("Value", unbroken=True)),
        rows=tuple(rows),
    )


def _images(context: Context) -> tuple[Table, ...]:
    if not context.subjects:
        return ()
    noun = context.model.space.noun
    rows = tuple(
        (
            subject.photo.name,
            subject.photo.described
            if isinstance(subject.photo, ArrayInput)
            else f"{subject.photo.height} x {subject.photo.width}",
            "; ".join(subject.photo.notes) or "nothing",
            subject.photo.sha256,
        )
        for subject in context.subjects
    )
    return (
        Table(
            title=f"The {noun}s",
            caption=f"{plural(len(rows), noun)}, each with the SHA-256 of its file.",
            columns=(
                TableColumn(noun.capitalize()),
                TableColumn("Height x width" if context.model.space == IMAGE else "Size"),
                TableColumn("Done to it"),
                TableColumn("SHA-256", unbroken=True),
            ),
            rows=rows,
            folded=len(rows) > 8,
        ),
    )


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages at work."""
    return {
        "python": platform.python_version(),
        **{package: installed_version(package) for package in PACKAGES},
    }


def _versions() -> Table:
    return Table(
        title="Versions",
        caption="The software that made this report.",
        columns=(TableColumn("Package"), TableColumn("Version")),
        rows=tuple(versions().items()),
        folded=True,
    )


def _times(context: Context) -> Table:
    rows = tuple((step, measured_time(spent)) for step, spent in context.times)
    total = sum(spent for _, spent in context.times)
    return Table(
        title="Times",
        caption=(
            "How long each step took up to this page; loading the network and drawing the pictures "
            "come on top."
        ),
        columns=(TableColumn("Step"), TableColumn("Time", numeric=True)),
        rows=rows,
        total=("all steps", measured_time(total)),
        folded=True,
    )
