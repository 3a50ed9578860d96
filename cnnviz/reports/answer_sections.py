"""Sections on the answers to labelled images: which are wrong, and which classes are confused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cnnviz.reports.content import Picture, Section, Table, TableColumn, WrongAnswer
from cnnviz.reports.sections.provenance import versions
from cnnviz.results import drawing, mosaics
from cnnviz.results.text import count, layer_said, number, percent, plural

if TYPE_CHECKING:
    from cnnviz.evaluation.answers.examples import Example
    from cnnviz.evaluation.answers.result import CountedAnswers
    from cnnviz.evaluation.mistakes.result import Order

_SIDE = 224
_MOST_LISTED = 500
_MOST_PAIRS = 100
_MOST_CELLS = 30


def wrong(found: CountedAnswers, order: Order = "confidence", filters: str = "") -> Section:
    """Tell the wrong answers, the worst with what the network saw."""
    if not found.mistakes:
        which = f" {filters}" if found.wrong else ""
        lead = [f"There is no wrong answer{which} among {plural(found.decisions, 'answer')}."]
        return Section("wrong", "Wrong answers", "wrong", tuple(lead))
    first = "the surest first" if order == "confidence" else "the largest loss first"
    which = f" {filters}" if filters else ""
    extent = plural(len(found.mistakes), "wrong answer") + which
    if len(found.examples) < len(found.mistakes):
        extent = f"{len(found.examples):,} of the {extent}"
    lead = [f"Here {'is' if len(found.examples) == 1 else 'are'} {extent}, {first}."]
    if any(example.maps for example in found.examples):
        pairs = found.shown_classes
        shown = "photo" if found.noun == "image" else found.noun
        which = "its answer, and then that of what is right" if pairs else "the label"
        lead.append(
            f"Beside what the network saw of each {shown} stands the Grad-CAM of {which}, at "
            f"{layer_said(found.layer)}: bright is evidence for it, each on a scale of its own."
        )
        if any(any(example.marks) for example in found.examples):
            lead.append("Which of them are not evidence stands below them.")
    answers = tuple(_answer(found, place) for place in range(len(found.examples)))
    return Section(
        "wrong",
        "Wrong answers",
        "wrong",
        tuple(lead),
        tables=_listed(found),
        answers=answers,
    )


def _answer(found: CountedAnswers, place: int) -> WrongAnswer:
    example = found.examples[place]
    mistake = example.mistake
    said = f"{mistake.image}: answered {mistake.answer} ({percent(mistake.confidence)}), right "
    said += f"is {mistake.truth} ({percent(mistake.truth_probability)})"
    of = ("its answer", "what is right") if len(example.marks) > 1 else ("the label",)
    doubted = [
        f"Grad-CAM of {which}: {mark}"
        for which, mark in zip(of, example.marks, strict=False)
        if mark
    ]
    return WrongAnswer(
        Picture(
            name=f"wrong-{place + 1}",
            title=mistake.image,
            caption=". ".join([said, *doubted]),
            alt=f"{said}. The {'photo' if found.noun == 'image' else found.noun}"
            + (", and the evidence in it" if example.maps and not doubted else ""),
            draw=partial(_beside, example),
            provenance=found.provenance,
            data={"ends": list(example.ranges)},
        ),
        mistake.image,
        mistake.truth,
        mistake.answer,
        mistake.confidence,
        mistake.truth_probability,
        tuple(doubted),
    )


def _beside(example: Example) -> drawing.Pixels:
    tiles = (example.photo, *example.overlays)
    return mosaics.mosaic(tiles, columns=len(tiles), side=_SIDE).pixels


def _listed(found: CountedAnswers) -> tuple[Table, ...]:
    shown = found.mistakes[:_MOST_LISTED]
    more = f" The first {len(shown):,}." if len(shown) < len(found.mistakes) else ""
    return (
        Table(
            title="Every wrong answer",
            caption=f"All of them are in errors.csv.{more}",
            columns=(
                TableColumn(found.noun.capitalize()),
                TableColumn("Right answer"),
                TableColumn("Network's answer"),
                TableColumn("Probability of its answer", numeric=True),
                TableColumn("Probability of the right one", numeric=True),
                TableColumn("Loss (nats)", numeric=True),
            ),
            rows=tuple(
                (
                    one.image,
                    one.truth,
                    one.answer,
                    percent(one.confidence),
                    percent(one.truth_probability),
                    number(one.loss),
                )
                for one in shown
            ),
            folded=True,
        ),
    )


def confusion(found: CountedAnswers, stem: str = "errors", *, pictured: bool = True) -> Section:
    """Tell which classes are confused, and the calibration; numbers are in the JSON of the name."""
    title = "Confused classes" if len(found.shown_classes) else "Labels and calibration"
    return Section(
        "confusion",
        title,
        "confusion",
        (_worst_pair(found),),
        pictures=(Picture.of(found, stem, title),) if pictured else (),
        tables=(*_pairs(found, stem), *_matrix(found), *_calibration(found)),
    )


def _worst_pair(found: CountedAnswers) -> str:
    if not found.pairs:
        return f"{found.accuracy} of the answers are right."
    worst = found.pairs[0]
    if worst.count == 1:
        return "No two classes are confused more than once."
    return (
        f"Most often {worst.truth} is taken for {worst.answer}: {worst.count:,} of the "
        f"{plural(worst.labelled, found.noun)} of {worst.truth}."
    )


def _pairs(found: CountedAnswers, stem: str) -> tuple[Table, ...]:
    if not found.pairs:
        return ()
    shown = found.pairs[:_MOST_PAIRS]
    more = len(found.pairs) - len(shown)
    rest = f" {more:,} more are in {stem}.json." if more else ""
    return (
        Table(
            title="Confused pairs of classes",
            caption=(
                f"Each row is one kind of mistake, the commonest first: {found.noun}s that are "
                "labelled as "
                f"the first class, and that the network answers as the second.{rest}"
            ),
            columns=(
                TableColumn("Right class"),
                TableColumn("Answered as"),
                TableColumn(f"{found.noun.capitalize()}s answered so", numeric=True),
                TableColumn(f"{found.noun.capitalize()}s of the right class", numeric=True),
                TableColumn("Share of these", numeric=True),
            ),
            rows=tuple(
                (p.truth, p.answer, count(p.count), count(p.labelled), percent(p.share))
                for p in shown
            ),
            folded=len(shown) > 12,
        ),
    )


def _matrix(found: CountedAnswers) -> tuple[Table, ...]:
    names = found.shown_classes
    if not 0 < len(names) <= _MOST_CELLS:
        return ()
    return (
        Table(
            title="Confusion matrix",
            caption=(
                f"How many {found.noun}s of each right class (row) get each answer (column); "
                "those on the "
                "diagonal are answered rightly."
            ),
            columns=(
                TableColumn("Right class"),
                *(TableColumn(name, numeric=True) for name in names),
            ),
            rows=tuple(
                (name, *map(count, row))
                for name, row in zip(names, found.confusion.tolist(), strict=True)
            ),
            folded=True,
        ),
    )


def _calibration(found: CountedAnswers) -> tuple[Table, ...]:
    calibration = found.calibration
    return (
        Table(
            title="Calibration",
            caption="How often the network is right, by how sure it is.",
            columns=(
                TableColumn("Mean confidence", numeric=True),
                TableColumn("Right (95% interval)", numeric=True),
                TableColumn("Answers", numeric=True),
            ),
            rows=tuple(
                (percent(sure), str(share), count(share.of))
                for sure, share in zip(calibration.confidence, calibration.shares, strict=True)
                if share.of
            ),
            folded=True,
        ),
    )


def classes(found: CountedAnswers, further: Sequence[Table] = ()) -> Section:
    """Tell recall and precision of each class, in a table with others after it."""
    ordered = found.least_recalled
    table = Table(
        title="Every class",
        caption="Those that are recalled least come first; all numbers are in classes.csv.",
        columns=(
            TableColumn("Class"),
            TableColumn("Labelled", numeric=True),
            TableColumn("Answered", numeric=True),
            TableColumn("Recall (95% interval)", numeric=True),
            TableColumn("Precision (95% interval)", numeric=True),
            TableColumn("F1", numeric=True),
        ),
        rows=tuple(
            (
                each.name,
                count(each.labelled),
                count(each.answered),
                str(each.recall),
                str(each.precision),
                unless_nan(each.f1),
            )
            for each in ordered
        ),
        folded=len(ordered) > 40,
    )
    lead = (
        f"Recall is how many of the {found.noun}s with a label are answered so; precision is how "
        "many "
        f"of the {found.noun}s answered so have the label. Where {found.noun}s are few the "
        "intervals are wide: a "
        "class whose interval reaches over that of another is not shown to be recognised worse."
    )
    title = "Recall and precision of each class"
    return Section("classes", title, "classes", (lead,), tables=(table, *further))


def provenance(found: CountedAnswers) -> Section:
    """Tell the network, the data and the versions that this is of."""
    origin = found.provenance
    rows = (
        ("Network", origin.model),
        ("Weights", origin.weights),
        ("SHA-256 of the weights", origin.weights_sha256),
        ("Output", origin.output),
        ("Preprocessing", origin.preprocessing or "none was needed for an example"),
        ("Data", found.data),
        ("Fingerprint of the data", found.fingerprint),
        ("Heatmaps", f"Grad-CAM at {layer_said(found.layer)}" if found.layer else "none"),
    )
    two = (TableColumn("What"), TableColumn("Value", unbroken=True))
    return Section(
        "provenance",
        "How this was made",
        "provenance",
        (
            f"Each {found.noun} went through the network once, as for inference, and the wrong "
            "answers "
            "that are shown a second time, forward and backward. The network was left as it was.",
        ),
        tables=(
            Table("The network and the data", "With the same files it is the same.", two, rows),
            Table("Versions", "What made this.", two, tuple(versions().items()), folded=True),
        ),
    )


def unless_nan(value: float, written: Callable[[float], str] = "{:.3f}".format) -> str:
    """Return a number in words; a dash where there is none."""
    return "–" if math.isnan(value) else written(value)
