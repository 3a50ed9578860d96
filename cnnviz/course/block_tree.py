"""The modules of a network as a tree over the calls of a trace, and which of them are blocks.

A block is a module whose inside branches: a residual block, an Inception module, a dense block. A
module that only calls one thing after the other is opened instead, so that its layers stand beside
those around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cnnviz.introspection.tracing.data_flow import INPUT
from cnnviz.introspection.tracing.trace import Trace

_WEIGHTED = frozenset({"conv", "linear", "attention"})
_OFTEN = 3
"""How many modules of a class are a pattern."""


@dataclass(eq=False)
class Branch:
    """A module, or a single call, in the tree.

    Attributes
    ----------
    name, type : str
        Of the module or call.
    start, stop : int
        The first of its calls, and the one after the last.
    children : list of Branch
        What it calls; none for a call.
    block : bool
        Whether its inside branches.
    """

    name: str
    type: str
    start: int
    stop: int
    children: list[Branch] = field(default_factory=list)
    block: bool = False

    def opened(self) -> Iterator[Branch]:
        """Yield its blocks and calls; a child that is neither is opened in its turn."""
        for child in self.children:
            if child.block or not child.children:
                yield child
            else:
                yield from child.opened()


def block_tree(trace: Trace) -> Branch:
    """Return the whole network as a tree, its blocks marked."""
    root = Branch("", trace.blocks[-1].type if trace.blocks else "", 0, len(trace.calls))
    blocks = sorted(
        (block for block in trace.blocks if block.span[0] < block.span[1] and block.name),
        key=lambda block: (block.span[0], -block.span[1], -block.order),
    )
    _hang(root, [Branch(one.label, one.type, *one.span) for one in blocks], trace)
    _mark(root, trace)
    return root


def mark_repeated(root: Branch, trace: Trace) -> None:
    """Mark modules that do not branch, but of whose class there are several, as blocks.

    A row too long for the page is told shorter by them, as the pairs of layers of MobileNet v1 are.
    They hold two or more layers with weights and no other block.
    """
    chains: dict[str, list[Branch]] = {}
    for module in _innermost(root, trace):
        chains.setdefault(module.type, []).append(module)
    found = [module for alike in chains.values() if len(alike) >= _OFTEN for module in alike]
    for module in found:
        module.block = True


def _innermost(branch: Branch, trace: Trace) -> list[Branch]:
    """Return the modules with several layers with weights that hold no other such module."""
    found = []
    for child in branch.children:
        if child.block or not child.children:
            continue
        inside = _innermost(child, trace)
        calls = trace.calls[child.start : child.stop]
        if inside or any(module.block for module in _modules(child)):
            found += inside
        elif sum(call.kind in _WEIGHTED for call in calls) > 1:
            found.append(child)
    return found


def _hang(root: Branch, modules: Iterable[Branch], trace: Trace) -> None:
    """Hang each module below the innermost one around it, and calls below that."""
    around, holders = [root], [root]
    for module in modules:
        while not (around[-1].start <= module.start and module.stop <= around[-1].stop):
            around.pop()
        around[-1].children.append(module)
        around.append(module)
        holders.append(module)
    innermost = [root] * len(trace.calls)
    for module in holders:
        innermost[module.start : module.stop] = [module] * (module.stop - module.start)
    for place, call in enumerate(trace.calls):
        kind = call.type if call.operation is None else call.kind
        innermost[place].children.append(Branch(call.label, kind, place, place + 1))
    for module in holders:
        module.children.sort(key=lambda child: (child.start, child.stop))


def _mark(root: Branch, trace: Trace) -> None:
    """Mark the blocks: modules that branch, and all others of their class."""
    readers: dict[int, list[int]] = {}
    sources: dict[int, list[int]] = {}
    for one, other in trace.links:
        readers.setdefault(one, []).append(other)
        sources.setdefault(other, []).append(one)
    modules = list(_modules(root))
    for module in modules:
        module.block = not _is_chain(module, sources, readers)
    # Blocks of one class may branch or not, as those of MobileNet v2 do with their strides.
    kinds = {module.type for module in modules if module.block} - {"Sequential", "ModuleList"}
    for module in modules:
        module.block |= module.type in kinds and len(list(module.opened())) > 1


def _modules(branch: Branch) -> Iterator[Branch]:
    for child in branch.children:
        if child.children:
            yield child
            yield from _modules(child)


def _is_chain(
    module: Branch, sources: Mapping[int, list[int]], readers: Mapping[int, list[int]]
) -> bool:
    """Whether one thing follows the other, each reading what the one before it gave."""
    used = [child for child in module.children if _linked(child, sources)]
    if not used:
        return True
    owner = {
        call: place for place, child in enumerate(used) for call in range(child.start, child.stop)
    }
    outside = set[int]()
    for place, child in enumerate(used):
        read = {
            owner.get(source, INPUT)
            for call in range(child.start, child.stop)
            for source in sources.get(call, ())
        } - {place}
        if read != {place - 1}:
            return False
        if place == 0:
            outside = {
                source
                for call in range(child.start, child.stop)
                for source in sources.get(call, ())
                if source not in owner
            }
    leaves = {
        owner[call] for call in owner for reader in readers.get(call, ()) if reader not in owner
    }
    return len(outside) <= 1 and leaves <= {len(used) - 1}


def _linked(child: Branch, sources: Mapping[int, list[int]]) -> bool:
    return any(call in sources for call in range(child.start, child.stop))
