"""Which passes run on a fast copy of a network, and which on the network itself.

The one place that decides it, for every view. All passes run on the network itself unless
``CNNVIZ_FAST=1`` stands in the environment. A copy costs about as much as five images: it is then
made once as many are run on one network that it pays, counted since the network was last changed,
and used from then on; ``CNNVIZ_FAST=always`` makes it for the first image. A network of
``cnnviz.load(..., exact=True)`` has none either way.

Gradients are another matter than outputs. A rectifier or a max-pool lets a gradient pass or not by
a sign, or by which of two numbers is greater. Where these lie within rounding of each other the
copy turns them over, and with them the gradient of what lies below, by far more than rounding. So
``gradients_through`` says what lies between the layers, or the input, and the score:

- "nothing", the usual: no gradient is taken. A pass that builds a graph all the same is computed
  as the network computes it, bit for bit.
- "linear": the gradient at `keeps`, between which and the score all is linear, such as a mean and
  a linear layer. That depends on no value, so passes with a graph run on the copy. Where the
  network is not known to be linear there, the network itself runs; that the graph of the score is,
  `check_linear` makes sure of.
- "anything": the network itself runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from cnnviz.errors import ModelChangedError, ModelError, UsageError
from cnnviz.introspection.fast_copy import (
    FastCopy,
    NoFastCopyError,
    UnsoundFoldError,
    is_linear,
)
from cnnviz.introspection.forward import forward
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.turns import one_at_a_time
from cnnviz.models import Model
from cnnviz.results.result import AS_IT_IS
from cnnviz.results.text import shortened

_Found = TypeVar("_Found")
Through = Literal["nothing", "linear", "anything"]
"""What a gradient goes through, see the beginning of this file."""

_OFF, _PAYING, _ALWAYS = "0", "1", "always"
"""What CNNVIZ_FAST may be."""

_PAYS = 32
"""How many images have to go through a network, each backward pass as two, for a copy to pay."""

_SHARE = 0.5
"""Of the layers that convolve or multiply matrices, how many have to gain for a copy to pay."""
_UNSEEN = 16
"""After how many images the weights are looked at one by one, for writes that torch does not count.

Each filter and each channel is looked at every time.
"""


class NotLinearError(Exception):
    """A gradient goes through more than what is linear."""


class _Kept:
    """What is known of one network as it is now."""

    def __init__(self) -> None:
        self.rows = 0
        self.unseen = 0
        self.copy: FastCopy | None = None
        self.refused: str = ""
        self.facts: dict[Hashable, Any] = {}
        self.not_linear: set[frozenset[str]] = set()

    def add(self, rows: int) -> None:
        """Count images that are about to run, and drop a copy of other weights."""
        self.rows += rows
        self.unseen += rows
        thorough = self.unseen >= _UNSEEN
        if self.copy is not None and not self.copy.same_weights(thorough=thorough):
            # Whoever writes so may do it again: a copy has to pay from here on.
            self.copy, self.rows = None, rows
        if thorough:
            self.unseen = 0

    def refuse(self, why: str) -> None:
        """Make no copy from now on, and forget the one there is."""
        self.refused, self.copy = why, None


_KEPT: NetworkCache[_Kept] = NetworkCache(values=True)


class FastModel(Model):
    """A model whose passes run on the fast copy of its network.

    It stands for the model in passes alone: results are made with the model itself. Hooks go on the
    layers of its `module`, which have the names of the network's.

    Attributes
    ----------
    with_graph : bool
        Whether passes that build a graph are computed fast as well.
    """

    with_graph: bool
    _copy: FastCopy
    _keeps: frozenset[str]
    _facts: dict[Hashable, Any]

    def __init__(
        self,
        model: Model,
        copy: FastCopy,
        kept: _Kept,
        keeps: Collection[str],
        *,
        with_graph: bool = False,
    ) -> None:
        # Not made like a model: what is known of that one holds for this one.
        vars(self).update(vars(model))
        self.module: nn.Module = copy.module
        self._copy, self._keeps, self._facts = copy, frozenset(keeps), kept.facts
        self.with_graph = with_graph

    def forward(self, inputs: torch.Tensor) -> Any:
        """Return what the network returns for preprocessed images, to within rounding."""
        if torch.is_grad_enabled() and not self.with_graph:
            return super().forward(inputs)
        with self._copy.folding(inputs, self._keeps):
            return super().forward(inputs)


def fast_model(
    model: Model,
    inputs: torch.Tensor,
    *,
    rows: int,
    keeps: Collection[str] = (),
    gradients_through: Through = "nothing",
) -> Model:
    """Return the model whose passes to make: of the fast copy, or the model itself.

    Parameters
    ----------
    model : Model
        The model; its network is left as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W] such as will go through it.
    rows : int
        How many images will, each counted once for every pass, and twice for a backward pass.
    keeps : collection of str
        The layers whose output is wanted, so that nothing is folded into them.
    gradients_through : str
        "nothing", "linear" or "anything": what lies between the score and where its gradient is
        wanted.
    """
    mode = _mode()
    if (
        gradients_through == "anything"
        or mode == _OFF
        or model.exact
        or isinstance(model, FastModel)
        or _surrounded(inputs)
    ):
        return model
    with one_at_a_time():
        kept = _KEPT.kept(model.module, "fast copy", _Kept)
        if kept is None:
            return model
        kept.add(rows)
        if kept.refused or (kept.copy is None and kept.rows < _PAYS and mode != _ALWAYS):
            return model
        copy = _copy(model, kept, inputs)
        if copy is None or not copy.folds(inputs, keeps):
            return model
        linear = gradients_through == "linear"
        if linear and (frozenset(keeps) in kept.not_linear or not copy.linear_above(inputs, keeps)):
            return model
        return FastModel(model, copy, kept, keeps, with_graph=linear)


def on_fast_copy(
    model: Model,
    inputs: torch.Tensor,
    run: Callable[[Model], _Found],
    *,
    rows: int,
    keeps: Collection[str] = (),
    gradients_through: Through = "nothing",
) -> _Found:
    """Return what `run` makes of the model whose passes to make, see `fast_model`.

    It is run anew with the model itself where the network takes another way on the copy than when
    it was watched, or fails there.
    """
    fast = fast_model(model, inputs, rows=rows, keeps=keeps, gradients_through=gradients_through)
    if fast is model:
        return run(model)
    try:
        return run(fast)
    except NotLinearError:
        _KEPT.get(model.module, "fast copy", _Kept).not_linear.add(frozenset(keeps))
        return run(model)
    except (UnsoundFoldError, ModelError, ModelChangedError):
        _KEPT.get(model.module, "fast copy", _Kept).refuse("it went another way than before")
        return run(model)


def check_linear(computing: Model, scores: torch.Tensor) -> None:
    """Make sure that scores, whose gradient is about to be taken, are linear in what is kept.

    Raises
    ------
    NotLinearError
        They are not, and were computed on a fast copy: `on_fast_copy` then runs the network itself.
    """
    if isinstance(computing, FastModel) and not is_linear(scores):
        raise NotLinearError


def outputs(model: Model, images: torch.Tensor) -> Any:
    """Return what the network returns for preprocessed images, without a graph.

    For the many changed images that a measurement is made of. The network is left as it was.
    """

    def run(computing: Model) -> Any:
        with isolated(computing.module, grad=False):
            return computing.forward(images)

    return on_fast_copy(model, images, run, rows=len(images))


def expect_many(model: Model, inputs: torch.Tensor) -> None:
    """Make the copy now, for many images of this size that will go through the network."""
    fast_model(model, inputs, rows=_PAYS)


def now_computed_on(model: Model, inputs: torch.Tensor) -> str:
    """Say on what the latest passes of images of this size ran, for the provenance of a result."""
    kept = _KEPT.kept(model.module, "fast copy", _Kept)
    off = _mode() == _OFF or model.exact or kept is None or kept.copy is None
    found = None if off or kept is None or kept.copy is None else kept.copy.checked(inputs)
    return AS_IT_IS if found is None else found.describe()


def computed_on(model: Model, inputs: torch.Tensor) -> str:
    """Say on what the passes of a model run, for the provenance of a result."""
    if not isinstance(model, FastModel):
        return AS_IT_IS
    found = model._copy.checked(inputs)
    return AS_IT_IS if found is None else found.describe()


def remembered(model: Model, question: Hashable, find: Callable[[], _Found]) -> _Found:
    """Return what was found out about a network, without comparing it with what it was once more.

    That it is what it was is known of one whose passes run on the fast copy.
    """
    if not isinstance(model, FastModel):
        return find()
    if question not in model._facts:
        model._facts[question] = find()
    found: _Found = model._facts[question]
    return found


def _copy(model: Model, kept: _Kept, inputs: torch.Tensor) -> FastCopy | None:
    try:
        if kept.copy is None:
            kept.copy = FastCopy(model.module)
        checked = kept.copy.check(model.module, inputs, partial(_run, name=model.name))
        if checked.share < _SHARE:
            kept.refuse("too little of it could be folded or packed")
    except (NoFastCopyError, ModelChangedError) as error:
        kept.refuse(str(error))
    except ModelError:
        # What the network cannot do at all is told by the pass that needs it.
        return None
    return kept.copy


def _run(module: nn.Module, images: torch.Tensor, *, name: str) -> Any:
    return forward(module, images, name)


def _mode() -> str:
    mode = os.environ.get("CNNVIZ_FAST", "") or _OFF
    if mode not in (_OFF, _PAYING, _ALWAYS):
        raise UsageError(
            f"CNNVIZ_FAST is {shortened(mode, 40)!r} in the environment.",
            "Make it 1 to compute on a fast copy where that pays, always to do so from the first "
            "image on, or 0 to compute on the network itself.",
        )
    return mode


def _surrounded(inputs: torch.Tensor) -> bool:
    """Whether a mode of the caller's changes what operations do."""
    return torch.is_autocast_enabled(inputs.device.type) or type(inputs) is not torch.Tensor
