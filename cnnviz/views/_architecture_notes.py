"""What deserves a sentence in a network: windows that do not fit, layers that do not run, gates."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.introspection.tracing.trace import LayerCall, Trace
from cnnviz.results.text import listed

_NAMED = 4
"""Layers named in one sentence before the rest are counted."""


def remarks(trace: Trace) -> tuple[str, ...]:
    """Return sentences on what a reader of the network's table should know."""
    return (
        *_misfits(trace.calls),
        *_gaps(trace.calls),
        *_gates(trace.calls, trace.space.noun),
        *_unknown(trace),
        *_uncounted(trace),
        *_zeros(trace.calls),
        *_uncalled(trace),
        *_shared(trace.calls),
    )


def asides(trace: Trace) -> tuple[str, ...]:
    """Return sentences on what looks amiss in the arithmetic and costs nothing."""
    uneven = [call for call in trace.calls if call.uneven and not _misses(call)]
    padded = [call.label for call in uneven if not _overhangs(call)]
    told = [
        f"The stride does not divide evenly in {_named(padded)}: only padding is left over there, "
        "and no pixel is lost."
    ]
    beyond = [f"{call.label}: {call.uneven}" for call in uneven if _overhangs(call)]
    return (*(told if padded else ()), *beyond)


def _named(names: Sequence[str]) -> str:
    return listed(list(dict.fromkeys(names)), _NAMED)


def _misfits(calls: Sequence[LayerCall]) -> list[str]:
    return [f"{call.label}: {call.uneven}" for call in calls if call.uneven and _misses(call)]


def _misses(call: LayerCall) -> bool:
    """Return whether windows leave out positions."""
    return call.windows is not None and any(call.windows.leftover)


def _overhangs(call: LayerCall) -> bool:
    """Return whether windows reach beyond the border, which leaves nothing out."""
    return call.windows is not None and any(call.windows.overhang)


def _gaps(calls: Sequence[LayerCall]) -> list[str]:
    wide = [call for call in calls if call.windows is not None and call.windows.gaps]
    if not wide:
        return []
    others = _named([call.label for call in wide[1:]]) if len(wide) > 1 else ""
    windows = wide[0].windows
    assert windows is not None
    return [f"{wide[0].label}: {windows.gaps}" + (f" So do {others}." if others else "")]


def _gates(calls: Sequence[LayerCall], noun: str) -> list[str]:
    gated = [call for call in calls if call.receptive_field and call.receptive_field.gateless]
    if not gated:
        return []
    return [
        f"From {gated[0].label} on, global gates (a factor or statistic that is one value for a "
        f"whole map) make every position depend on the whole {noun}; the field without them is "
        "given as well."
    ]


def _unknown(trace: Trace) -> list[str]:
    if not trace.unknown:
        return []
    return [f"What {_named(trace.unknown)} reads is not known, so no field is given after it."]


def _uncounted(trace: Trace) -> list[str]:
    if not trace.uncounted:
        return []
    named = _named(trace.uncounted)
    return [f"What {named} costs is not known, so the MACs are the least that the network takes."]


def _zeros(calls: Sequence[LayerCall]) -> list[str]:
    sparse = [call for call in calls if call.zero_macs]
    if not sparse:
        return []
    zeros, macs = sum(call.zero_macs for call in sparse), sum(call.macs for call in sparse)
    named = _named([call.label for call in sparse])
    return [
        f"{zeros:,} of the {macs:,} MACs of {named} multiply by a weight that is always zero, "
        "as a mask or a table of connections makes it. They are counted: torch carries them out."
    ]


def _uncalled(trace: Trace) -> list[str]:
    if not trace.uncalled:
        return []
    counted = sum(call.parameters for call in trace.calls)
    have = "has" if len(trace.uncalled) == 1 else "have"
    return [
        f"{_named(trace.uncalled)} {have} parameters that are not used in evaluation: "
        f"{trace.parameters - counted:,} of the {trace.parameters:,} parameters."
    ]


def _shared(calls: Sequence[LayerCall]) -> list[str]:
    again = [call.label for call in calls if call.shared_parameters]
    if not again:
        return []
    uses = "uses" if len(again) == 1 else "use"
    return [f"{_named(again)} {uses} parameters that are counted at their first use."]
