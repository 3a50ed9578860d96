"""Which passes run on a fast copy of a network, and which on the network itself.

Every view asks here; `cnnviz.passes.copy_policy` has when a copy is made. That is so unless
``CNNVIZ_FAST=0`` stands in the environment, once 32 images of one size go through one network;
``CNNVIZ_FAST=always`` makes the copy for the first image. A network of
``cnnviz.load(..., exact=True)`` has none.

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
- "anything": the way forward is the network's own, bit for bit, so that every rectifier is as it
  is there. Gradients alone are computed fast, on packed weights; they differ by rounding.
- "ascent": the copy, forward and backward. For an ascent, which asks in which direction to go, and
  has as good a result where rounding led it another way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from cnnviz.errors import ModelChangedError, ModelError
from cnnviz.introspection.fast_copy import FastCopy, UnsoundFoldError, is_linear
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.turns import one_at_a_time
from cnnviz.models import Model
from cnnviz.passes.copy_policy import PAYS, Graph, Kept, Through, decide, kept_of, pays
from cnnviz.passes.precision import trials
from cnnviz.results.provenance import AS_IT_IS

_Found = TypeVar("_Found")

SENT_BACK = f"{AS_IT_IS}; gradients were sent back on weights packed for this processor"
"""What is said of passes with a gradient that is not through linear layers alone."""


class NotLinearError(Exception):
    """A gradient goes through more than what is linear."""


class FastModel(Model):
    """A model whose passes run on the fast copy of its network.

    It stands for the model in passes alone: results are made with the model itself. Hooks go on the
    layers of its `module`, which have the names of the network's.

    Attributes
    ----------
    graph : {"as it is", "exact", "fast"}
        How passes that build a graph are computed: as the network does; forward as the network
        does, bit for bit, and backward fast; or fast both ways.
    """

    graph: Graph
    _copy: FastCopy
    _keeps: frozenset[str]
    _facts: dict[Hashable, Any]

    def __init__(
        self,
        model: Model,
        copy: FastCopy,
        kept: Kept,
        graph: Graph,
        keeps: Collection[str],
    ) -> None:
        # Not made like a model: what is known of that one holds for this one.
        vars(self).update(vars(model))
        self.module: nn.Module = copy.module
        self._copy, self._keeps, self._facts = copy, frozenset(keeps), kept.facts
        self.graph = graph

    def way(self, inputs: torch.Tensor) -> str:
        """Return what tells one way to compute images of this size from all others."""
        checked = self._copy.checked(inputs)
        pairs = {} if checked is None else checked.pairs
        folded = sorted(f"{one} {two}" for one, two in pairs.items() if one not in self._keeps)
        return "\n".join([*folded, f"packed: {checked is not None and checked.packs}"])

    def forward(self, inputs: torch.Tensor) -> Any:
        """Return what the network returns for preprocessed images, to within rounding."""
        if torch.is_grad_enabled() and self.graph == "as it is":
            return super().forward(inputs)
        # What is folded is noted in the copy, for one pass at a time.
        exact = self.graph == "exact"
        with one_at_a_time(), self._copy.folding(inputs, self._keeps, exact=exact):
            return super().forward(inputs)


def fast_model(
    model: Model,
    inputs: torch.Tensor,
    *,
    rows: int,
    keeps: Collection[str] = (),
    gradients_through: Through = "nothing",
    by_rows: bool = False,
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
        "nothing", "linear", "anything" or "ascent": what lies between the score and where its
        gradient is wanted.
    by_rows : bool
        Whether `rows` alone decide whether a copy pays, and not what else was run before: so that
        several processes that share a run decide alike.
    """
    if isinstance(model, FastModel):
        return model
    if by_rows and not pays(rows):
        return model
    found = decide(model, inputs, rows=rows, keeps=keeps, gradients_through=gradients_through)
    return model if isinstance(found, str) else FastModel(model, *found, keeps)


def ascent_model(model: Model, inputs: torch.Tensor, keeps: Collection[str]) -> Model:
    """Return the model for the many passes of an ascent, see `fast_model`.

    It does not hang on what ran before, so that an ascent ends where it did the last time.
    """
    return fast_model(model, inputs, rows=PAYS, keeps=keeps, gradients_through="ascent")


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
        kept = kept_of(model.module)
        if kept is not None:
            kept.is_not_linear(keeps)
        return on_fast_copy(model, inputs, run, rows=0, keeps=keeps, gradients_through="anything")
    except (UnsoundFoldError, ModelError, ModelChangedError):
        kept = kept_of(model.module)
        if kept is not None:
            kept.refuse()
        return run(model)


def check_linear(computing: Model, scores: torch.Tensor) -> None:
    """Make sure that scores, whose gradient is about to be taken, are linear in what is kept.

    Raises
    ------
    NotLinearError
        They are not, and were computed on a fast copy: `on_fast_copy` then runs the network itself.
    """
    fast = isinstance(computing, FastModel) and computing.graph == "fast"
    if fast and not is_linear(scores):
        raise NotLinearError


def check_sound(computing: Model, output: Any) -> None:
    """Make sure that nobody has read what a folded layer leaves for its batch norm, which is NaN.

    Raises
    ------
    UnsoundFoldError
        There are NaN in what the fast copy gave: `on_fast_copy` then runs the network itself, whose
        own NaN stay as they are.
    """
    if isinstance(computing, FastModel) and not all(map(_has_numbers, tree_leaves(output))):
        raise UnsoundFoldError


def _has_numbers(leaf: Any) -> bool:
    if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
        return True
    # The largest of some numbers is NaN where any is; it takes a tenth of the time of asking each.
    return not leaf.numel() or not bool(leaf.amax().isnan())


def outputs(model: Model, images: torch.Tensor) -> Any:
    """Return what the network returns for preprocessed images, without a graph.

    For the many changed images that a measurement is made of; within `precision.trials_in` in what
    precision that says. The network is left as it was.
    """

    def run(computing: Model) -> Any:
        with isolated(computing.module, grad=False):
            rounded = trials()
            asked = computing.forward if rounded is None else partial(rounded.outputs, computing)
            output = asked(images)
        check_sound(computing, output)
        return output

    return on_fast_copy(model, images, run, rows=len(images))


def expect_many(model: Model, inputs: torch.Tensor) -> None:
    """Make the copy now, for many images of this size that will go through the network."""
    fast_model(model, inputs, rows=PAYS)


def packs_weights(model: Model, inputs: torch.Tensor) -> bool:
    """Whether the passes of a model run on weights that were packed for this processor."""
    found = model._copy.checked(inputs) if isinstance(model, FastModel) else None
    return found is not None and found.packs


@contextmanager
def computing(model: Model, inputs: torch.Tensor) -> Iterator[None]:
    """Compute as the passes of a model do within the context, which calls its `module` itself."""
    if not isinstance(model, FastModel):
        yield
        return
    with model._copy.folding(inputs, model._keeps):
        yield


def now_computed_on(model: Model, inputs: torch.Tensor) -> str:
    """Say on what the latest passes without a gradient ran, of images of this size."""
    return _said(decide(model, inputs, make=False), inputs)


def computed_on(
    computing: Model,
    inputs: torch.Tensor,
    *,
    keeps: Collection[str] = (),
    gradients_through: Through = "nothing",
) -> str:
    """Say on what passes ran, and why not on a copy, for the provenance of a result.

    Parameters
    ----------
    computing : Model
        The model they ran on, as `on_fast_copy` handed it out.
    inputs, keeps, gradients_through
        What that was given.
    """
    if isinstance(computing, FastModel):
        if computing.graph == "exact":
            return SENT_BACK
        return _described(computing._copy, inputs)
    found = decide(computing, inputs, keeps=keeps, gradients_through=gradients_through, make=False)
    # Another thread may have made one since.
    return _said(found, inputs) if isinstance(found, str) else AS_IT_IS


def _said(found: tuple[FastCopy, Kept, Graph] | str, inputs: torch.Tensor) -> str:
    return f"{AS_IT_IS}: {found}" if isinstance(found, str) else _described(found[0], inputs)


def _described(copy: FastCopy, inputs: torch.Tensor) -> str:
    found = copy.checked(inputs)
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
