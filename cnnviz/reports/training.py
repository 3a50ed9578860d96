"""The report on a training run: what each layer got and did, and what turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.gradients.monitor.loss_history import LOSSES
from cnnviz.gradients.monitor.picture import LOOKS, draw_decades, draw_heat, draw_loss
from cnnviz.gradients.monitor.run import TrainingRun
from cnnviz.gradients.monitor.step_axis import binned, columns, span
from cnnviz.reports.content import Picture, Readout, Section
from cnnviz.reports.document import Report
from cnnviz.reports.progress import DRAWING_SHARE, WRITING_STEPS, ReportProgress, Steps
from cnnviz.reports.training_tables import event_tables, layer_table, recorded_tables
from cnnviz.results.text import count, measured_time, number, plural, whole_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LOSSES = 4_000
"""So many losses at most are told on a page, evenly spread, each at its own step."""
_READ = {
    "gradient": (
        "The norm of the gradient that arrives at each layer's output, the first layer on top. "
        "Even colours from the bottom to the top mean that the gradient arrives; colours that "
        "darken towards the top mean that it vanishes on the way."
    ),
    "activation": "The norm of what each layer gave, the first layer on top.",
    "update": (
        "How far each step moved the weights of a layer, as a share of their norm. About a "
        "thousandth is usual; a layer several decades below the others hardly learns, and one "
        "near 1 is thrown about. Weights that batch norm rescales can move more."
    ),
    "dead": (
        "The share of channels at whose activation the slope was zero at every position of every "
        "sample of the step: such a channel passes no gradient back. Where several activations "
        "follow a layer, the worst of them."
    ),
    "saturated": (
        "The share of positions at which a bounded activation has less than 5% of its steepest "
        "slope. Saturation alone is no verdict: a tanh network may learn well with 40%."
    ),
}


def training_report(
    run: TrainingRun, *, interactive: bool = False, progress: ReportProgress | None = None
) -> Report:
    """Tell a training run as a report.

    Parameters
    ----------
    run : TrainingRun
        The run, which may still go on.
    interactive : bool
        Whether the page tells step, layer and value under the pointer.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while `Report.save` draws.

    Returns
    -------
    Report
        Everything the report says. Nothing is drawn before `Report.save`.
    """
    sections = tuple(
        section
        for section in (_course(run), _depth(run), _movement(run), _units(run), _provenance(run))
        if section is not None
    )
    if interactive:
        sections = tuple(_readable(run, section) for section in sections)
    steps = Steps(progress)
    steps.rest(DRAWING_SHARE * len(sections) + WRITING_STEPS)
    return Report(
        provenance=run.provenance,
        created=datetime.now().astimezone(),
        facts=_facts(run),
        answers=(),
        sections=sections,
        notes=_notes(run),
        steps=steps,
        heading=f"How {run.name} {'trained' if run.finished else 'is training'}",
    )


def _readable(run: TrainingRun, section: Section) -> Section:
    return replace(
        section,
        pictures=tuple(replace(one, readout=_readout(run, one.name)) for one in section.pictures),
    )


def _readout(run: TrainingRun, name: str) -> Readout | None:
    """Return the values that a picture of the run shows, as they are drawn."""
    if name == "loss":
        held = np.unique(np.linspace(0, run.losses.size - 1, _MOST_LOSSES).round().astype(int))
        if not run.losses.size:
            return None
        return Readout(
            ("loss",), np.asarray(run.loss_steps, float)[held], run.losses[None, held], False
        )
    if name == "decades":
        return Readout(("decades",), np.asarray(run.steps, float), run.decades[None], False)
    if name not in LOOKS:
        return None
    (left, right), values = span(run), binned(run, getattr(run, name))
    wide = values.shape[1]
    # The middles of the columns that are drawn, to the nearest step.
    steps = np.round(left + (np.arange(wide) + 0.5) * (right - left) / wide)
    return Readout(tuple(run.layers), steps, values, True)


def _facts(run: TrainingRun) -> tuple[tuple[str, str], ...]:
    facts = [("Network", run.name)]
    facts += [(name.capitalize(), value) for name, value in run.facts.items()]
    facts += [
        ("Steps", count(run.length)),
        ("Samples a step", _range(run.samples)),
        ("Time", measured_time(float(run.seconds[-1]))),
    ]
    if run.losses.size:
        facts.append(("Loss", run.loss_words.removeprefix("loss ")))
    return tuple(facts)


def _range(values: NDArray[np.int64]) -> str:
    low, high = count(int(values.min())), count(int(values.max()))
    return low if low == high else f"{low} to {high}"


def _notes(run: TrainingRun) -> tuple[str, ...]:
    notes = [] if run.finished and not run.error else [run.state]
    if not run.finished:
        notes[-1] += " It goes on, or was stopped without notice; make the report again for more."
    skipped = int(run.skipped.sum())
    if skipped:
        notes.append(
            f"Mixed precision left out {plural(skipped, 'update')} among the recorded "
            "steps, because gradients were not finite at its scale; those steps are not shown."
        )
    if run.unmeasured:
        lost = len(run.unmeasured)
        what = "1 layer or part was" if lost == 1 else f"{count(lost)} layers or parts were"
        notes.append(
            f"{what} not measured, or not to the end: nothing is said of what is missing. The "
            "reasons stand at the end of the page."
        )
    return tuple(notes)


def _course(run: TrainingRun) -> Section:
    kinds = list(dict.fromkeys(event.kind for event in run.events))
    lead = [_verdict(run)]
    if kinds:
        lead.append(
            "Each dot below the loss is the step at which something was told, once: an event is "
            "told when it has lasted for three recorded steps, and at once where a number is not "
            "finite or the loss jumps."
        )
    pictures = (
        _picture(
            run,
            "loss",
            "Loss and events" if kinds else "Loss",
            "The loss of each step that was logged"
            + (", the learning rate at the recorded steps" if _varies(run.rates) else "")
            + (", and below it when each kind of event was told." if kinds else "."),
            partial(draw_loss, run),
        ),
    )
    return Section(
        key="course",
        title="The course of the training",
        anchor="course",
        lead=tuple(lead),
        pictures=pictures,
        tables=event_tables(run),
    )


def _varies(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return bool(known.size) and bool(known.min() < known.max())


def _verdict(run: TrainingRun) -> str:
    if not run.events:
        measured = " that was measured" if run.unmeasured else ""
        depth = (
            "the gradient stayed within bounds along the depth"
            if np.isfinite(run.decades).any()
            else "how the gradient fares along the depth was not measured"
        )
        return (
            f"Nothing turned in the {plural(len(run.steps), 'recorded step')}: every "
            f"number{measured} stayed finite, {depth}, and every layer{measured} moved. "
            f"{_loss_sentence(run)}{_too_short(run)}"
        )
    first = run.events[0]
    others = len(run.events) - 1
    more = f" {plural(others, 'more event')} followed." if others else ""
    return f"At step {first.step}: {first.text}{more} {_loss_sentence(run)}"


def _too_short(run: TrainingRun) -> str:
    """Say which verdicts on the loss need more of it; empty where there is enough."""
    missing = [
        what
        for what, needed in (("that the learning rate is too small", LOSSES), ("noise", 2 * LOSSES))
        if run.losses.size < needed
    ]
    if not run.losses.size or not missing:
        return ""
    return (
        f" Its {plural(run.losses.size, 'loss', 'losses')} are too few to tell "
        f"{' or '.join(missing)}."
    )


def _loss_sentence(run: TrainingRun) -> str:
    if not run.losses.size:
        return "No loss was logged, so that nothing is said of its course."
    finite = np.isfinite(run.losses)
    first = number(float(run.losses[0]))
    if finite.all():
        return f"The loss went from {first} to {number(float(run.losses[-1]))}."
    broken = int(run.loss_steps[~finite][0])
    return f"The loss began at {first} and is not finite from step {broken} on."


def _depth(run: TrainingRun) -> Section | None:
    if np.isnan(run.gradient).all():
        return None
    pictures = [_heat(run, "gradient")]
    if np.isfinite(run.decades).any():
        pictures.append(
            _picture(
                run,
                "decades",
                "From the last layer to the first",
                "How many decades larger or smaller the gradient at the first layer is than at the "
                "last before the logits, on the path with most layers. Of some hundred networks "
                "with known faults, about nine in ten of those between -1 and +1 learned with SGD, "
                "and none of those below -2 (Adam rescued some)." + _allowed(run),
                partial(draw_decades, run),
            )
        )
    pictures.append(_heat(run, "activation"))
    return Section(
        key="depth",
        title="The gradient at each layer",
        anchor="depth",
        lead=(
            "On the way back a gradient passes every layer. Here is how much of it arrives at the "
            f"output of each of the {len(run.layers)} watched layers, at each recorded step.",
        ),
        pictures=tuple(pictures),
    )


def _allowed(run: TrainingRun) -> str:
    if not run.allowance:
        return ""
    return (
        f" The upper edges stand {run.allowance:g} higher for this network, which is normalised: a "
        "step then counts by the angle that it turns weights by."
    )


def _movement(run: TrainingRun) -> Section | None:
    if np.isnan(run.update).all():
        return None
    return Section(
        key="movement",
        title="How far the weights move",
        anchor="movement",
        lead=(
            "A layer learns as far as its weights move. What counts is how far, beside how large "
            "they are.",
        ),
        pictures=(_heat(run, "update"),),
        tables=(layer_table(run),),
    )


def _units(run: TrainingRun) -> Section | None:
    shown = [name for name in ("dead", "saturated") if not np.isnan(getattr(run, name)).all()]
    if not shown:
        return None
    worst = run.layers[int(np.nanargmax(np.nan_to_num(run.dead[:, -1], nan=-1.0)))]
    share = np.nanmax(run.dead[:, -1]) if not np.isnan(run.dead[:, -1]).all() else 0.0
    lead = (
        f"At the last recorded step the most dead channels, {whole_percent(share)}, "
        f"were after {worst!r}."
        if share > 0.0
        else "At the last recorded step no channel was dead."
    )
    return Section(
        key="units",
        title="Units that pass no gradient",
        anchor="units",
        lead=(lead,),
        pictures=tuple(_heat(run, name) for name in shown),
    )


def _heat(run: TrainingRun, name: str) -> Picture:
    together = -(-len(run.steps) // columns(run))
    caption = _READ[name]
    if LOOKS[name].log:
        caption += " The colours follow the logarithm."
    if together > 1:
        caption += f" A column stands for up to {together} recorded steps: their median."
    return _picture(run, name, LOOKS[name].title, caption, partial(draw_heat, run, name))


_SHOWN = {
    "loss": ("loss_steps", "losses", "steps", "rates", "events"),
    "decades": ("steps", "decades", "allowance"),
}
"""The fields of a run that a picture shows which is not of every layer."""


def _picture(
    run: TrainingRun, name: str, title: str, caption: str, draw: Callable[[], Figure]
) -> Picture:
    shown = _SHOWN.get(name, ("layers", "steps", name))
    return Picture(
        name=name,
        title=title,
        caption=caption,
        alt=f"{title}: {run.summary()}",
        draw=draw,
        provenance=run.provenance,
        data={each: getattr(run, each) for each in shown},
    )


def _provenance(run: TrainingRun) -> Section:
    return Section(
        key="provenance",
        title="How this was recorded",
        anchor="provenance",
        lead=(
            "The figures were recorded while the network trained, and nothing in its training was "
            "changed by that. Every number of every step is in the file of the run.",
        ),
        tables=recorded_tables(run),
    )
