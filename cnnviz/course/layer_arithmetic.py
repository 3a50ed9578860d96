"""What every layer of a network does to sizes and what it costs, as formulas with its own numbers.

Each formula is checked against what the trace measured; where it gives something else, or there is
none, that is said in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.course.arithmetic_terms import (
    CountTerms,
    FieldTerms,
    SizeTerms,
    counted,
    grown_field,
    left_over,
    transposed_size,
    window_size,
)
from cnnviz.introspection.tracing.terms import Terms
from cnnviz.introspection.tracing.trace import LayerCall, Shape, Trace, of_one_image
from cnnviz.results.space import Space
from cnnviz.results.text import count, dimensions

_WINDOWED = ("convolution", "transposed convolution", "pooling")
_CONVOLUTIONS = ("convolution", "transposed convolution")
_UNCHANGED = frozenset({"activation", "norm", "dropout", "identity", "scale"})
_MERGES = {"add": "added", "multiply": "multiplied", "maximum": "compared", "minimum": "compared"}


@dataclass(frozen=True)
class LayerArithmetic:
    """The arithmetic of one layer.

    Attributes
    ----------
    layer, kind : str
        As in the table of layers.
    input_shape, output_shape : tuple of int
        Without the axis of images.
    size : str
        Where the output size comes from, in one line.
    size_terms : tuple of SizeTerms
        The same as numbers, along each axis; none where no such formula applies.
    fits : bool or None
        Whether the windows end where the padded input ends; None where there are none.
    left_over : str
        What they leave over where they do not; "" where they do.
    parameters : str
        Where the number of parameters comes from, in one line; "" where there are none.
    parameter_terms : CountTerms or None
        The same as numbers; None where no formula gives what was counted.
    macs : str
        Where the multiply-accumulate operations come from; "" where none are counted.
    mac_terms : CountTerms or None
        The same as numbers.
    field : str
        How the receptive field grows, in one line.
    field_terms : tuple of FieldTerms
        The same as numbers, along each axis; none where no such formula applies.
    """

    layer: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    size: str
    size_terms: tuple[SizeTerms, ...]
    fits: bool | None
    left_over: str
    parameters: str
    parameter_terms: CountTerms | None
    macs: str
    mac_terms: CountTerms | None
    field: str
    field_terms: tuple[FieldTerms, ...]

    @property
    def plain(self) -> bool:
        """Whether it neither changes a size nor has parameters nor costs that are counted."""
        return self.kind in _UNCHANGED and not self.parameters and not self.macs


def layer_arithmetic(trace: Trace) -> tuple[LayerArithmetic, ...]:
    """Return the arithmetic of every layer of a trace, in the order of execution."""
    return tuple(_of_call(call, trace.space) for call in trace.calls)


def _of_call(call: LayerCall, space: Space) -> LayerArithmetic:
    own = _own_terms(call)
    sizes = _sizes(call, own, space)
    lost = left_over(sizes, [_place(one.axis, space) for one in sizes])
    parameters, parameter_terms = _parameters(call, own)
    macs, mac_terms = _macs(call, own)
    field, field_terms = _field(call, own, space)
    return LayerArithmetic(
        layer=call.label,
        kind=call.kind,
        input_shape=of_one_image(call.input_shape),
        output_shape=of_one_image(call.output_shape),
        size=_same_or_each(sizes) if sizes else _size_in_words(call, own, space),
        size_terms=sizes,
        fits=all(one.fits for one in sizes) if sizes else None,
        left_over=lost,
        parameters=parameters,
        parameter_terms=parameter_terms,
        macs=macs,
        mac_terms=mac_terms,
        field=field,
        field_terms=field_terms,
    )


def _own_terms(call: LayerCall) -> Terms | None:
    """Return the terms of the one operation of a layer that has formulas; None for several."""
    found = [one for one in call.terms if one.sort not in ("other", "padding")]
    return found[0] if len(found) == 1 else None


def _place(axis: str, space: Space) -> str:
    return dict(zip(space.sides, space.names, strict=True)).get(axis, "position")


def _axes(count_of_axes: int, space: Space) -> tuple[str, ...]:
    if count_of_axes == space.axes:
        return space.sides
    return tuple(f"axis {place + 1}" for place in range(count_of_axes))


def _same_or_each(terms: Sequence[SizeTerms | FieldTerms]) -> str:
    texts = list(dict.fromkeys(one.formula for one in terms))
    if len(texts) == 1:
        return texts[0]
    return "; ".join(f"{one.axis} {one.formula}" for one in terms)


def _sizes(call: LayerCall, own: Terms | None, space: Space) -> tuple[SizeTerms, ...]:
    windows = call.windows
    if own is None or windows is None or own.sort not in _WINDOWED:
        return ()
    axes = min(len(windows.kernel), len(call.input_shape) - 1)
    # Pooling of a signal is pooling of a map of one row.
    parts = (windows.kernel, windows.stride, windows.dilation)
    kernel, stride, dilation = (numbers[-axes:] for numbers in parts)
    before, after = windows.padding[-axes:], windows.padding_after[-axes:]
    if space.axes < axes and set(kernel[: axes - space.axes]) == {1}:
        axes = space.axes
    sizes, measured = call.input_shape[-axes:], call.output_shape[-axes:]
    found = []
    for place, axis in enumerate(_axes(axes, space)):
        at = place - axes
        numbers = (sizes[place], kernel[at], stride[at], dilation[at])
        if own.sort == "transposed convolution":
            added = own.output_padding[at] if own.output_padding else 0
            found.append(transposed_size(axis, *numbers, before[at], added))
        else:
            both = (before[at], after[at])
            found.append(window_size(axis, *numbers, both, ceil_mode=own.ceil_mode))
    return tuple(found) if tuple(one.output for one in found) == measured else ()


def _size_in_words(call: LayerCall, own: Terms | None, space: Space) -> str:
    before, after = of_one_image(call.input_shape), of_one_image(call.output_shape)
    if not call.output_shape:
        return "returns no tensor"
    if own is not None and own.sort == "concatenation":
        side_by_side = _side_by_side(own, space)
        if side_by_side:
            return side_by_side
    if call.kind in _MERGES:
        return f"{_MERGES[call.kind]} element by element"
    if call.kind in _UNCHANGED and before == after:
        return "unchanged: element by element"
    if (own is not None and own.sort == "adaptive pooling") or (call.kind == "pool" and not own):
        return _adaptive(before, after)
    if own is not None and own.sort == "matrix product" and call.kind == "linear":
        return f"one number for each of the {after[-1]} outputs"
    if call.kind == "flatten" and len(before) > 1:
        return f"{'·'.join(map(str, before))} = {count(after[-1])} values in a row"
    if call.kind == "pad":
        padded = _padded(call, space)
        if padded:
            return padded
    if own is not None and own.sort in _WINDOWED:
        return f"{dimensions(after)}, measured: (W − F + 2P)/S + 1 does not give it"
    return f"{dimensions(before)} becomes {dimensions(after)}, measured: no formula here"


def _padded(call: LayerCall, space: Space) -> str:
    """Return what padding adds at both ends of each axis; "" where that is not all it does."""
    found = [one for one in call.terms if one.sort == "padding"]
    if len(found) != 1 or len(found[0].pads) > space.axes:
        return ""
    pads = ((0, 0),) * (space.axes - len(found[0].pads)) + found[0].pads
    ends = call.input_shape[-space.axes :], call.output_shape[-space.axes :], pads, space.sides
    parts = [
        f"{side} {size}{_added(before)}{_added(after)} = {output}"
        for size, output, (before, after), side in zip(*ends, strict=True)
        if size + before + after == output
    ]
    return "; ".join(parts) if len(parts) == space.axes else ""


def _added(amount: int) -> str:
    """Return what padding adds, or cuts off where it is below zero, as a term of a sum."""
    return "" if not amount else f" + {amount}" if amount > 0 else f" − {-amount}"


def _side_by_side(own: Terms, space: Space) -> str:
    """Return the sum of what is put side by side; "" where nothing but one axis may differ."""
    first, *others = own.inputs
    axes = [
        axis
        for axis in range(len(own.output))
        if all(len(one) == len(first) for one in others)
        and sum(one[axis] for one in own.inputs) == own.output[axis]
    ]
    if len(axes) != 1 or not others:
        return ""
    written = " + ".join(str(one[axes[0]]) for one in own.inputs)
    maps = len(own.output) == space.axes + 2
    what = "channels" if axes[0] == 1 and maps else f"along axis {axes[0]}"
    return f"{written} = {own.output[axes[0]]} {what}, side by side"


def _adaptive(before: Shape, after: Shape) -> str:
    sizes, outputs = before[1:], after[1:]
    if not outputs or set(outputs) == {1}:
        return (
            f"the whole {dimensions(sizes)} becomes one value for each channel, whatever its size"
        )
    start = (
        f"told to give {dimensions(outputs)}, it fits its windows to the {dimensions(sizes)} that "
        "come in: (W − F + 2P)/S + 1 does not apply"
    )
    if len(sizes) == len(outputs) and all(
        one % other == 0 for one, other in zip(sizes, outputs, strict=True)
    ):
        each = dimensions(one // other for one, other in zip(sizes, outputs, strict=True))
        return f"{start}; here each has {each}"
    return f"{start}; here they differ in size"


def _parameters(call: LayerCall, own: Terms | None) -> tuple[str, CountTerms | None]:
    total = call.parameters + call.shared_parameters
    if not total:
        return "", None
    found = None if own is None else _parameter_terms(own)
    note = " (shared: counted at their first use)" if call.shared_parameters else ""
    if found is None or found.total != total:
        return f"{count(total)}, as counted{note}", None
    bias = own is not None and own.sort != "normalization" and not own.bias
    return f"{found.formula}{' (no bias)' if bias else ''}{note}", found


def _parameter_terms(own: Terms) -> CountTerms | None:
    weight = own.weight
    if own.sort in _CONVOLUTIONS:
        filters, read = _filters(own)
        window = tuple(weight[2:])
        biases = ((filters,),) if own.bias else ()
        each = f"({'·'.join(map(str, window))}·{read})"
        written = f"{each}·{filters}" + (f" + {filters}" if own.bias else "")
        return counted(((*window, read, filters), *biases), written)
    if own.sort == "matrix product" and len(weight) == 2:
        inside, outside = weight
        added = f" + {outside}" if own.bias else ""
        biases = ((outside,),) if own.bias else ()
        return counted(((inside, outside), *biases), f"{inside}·{outside}{added}")
    if own.sort == "normalization" and weight:
        each = "·".join(map(str, weight))
        learned = "2·" if own.bias else ""
        factors = (2, *weight) if own.bias else weight
        return counted((factors,), f"{learned}{each}")
    return None


def _filters(own: Terms) -> tuple[int, int]:
    """Return how many filters a convolution has, and how many channels each of them reads."""
    if own.sort == "convolution":
        return own.weight[0], own.weight[1]
    # The weights of a transposed convolution are [in, out / groups, ...].
    channels, filters = own.weight[0], own.output[1]
    return filters, channels * own.weight[1] // filters


def _macs(call: LayerCall, own: Terms | None) -> tuple[str, CountTerms | None]:
    if call.uncounted:
        return "not known", None
    if not call.macs:
        return "", None
    found = None if own is None else _mac_terms(own)
    if found is None or found.total != call.macs:
        return f"{count(call.macs)}, as counted", None
    return found.formula, found


def _mac_terms(own: Terms) -> CountTerms | None:
    if own.sort in _CONVOLUTIONS:
        filters, read = _filters(own)
        window = tuple(own.weight[2:])
        if own.sort == "convolution":
            places = own.output[2:]
            factors = (*places, filters, *window, read)
            written = f"{'·'.join(map(str, (*places, filters)))}·"
            return counted((factors,), f"{written}({'·'.join(map(str, (*window, read)))})")
        # Here every position of the input meets the whole kernel.
        places, channels, made = own.inputs[0][2:], own.weight[0], own.weight[1]
        written = f"{'·'.join(map(str, (*places, channels)))}·"
        factors = (*places, channels, *window, made)
        return counted((factors,), f"{written}({'·'.join(map(str, (*window, made)))})")
    if own.sort == "matrix product" and len(own.inputs[0]) == len(own.weight) == 2:
        rows, inside = own.inputs[0]
        outside = own.weight[1]
        many = f"{rows}·" if rows > 1 else ""
        return counted(((rows, inside, outside),), f"{many}{inside}·{outside}")
    return None


def _field(call: LayerCall, own: Terms | None, space: Space) -> tuple[str, tuple[FieldTerms, ...]]:
    if call.receptive_field is None:
        return "not known", ()
    after = call.receptive_field.local
    said = call.receptive_field.describe()
    if call.input_field is None:
        return f"{said}, measured", ()
    before, windows = call.input_field.local, call.windows
    if own is not None and own.sort in ("convolution", "pooling") and windows is not None:
        kernel, dilation = windows.kernel[-space.axes :], windows.dilation[-space.axes :]
        if before.stride is not None and len(kernel) == space.axes:
            terms = tuple(
                grown_field(*numbers)
                for numbers in zip(
                    space.sides, before.size, before.stride, kernel, dilation, strict=True
                )
            )
            if tuple(one.after for one in terms) == after.size:
                return _same_or_each(terms), terms
        if before.whole:
            return f"{said}, as before", ()
        return f"{said}, measured: r + (F − 1)·jump does not apply, {_why_not(call)}", ()
    if before.size == after.size and call.kind in (*_UNCHANGED, *_MERGES, "cat"):
        return f"{said}, as before", ()
    gathers = not before.whole or before.each != after.each
    if call.kind in ("flatten", "linear") and after.whole and gathers:
        return f"{said}: every value is in it", ()
    if call.kind in (*_MERGES, "cat") and before.size != after.size:
        return f"{said}: all that goes in sees, together", ()
    if before.whole or (call.kind == "pool" and before.size == after.size):
        return f"{said}, as before", ()
    return f"{said}, measured", ()


def _why_not(call: LayerCall) -> str:
    before = call.input_field
    if before is not None and before.positions == before.space.one_place:
        return "its input is one position"
    if before is not None and before.local.stride is None:
        return "the positions of its input see fields of different sizes or distances"
    return "the input's border, its branches or zeros in its kernel make it another"
