"""What one record tells of the layers by itself, without a look at the records before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from cnnviz.gradients.monitor.records import Event, StepRecord
from cnnviz.gradients.verdicts import (
    EDGES,
    SATURATED_LAYER,
    SATURATED_NETWORK,
    band,
    raised_edges,
)
from cnnviz.results.text import listed, minus, percent, whole_percent

NAMED = 8
"""How many layers one event names."""
UNSCALED = 10.0
"""Root mean square of the input from which it is not normalised: that of bytes is about 130 and
that of normalised images 1 (LeCun et al. 1998 ask for a mean of 0 and a variance of about 1)."""


def bad_input(record: StepRecord, last_good: int | None) -> Event | None:
    """Return that what goes into the network is not finite; None where it is."""
    if record.inputs is None or not record.inputs.broken > 0.0:
        return None
    layer = record.layers[0]
    broken = [name for name, norm in record.of("weight").items() if not math.isfinite(norm)]
    weights = (
        f"; the weights of {record.named(broken[0])} are not finite any more either"
        if broken
        else ", while every weight is finite"
    )
    return Event(
        record.step,
        "bad-input",
        layer,
        f"What goes into {record.named(layer)}, the first layer, is not finite at step "
        f"{record.step}: {percent(record.inputs.broken)} of its values are NaN or infinite{weights}"
        f"{_since(last_good)}. Look at the data and at what prepares it (a division by a deviation "
        "of zero, a logarithm), not at the network.",
    )


def not_finite(record: StepRecord, last_good: int | None) -> Event | None:
    """Return where numbers that are not finite begin: forward first, then backward."""
    wrong = {
        name: [layer for layer, value in record.of(name).items() if not math.isfinite(value)]
        for name in ("activation", "gradient", "weight", "weight_gradient", "update")
    }
    place = {layer: index for index, layer in enumerate(record.layers)}
    weights, outputs, gradients = wrong["weight"], wrong["activation"], wrong["gradient"]
    lost = [step for step, loss in record.losses if not math.isfinite(loss)]
    since = _since(last_good)
    if outputs:
        layer = outputs[0]
        cause = (
            f"its weights are not finite either, after {_updates(record, last_good)}"
            if layer in weights
            else "its weights are finite, so what goes in or the sum is too large"
        )
        text = (
            f"The output of {record.named(layer)} is not finite, the first on the way forward: "
            f"{cause}"
        )
    elif gradients:
        # The way back begins at the last layer.
        layer = max(gradients, key=place.__getitem__)
        text = (
            f"The gradient at the output of {record.named(layer)} is not finite, the first on the "
            "way back, while every output is: the loss, what it is compared with, or what comes "
            "after this layer, has no finite slope"
        )
    elif weights or wrong["weight_gradient"] or wrong["update"]:
        layer = (weights or wrong["weight_gradient"] or wrong["update"])[0]
        text = f"The weights of {record.named(layer)} are no longer finite"
    elif lost:
        return Event(
            record.step,
            "not-finite",
            "",
            f"The loss is not finite at step {lost[0]} though every layer is{since}: look at the "
            "loss itself (a logarithm or a root of zero, a division).",
        )
    else:
        return None
    loss = f"; the loss is not finite from step {lost[0]} on" if lost else ""
    return Event(record.step, "not-finite", layer, f"{text}{loss}{since}.")


def _since(last_good: int | None) -> str:
    return f" (all was finite at step {last_good})" if last_good is not None else ""


def _updates(record: StepRecord, last_good: int | None) -> str:
    if last_good is None:
        return "an earlier update" if record.step else "its initialisation"
    return f"an update from step {last_good} on; record every step to see which"


def layer_events(record: StepRecord) -> Iterator[Event]:
    """Yield what is wrong with the layers at this step."""
    yield from _unheard(record)
    yield from _frozen(record)
    yield from _eval_mode(record)
    yield from _unused(record)
    yield from _unscaled(record)
    yield from _saturated(record)
    yield from _along_depth(record)


def _unheard(record: StepRecord) -> Iterator[Event]:
    if not record.of("activation") and not record.unmeasured:
        yield Event(
            record.step,
            "unheard",
            "",
            "No layer was heard, so only weights and their updates are recorded: a compiled "
            "network calls its layers together. Watch a run without torch.compile to see inside.",
        )


def _frozen(record: StepRecord) -> Iterator[Event]:
    for why in dict.fromkeys(record.frozen.values()):
        layers = [layer for layer, reason in record.frozen.items() if reason == why]
        yield Event(
            record.step,
            "frozen",
            layers[0],
            f"No step can move {named_layers(record, layers)}: {why}. If that is meant, all is "
            "well.",
        )


def _eval_mode(record: StepRecord) -> Iterator[Event]:
    """Yield that layers which work otherwise in training were left in eval mode."""
    names = list(record.eval_mode)
    if not names:
        return
    dropouts = sum("ropout" in kind for kind in record.eval_mode.values())
    does = ["stored statistics normalise, which do not follow the data"] * (dropouts < len(names))
    does += ["nothing is dropped"] * (dropouts > 0)
    who = listed([f"{name} ({record.eval_mode[name]})" for name in names], NAMED)
    functions = [name for name in names if record.eval_mode[name].startswith("F.")]
    passed = ", and pass training=self.training to functions" if functions else ""
    yield Event(
        record.step,
        "eval-mode",
        next((name for name in names if name not in functions), ""),
        f"{who} {'is' if len(names) == 1 else 'are'} in eval mode while the network trains: "
        f"{' and '.join(does)}. Call model.train() after each validation{passed}; if fine-tuning "
        "means it, all is well.",
    )


def _unused(record: StepRecord) -> Iterator[Event]:
    """Yield that the optimizer has parameters that the loss of this step did not depend on."""
    names = record.unused
    if not names:
        return
    count = "a parameter" if len(names) == 1 else f"{len(names):,} parameters"
    yield Event(
        record.step,
        "unused",
        names[0],
        f"No gradient was computed at this step for {count} that the optimizer has: "
        f"{listed(names, NAMED)}. The loss did not depend on them: what they belong to is not "
        "called, or lies behind detach(), or its output is not part of the loss. Where it is so at "
        "every step nothing trains them, and if that is meant, take them out; a network that goes "
        "by values which way it takes may train them at others.",
    )


def named_layers(record: StepRecord, layers: Sequence[str]) -> str:
    """Return the names of some layers, and how many more there are."""
    return listed([record.named(layer) for layer in layers], NAMED)


def _unscaled(record: StepRecord) -> Iterator[Event]:
    inputs = record.inputs
    # Where layers are normalised, the scale of the input is taken out behind the first of them.
    if inputs is None or record.allowance:
        return
    size = math.hypot(inputs.mean, inputs.spread)
    if size > UNSCALED:
        layer = record.layers[0]
        yield Event(
            record.step,
            "unscaled",
            layer,
            f"What goes into {record.named(layer)}, the first layer, is not normalised: its mean is"
            f" {inputs.mean:.3g} and its standard deviation {inputs.spread:.3g}. Weights are drawn "
            "for a mean near 0 and a deviation near 1: subtract the mean and divide by the "
            "deviation.",
        )


def _along_depth(record: StepRecord) -> Iterator[Event]:
    for path in record.compared:
        decades = record.decades_along(path)
        if decades is not None:
            yield from _along(record, path, decades)


def _along(record: StepRecord, path: Sequence[str], decades: float) -> Iterator[Event]:
    first, last = path[0], path[-2]
    if decades == -math.inf:
        gradients, dead = record.of("gradient"), record.of("dead")
        lost = next(one for one in reversed(path) if gradients.get(one) == 0.0)
        cause = ", after which every unit is dead" if dead.get(lost) == 1.0 else ""
        yield Event(
            record.step,
            "blocked",
            first,
            f"No gradient arrives at {record.named(first)}: on the way back it ends at "
            f"{record.named(lost)}{cause}.",
        )
        return
    label = band(decades, raised_edges(record.allowance))
    way = minus(f"{decades:+.1f}") + f" decades from {record.named(last)} to {record.named(first)}"
    if label in ("vanished", "vanishing"):
        text = (
            f"The gradient vanishes: {way}. Skip connections, normalisation or an initialisation "
            "that suits the activation carry it; Adam may rescue the run."
        )
        yield Event(record.step, "vanishing", first, text)
    elif label in ("exploding", "exploded"):
        text = f"The gradient explodes: {way}. Clip it, or initialise with smaller weights."
        yield Event(record.step, "exploding", first, text)


def _saturated(record: StepRecord) -> Iterator[Event]:
    """Yield that hidden units sit on the flat sides of their activations.

    A sigmoid behind the last layer gives the answer, and is flat where the network is sure.
    """
    shares = record.of("saturated")
    called = list(record.of("activation"))
    hidden = {layer: share for layer, share in shares.items() if layer != (called or [""])[-1]}
    if not hidden:
        return
    much = [layer for layer, share in hidden.items() if share >= SATURATED_LAYER]
    decades = record.decades
    faded = decades is not None and decades < EDGES[2]
    if not much and faded and fmean(hidden.values()) >= SATURATED_NETWORK:
        much = [max(hidden, key=hidden.__getitem__)]
    if much:
        yield Event(
            record.step,
            "saturated",
            much[0],
            f"{whole_percent(hidden[much[0]])} of the positions after "
            f"{named_layers(record, much)} lie where the activation is flat, so that "
            "hardly any gradient passes: smaller weights or biases "
            "at the start, a normalisation ahead of the activation, or another activation.",
        )
