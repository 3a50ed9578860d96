"""Watches one forward pass: every operation, attributed to the innermost module being called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

from cnnviz.introspection.function_calls import unwatched
from cnnviz.introspection.memory_order import memory_of
from cnnviz.introspection.operation_mode import OperationMode
from cnnviz.introspection.tracing import fields
from cnnviz.introspection.tracing.canvas import canvas_of
from cnnviz.introspection.tracing.costs import (
    common_name,
    is_uncounted,
    multiply_accumulates,
    operation_kind,
    weights_of,
    windows,
)
from cnnviz.introspection.tracing.data_flow import DataFlow, Links
from cnnviz.introspection.tracing.field_state import derive, overlaid, says_the_same
from cnnviz.introspection.tracing.kept_values import support_of
from cnnviz.introspection.tracing.layer_calls import LayerCalls
from cnnviz.introspection.tracing.map_layout import Extent
from cnnviz.introspection.tracing.marks import (
    ALIEN,
    FREE,
    UNKNOWN,
    Depends,
    Independent,
    Mark,
)
from cnnviz.introspection.tracing.operation import Operation, tensors
from cnnviz.introspection.tracing.pooled_positions import pools_positions
from cnnviz.introspection.tracing.rules_layout import padded as with_padding
from cnnviz.introspection.tracing.rules_layout import wrapped
from cnnviz.introspection.tracing.rules_position import Place
from cnnviz.introspection.tracing.seen_part import cuts_off
from cnnviz.introspection.tracing.skip_arithmetic import skip_arithmetic
from cnnviz.introspection.tracing.terms import terms
from cnnviz.introspection.tracing.trace import LayerCall
from cnnviz.introspection.tracing.visits import (
    Row,
    Visit,
    is_builtin,
    kind_of_visit,
    new_call,
)


class OperationRecorder(OperationMode):  # type: ignore[no-untyped-call]
    """Follows the receptive fields through the operations of one forward pass.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    image : torch.Tensor
        [1, C, H, W], [1, C, L] or [1, C, D, H, W]: the very tensor that the network is then called
        with.
    computes : bool
        Whether convolutions and matrix products are computed; if not, they return zeros.

    Attributes
    ----------
    unknown : dict of str
        The operators without a rule that were met, in order.
    uncounted : dict of str
        Those whose cost is not known.
    counted : set of int
        The identities of the parameters that calls have read, once they are finished.
    fault : Exception or None
        What went wrong in following, as opposed to in the network.
    """

    def __init__(self, module: nn.Module, image: torch.Tensor, *, computes: bool) -> None:
        super().__init__()
        self._computes = computes
        self.unknown: dict[str, None] = {}
        self.uncounted: dict[str, None] = {}
        self.fault: Exception | None = None
        self._sizes = {id(parameter): parameter.numel() for parameter in module.parameters()}
        self._own = {id(child): _own_parameters(child) for child in module.modules()}
        self._extent = tuple(int(length) for length in image.shape[2:])
        self._marks: Any = WeakTensorKeyDictionary()
        for parameter in module.parameters():
            self._marks[parameter] = Independent(frozenset({id(parameter)}))
        for buffer in module.buffers():
            self._marks[buffer] = FREE
        whole = fields.of_image(self._extent, int(image.shape[1]))
        self._marks[image] = Depends(whole, whole, Place(whole))
        self._flow = DataFlow(image)
        self._canvas: Extent | None = None
        self._cut = self._left = False
        self._regions = False
        self._visits: list[Visit] = []
        self._rows: list[Row] = []
        self.counted: set[int] = set()
        self._returned: Any = WeakTensorKeyDictionary()
        """The calls that returned a tensor, for as long as it is there."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation, then note what it did."""
        keywords = kwargs or {}
        result = None if self._computes else skip_arithmetic(func, args, keywords)
        if result is None:
            if torch.is_inference_mode_enabled():
                # There, what is made of other operations arrives here whole.
                with self:
                    result = func.decompose(*args, **keywords)
                if result is not NotImplemented:
                    return result
            result = func(*args, **keywords)
        operation = Operation(func, args, keywords, result)
        if operation.outputs:
            try:
                with unwatched():
                    self._follow(operation)
            except Exception as fault:
                self.fault = fault
                raise
        return result

    @contextmanager
    def wrapping(self) -> Iterator[None]:
        """Take what is done within for padding, whose larger memory is no canvas of the image."""
        before = self._canvas
        try:
            yield
        finally:
            self._canvas = before

    def wrap(self, source: torch.Tensor, amounts: Sequence[int], padded: torch.Tensor) -> None:
        """Note that a tensor was padded with what lies at its other end.

        Seen as the copies that it is made of, a window at the border would read the whole image;
        it reads as many pixels as any other, some of them at the other border.
        """
        found = self._mark(source)
        if isinstance(found, Depends) and isinstance(self._mark(padded), Depends):
            exact = with_padding(found.exact, amounts, wrapped)
            gateless = exact
            if found.gateless is not found.exact:
                gateless = with_padding(found.gateless, amounts, wrapped)
            place = found.place
            if place is not None:
                place = Place(with_padding(place.field, amounts), place.paired)
            self._marks[padded] = Depends(exact, gateless, place)
            if self._visits:
                self._visits[-1].wrap(source, amounts, padded)

    def leave_torch(self, tensor: torch.Tensor) -> None:
        """Note that values of a tensor go where no operation is seen, as to NumPy."""
        self._left |= not isinstance(self._mark(tensor), Independent)

    def _mark(self, tensor: torch.Tensor) -> Mark:
        found: Mark | None = self._marks.get(tensor)
        if found is None:
            if _is_wrapped(tensor):
                return UNKNOWN
            # What was made of the image outside torch is no constant.
            return ALIEN if not self._left else Independent(alien=True, valued=False)
        return found

    def _follow(self, operation: Operation) -> None:
        if any(each.is_nested for each in (*operation.inputs, *operation.outputs)):
            # Its images differ in shape, so that no axis is one of the image's.
            self.unknown[operation.name] = self.uncounted[operation.name] = None
            self._marks.update((tensor, UNKNOWN) for tensor in operation.outputs)
            return
        self._regions |= operation.name.removeprefix("torchvision::") in _CUTTING
        before = [self._mark(tensor) for tensor in operation.inputs]
        # Rules look at them again and again, and to look one up takes long.
        known = dict(zip(map(id, operation.inputs), before, strict=True))
        marks = derive(operation, lambda tensor: known.get(id(tensor)) or self._mark(tensor))
        if marks is None:
            self.unknown[operation.name] = None
            marks = [UNKNOWN] * len(operation.outputs)
        self._cut = self._cut or cuts_off(operation, before, marks)
        self._flow.follow(operation, self._note(operation, before, marks))
        self._note_kernel(operation)
        for tensor, mark in zip(operation.outputs, marks, strict=True):
            if operation.writes and mark is not self._mark(tensor):
                self._write_through(tensor, mark)
            self._marks[tensor] = mark

    def _note_kernel(self, operation: Operation) -> None:
        """Remember which calls returned what is now the weights of a convolution."""
        weight = operation["weight"] if operation.name in _CONVOLUTIONS else None
        if weight is None or not isinstance(self._mark(weight), Depends):
            return
        place = memory_of(weight)
        for tensor, rows in list(self._returned.items()):
            if place and memory_of(tensor) == place:
                for row in rows:
                    row.kernel = True

    def _write_through(self, written: torch.Tensor, mark: Mark) -> None:
        """Tell every other tensor that lies in the same memory."""
        place = memory_of(written)
        if place == 0 or says_the_same(mark, self._mark(written)):
            return
        for other in list(self._marks.keys()):
            if other is not written and memory_of(other) == place:
                if isinstance(mark, Depends) and mark.place is not None:
                    canvas = canvas_of(written, mark.place, other, self._extent)
                    self._canvas = self._canvas or canvas
                self._flow.overwrite(other, written)
                self._marks[other] = overlaid(other, self._mark(other), written, mark)

    def _note(self, operation: Operation, before: list[Mark], marks: list[Mark]) -> int | None:
        """Note an operation that is of account; return its number in the graph of the data."""
        if not self._visits:
            return None
        visit = self._visits[-1]
        follows = [not isinstance(mark, Independent) for mark in before]
        macs, uncounted = multiply_accumulates(operation), is_uncounted(operation)
        # What is computed from parameters alone, such as a positional encoding, costs all the same.
        if not any(follows) and not macs:
            return None
        if uncounted:
            self.uncounted[operation.name] = None
            visit.uncounted = True
        used = set().union(*(mark.parameters for mark in before if isinstance(mark, Independent)))
        pools = pools_positions(operation, before, self._extent)
        what = operation_kind(operation, sum(follows), len(used), pools=pools)
        if what is None and not uncounted:
            return None
        what = what or "other"
        title, found = common_name(operation, what), terms(operation)
        if found.sort == "padding":
            visit.pads = found.pads
        window = windows(operation)
        visit.kinds.append(what)
        zeros = self._by_zero(operation, macs)
        visit.macs += macs
        visit.zero_macs += zeros
        if window is not None:
            # Of the whole layer, which may pad within; the operation alone gets what is padded.
            visit.windows.append(windows(operation, visit.pads) or window)
        first = follows.index(True) if any(follows) else 0
        node = self._flow.node(operation)
        visit.terms.append(found)
        visit.nodes.append(node)
        call = new_call(
            *(visit.name, title, what, (operation.inputs[first],), operation.outputs[0]),
            operation=title,
            macs=macs,
            zero_macs=zeros,
            windows=window,
            uncounted=uncounted,
            terms=(found,),
        )
        row = Row(call, marks[0], used, block=False, source=before[first], nodes=(node,))
        visit.rows.append(row)
        return node

    def _by_zero(self, operation: Operation, macs: int) -> int:
        """Return how many of the MACs are by a weight that is zero whatever the parameters are."""
        for weight in weights_of(operation) if macs else ():
            state = self._mark(weight)
            kept = support_of(weight, state) if isinstance(state, Independent) else None
            if kept is not None:
                return macs * int((~kept).sum()) // kept.numel()
        return 0

    def enter(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note that a module is called."""
        with unwatched():
            if self._visits:
                self._visits[-1].calls_modules = True
            given = tuple(tensors(inputs))
            source = self._mark(given[0]) if given else FREE
            self._visits.append(Visit(name, module, given, source=source))

    def leave(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Note that a module has returned."""
        with unwatched():
            self._end_visit(module, list(tensors(output)))

    def _end_visit(self, module: nn.Module, returned: list[torch.Tensor]) -> None:
        while self._visits[-1].module is not module:
            # A call that raised, and whose caller went on regardless.
            failed = self._visits.pop()
            self._visits[-1].rows += failed.rows
            self._visits[-1].macs += failed.macs
            self._visits[-1].zero_macs += failed.zero_macs
            self._visits[-1].uncounted |= failed.uncounted
        visit = self._visits.pop()
        visit.uncounted |= self._distrust(visit.inputs, returned)
        leaf = not visit.calls_modules and (is_builtin(module) or len(visit.kinds) <= 1)
        row = self._module_row(visit, returned, leaf)
        if leaf and not row.nodes and row.call.kind == "other":
            row.nodes = self._flow.whole(returned)
        if returned:
            self._returned.setdefault(returned[0], []).append(row)
        rows = [row] if leaf else [*visit.rows, row]
        if self._visits:
            self._visits[-1].rows += rows
            self._visits[-1].macs += visit.macs
            self._visits[-1].zero_macs += visit.zero_macs
            self._visits[-1].uncounted |= visit.uncounted
        else:
            self._rows += rows

    def _distrust(self, inputs: Iterable[torch.Tensor], outputs: list[torch.Tensor]) -> bool:
        # A tensor of unseen origin may have come from the image by way of NumPy.
        found = False
        if any(not isinstance(self._mark(tensor), Independent) for tensor in inputs):
            for tensor in outputs:
                mark = self._mark(tensor)
                if isinstance(mark, Independent) and mark.alien:
                    self._marks[tensor] = UNKNOWN
                    self.unknown["a tensor made outside torch"] = None
                    self.uncounted["a tensor made outside torch"] = None
                    found = True
        return found

    def _module_row(self, visit: Visit, returned: list[torch.Tensor], leaf: bool) -> Row:
        what = kind_of_visit(visit, returned) if leaf else "container"
        output = returned[0] if returned else None
        call = new_call(
            *(visit.name, type(visit.module).__name__, what, visit.inputs, output),
            macs=visit.macs,
            zero_macs=visit.zero_macs,
            uncounted=visit.uncounted,
            windows=visit.windows[0] if leaf and len(visit.windows) == 1 else None,
            terms=tuple(visit.terms) if leaf else (),
        )
        uses = self._parameters_of(visit.module)
        mark = FREE if output is None else self._mark(output)
        return Row(
            call,
            mark,
            uses,
            not leaf,
            canvas=self._canvas,
            cut=self._cut,
            regions=self._regions,
            source=visit.source,
            nodes=tuple(visit.nodes) if leaf else (),
            inside=sum(not row.block for row in visit.rows),
        )

    def _parameters_of(self, module: nn.Module) -> set[int]:
        """Return the parameters of a module and its parts, by identity, as they were at first.

        What stands in their places during a pass, as in `torch.func.functional_call`, is no
        parameter of the network.
        """
        found: set[int] = set()
        for child in module.modules():
            own = self._own.get(id(child))
            if own is None:  # made during the pass
                own = _own_parameters(child)
                self._sizes.update(own)
            found.update(own)
        return found

    def finish(self) -> tuple[tuple[LayerCall, ...], tuple[LayerCall, ...]]:
        """Return the calls and the blocks, as in `Trace`, once the network has returned."""
        made = LayerCalls(self._extent, self._sizes)
        found = made.of(self._rows)
        self.counted = made.counted
        return found

    def graph(self, returned: Iterable[torch.Tensor]) -> tuple[Links, tuple[int, ...]]:
        """Return which call reads what of which, and those that the answer comes from."""
        calls = (row for row in self._rows if not row.block)
        places = {node: place for place, row in enumerate(calls) for node in row.nodes}
        return self._flow.links(places), self._flow.calls(returned, places)


def _own_parameters(module: nn.Module) -> dict[int, int]:
    """Return how many values each parameter of a module itself has, by its identity."""
    return {id(each): each.numel() for each in module.parameters(recurse=False)}


_CUTTING = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool")
_CONVOLUTIONS = ("convolution", "_convolution")


def _is_wrapped(tensor: torch.Tensor) -> bool:
    """Whether a tensor stands for another that was followed, and nothing tells for which.

    Those of a class of somebody's own, and what torch.func hands to a function.
    """
    plain = type(tensor) in (torch.Tensor, nn.Parameter)
    return not plain or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
