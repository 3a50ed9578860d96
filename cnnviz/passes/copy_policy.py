"""When a network has a fast copy, and why not where it has none.

A copy costs about as much as six images. It is made once as many of one size have gone through a
network, or are about to, that it pays, and used from then on for images of that size.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Hashable
from functools import partial
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import nn

from cnnviz.errors import ModelChangedError, ModelError, UsageError
from cnnviz.introspection.fast_copy import FastCopy, NoFastCopyError
from cnnviz.introspection.forward import forward
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.turns import one_at_a_time
from cnnviz.models import Model
from cnnviz.results.text import shortened

Through = Literal["nothing", "linear", "anything", "ascent"]
"""What a gradient goes through, see `cnnviz.passes.fast_model`."""
Graph = Literal["as it is", "exact", "fast"]
"""How a pass that builds a graph is computed, see `cnnviz.passes.fast_model.FastModel`."""
Form = tuple[tuple[int, ...], torch.dtype]
"""The size and kind of images."""

_OFF, _PAYING, _ALWAYS = "0", "1", "always"
"""What CNNVIZ_FAST may be."""

PAYS = 32
"""How many images of one size have to go through a network for a copy to pay."""

_SHARE = 0.5
"""Of the layers that convolve or multiply matrices, how many have to gain for a copy to pay."""
_UNSEEN = 16
"""After how many images the weights are looked at one by one, for writes that torch does not count.

Each filter and each channel is looked at every time.
"""
_MOST = 64
"""Of how many sizes images are counted."""

_NOT_PACKED = "a gradient goes through more than linear layers, and no weights are packed"


class Kept:
    """What is known of one network as it is now."""

    def __init__(self, rows: Counter[Form] | None = None) -> None:
        self.rows: Counter[Form] = Counter(rows)
        self.unseen = 0
        self.copy: FastCopy | None = None
        self.refused: str = ""
        self.facts: dict[Hashable, Any] = {}
        self._not_linear: set[frozenset[str]] = set()
        self._not_for: dict[Form, str] = {}

    def add(self, form: Form, rows: int, images: int) -> None:
        """Count what is about to run, and drop a copy of other weights.

        `rows` counts an image for each of its passes, and `images` once.
        """
        _add(self.rows, form, rows)
        self.unseen += images
        thorough = self.unseen >= _UNSEEN
        if self.copy is not None and not self.copy.same_weights(thorough=thorough):
            # Whoever writes so may do it again: a copy has to pay from here on.
            self.copy, self.rows = None, Counter({form: rows})
            self._not_for.clear()
        if thorough:
            self.unseen = 0

    def copy_for(self, model: Model, inputs: torch.Tensor, *, make: bool) -> FastCopy | str:
        """Return the copy for images of this size, which is made now where needed, or why none."""
        form = form_of(inputs)
        refused = self.refused or self._not_for.get(form, "")
        if refused:
            return _none(refused)
        if self.copy is not None and self.copy.checked(inputs) is not None:
            return self.copy
        if not make or (self.rows[form] < PAYS and _mode() != _ALWAYS):
            return _few()
        try:
            return self._checked(model, inputs)
        except ModelError:
            # What the network cannot do at all is told by the pass that needs it.
            return self._refuse(form, "it fails on these images when it is watched")
        except (NoFastCopyError, ModelChangedError) as error:
            return self._refuse(form, str(error))

    def _checked(self, model: Model, inputs: torch.Tensor) -> FastCopy | str:
        if self.copy is None:
            self.copy = FastCopy(model.module)
        checked = self.copy.check(model.module, inputs, partial(_run, name=model.name))
        if checked.share < _SHARE:
            self.refuse("too little of it could be folded or packed")
            return _none(self.refused)
        return self.copy

    def _refuse(self, form: Form, why: str) -> str:
        """Make no copy for images of this size; one that none use is forgotten."""
        if len(self._not_for) >= _MOST:
            self._not_for.clear()
        self._not_for[form] = why
        if self.copy is not None and not self.copy.is_checked:
            self.copy = None
        return _none(why)

    def refuse(self, why: str = "it went another way than before") -> None:
        """Make no copy from now on, and forget the one there is."""
        self.refused, self.copy = why, None

    def is_linear(self, copy: FastCopy, inputs: torch.Tensor, keeps: Collection[str]) -> bool:
        """Whether all seems to be linear between layers and the answer."""
        return frozenset(keeps) not in self._not_linear and copy.linear_above(inputs, keeps)

    def is_not_linear(self, keeps: Collection[str]) -> None:
        """Note that more than what is linear was met above layers."""
        self._not_linear.add(frozenset(keeps))


_KEPT: NetworkCache[Kept] = NetworkCache(values=True)
_BEFORE: WeakKeyDictionary[nn.Module, Counter[Form] | None] = WeakKeyDictionary()
"""The images of networks that were never many: to compare these with what they were takes time."""


def copies_of(model: Model) -> str:
    """Return whether a network may have copies, which tells apart what was computed so and so."""
    return _OFF if model.exact else _mode()


def decide(
    model: Model,
    inputs: torch.Tensor,
    *,
    rows: int = 0,
    keeps: Collection[str] = (),
    gradients_through: Through = "nothing",
    make: bool = True,
) -> tuple[FastCopy, Kept, Graph] | str:
    """Return the copy to compute on, or why it is the network itself.

    Parameters
    ----------
    model, inputs, rows, keeps, gradients_through
        See `cnnviz.passes.fast_model.fast_model`.
    make : bool
        Whether a copy is made where one pays.
    """
    why = _why_not_at_all(model, inputs)
    if why:
        return why
    with one_at_a_time():
        if not _may_pay(model.module, form_of(inputs), rows):
            return _few()
        kept = kept_of(model.module)
        if kept is None:
            return "it holds what cannot be compared with what it was"
        if rows:
            kept.add(form_of(inputs), rows, min(rows, len(inputs)))
        copy = kept.copy_for(model, inputs, make=make)
        if isinstance(copy, str):
            return copy
        if not copy.folds(inputs, keeps):
            return "every layer that could be folded is asked for"
        linear = gradients_through == "linear" and kept.is_linear(copy, inputs, keeps)
        if linear or gradients_through == "ascent":
            return copy, kept, "fast"
        if gradients_through == "nothing":
            return copy, kept, "as it is"
        return (copy, kept, "exact") if copy.sends_back(inputs) else _NOT_PACKED


def pays(rows: int) -> bool:
    """Whether a copy pays for so many images, and none before them."""
    return rows >= PAYS or _mode() == _ALWAYS


def may_be_fast(model: Model, rows: int) -> bool:
    """Whether a run of so many images is to be on a fast copy, as far as there can be one."""
    return _mode() != _OFF and not model.exact and pays(rows)


def kept_of(module: nn.Module) -> Kept | None:
    """Return what is known of a network as it is now, or None where that cannot be told."""
    return _KEPT.kept(module, "fast copy", lambda: Kept(_BEFORE.get(module)))


def form_of(inputs: torch.Tensor) -> Form:
    """Return the size and kind of images [N, ...]."""
    return tuple(inputs.shape[1:]), inputs.dtype


def _why_not_at_all(model: Model, inputs: torch.Tensor) -> str:
    if _mode() == _OFF:
        return "CNNVIZ_FAST is 0"
    if model.exact:
        return "it was loaded with exact=True"
    modes = torch.is_autocast_enabled(inputs.device.type) or torch._C._len_torch_function_stack()
    if modes or type(inputs) is not torch.Tensor or not len(inputs):
        return "a mode changes what operations do, or there is no image"
    return ""


def _may_pay(module: nn.Module, form: Form, rows: int) -> bool:
    """Count images, and tell whether a network had so many that a copy of it may pay by now."""
    before = _BEFORE.setdefault(module, Counter())
    if before is None:
        return True
    _add(before, form, rows)
    if before[form] < PAYS and _mode() != _ALWAYS:
        return False
    before[form] -= rows  # which are counted with what else is known of it
    kept_of(module)
    _BEFORE[module] = None
    return True


def _add(counted: Counter[Form], form: Form, rows: int) -> None:
    if len(counted) >= _MOST and form not in counted:
        counted.clear()
    counted[form] += rows


def _none(why: str) -> str:
    return f"it has no fast copy, for {why}"


def _few() -> str:
    return f"a faster copy of it is made from {PAYS} images of one size on"


def _run(module: nn.Module, images: torch.Tensor, *, name: str) -> Any:
    return forward(module, images, name)


def _mode() -> str:
    mode = os.environ.get("CNNVIZ_FAST", "") or _PAYING
    if mode not in (_OFF, _PAYING, _ALWAYS):
        raise UsageError(
            f"CNNVIZ_FAST is {shortened(mode, 40)!r} in the environment.",
            "Make it 1 to compute on a fast copy where that pays, always to do so from the first "
            "image on, or 0 to compute on the network itself.",
        )
    return mode
