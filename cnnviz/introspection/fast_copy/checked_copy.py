"""The fast copy of a network, and the check that it gives what the network gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from cnnviz.errors import CnnvizError, ModelError
from cnnviz.introspection.fast_copy.folding import LAYERS, NORMS, fold, stand_in
from cnnviz.introspection.fast_copy.kept_maps import kept_by_places
from cnnviz.introspection.fast_copy.layers import Computed, FastLayer, FastNorm, PassState
from cnnviz.introspection.fast_copy.packed import can_pack
from cnnviz.introspection.fast_copy.seen_outputs import SeenOutputs
from cnnviz.introspection.fast_copy.shared_copy import NoFastCopyError, shared_copy
from cnnviz.introspection.fast_copy.sole_readers import Pairs, Readers
from cnnviz.introspection.fast_copy.weight_digest import WeightDigest
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.random_draws import RandomDraws

Forward = Callable[[nn.Module, torch.Tensor], Any]
"""``forward(network, images)``: how a network is called."""
Form = tuple[object, ...]

TOLERANCE: Mapping[torch.dtype, float] = {torch.float32: 1e-5, torch.float64: 1e-11}
"""How far the copy may be from the network, of the largest value of each output."""


class UnsoundFoldError(Exception):
    """The network went another way than when it was watched; what was computed is of no use."""


_FAST = "a private copy that computes the same faster"
_MEASURED = " (differs by "


def without_measure(told: str) -> str:
    """Return what `Checked.describe` says without how far it was off on the first images.

    Each of several processes has checked its copy on images of its own.
    """
    return told.partition(_MEASURED)[0]


@dataclass(frozen=True)
class Checked:
    """What was found for inputs of one form.

    Attributes
    ----------
    pairs : mapping of str
        The layers with a batch norm folded in, each with its name.
    packs : bool
        Whether convolutions run on packed weights.
    difference : float
        The largest difference that was seen, of the largest value of the same output.
    share : float
        Of the layers that convolve or multiply matrices, how many are folded or packed.
    alone : bool
        Whether the network could be run on one image alone, and not on two.
    linear : frozenset of str
        The layers between which and the answer everything seems to be linear.
    returned_by : mapping of str
        For each layer the modules around it that return its very output.
    """

    pairs: Pairs
    packs: bool
    difference: float
    share: float
    alone: bool = False
    linear: frozenset[str] = frozenset()
    returned_by: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def folded(self, kept: Collection[str]) -> Pairs:
        """Return the pairs that are folded when the output of some layers is wanted."""
        wanted = frozenset(kept)
        return {
            layer: norm
            for layer, norm in self.pairs.items()
            if layer not in wanted and not wanted & self.returned_by.get(layer, wanted)
        }

    def describe(self) -> str:
        """Return what was done, and how far it is off.

        Not what the copy takes of memory, which hangs on the passes that were made before.
        """
        count = len(self.pairs)
        norms = f"{count} batch norm{'s' if count > 1 else ''} folded into the layers before"
        said = [norms] if self.pairs else []
        said += ["weights packed for this processor"] if self.packs else []
        off = f"{_MEASURED}{self.difference:.1g} of the largest value)"
        return f"{_FAST}: {', '.join(said)}{off}"


class FastCopy:
    """A private copy of a network, on which some layers compute otherwise.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is not changed. It is not kept alive, but for the memory of its weights.

    Attributes
    ----------
    module : torch.nn.Module
        The copy, with the same layers under the same names.

    Raises
    ------
    NoFastCopyError
        There can be none of this network.
    """

    def __init__(self, network: nn.Module) -> None:
        try:
            self.module = shared_copy(network)
        except NoFastCopyError:
            raise
        except Exception as error:  # Whatever a class does that makes its objects in its own way.
            raise NoFastCopyError(f"it cannot be copied ({type(error).__name__})") from error
        self._state = PassState()
        self._layers: dict[str, FastLayer] = {}
        self._modules = dict(self.module.named_modules())
        self._own = {id(module): name for name, module in self._modules.items()}
        self._folds: dict[tuple[str, str], Computed] = {}
        self._checked: dict[Form, Checked] = {}
        for name, module in self._modules.items():
            if type(module) in LAYERS and "forward" not in vars(module):
                self._layers[name] = FastLayer(name, module, self._state)
                module.__dict__["forward"] = self._layers[name]
        self._digest = WeightDigest(self._read())

    @property
    def bytes(self) -> int:
        """Memory that the copy takes besides the network's own."""
        computed = [*self._folds.values(), *(layer.own for layer in self._layers.values())]
        return sum(each.bytes for each in computed)

    def same_weights(self, *, thorough: bool) -> bool:
        """Whether what was folded and packed is still what the network has, as far as is seen."""
        return self._digest.same(thorough=thorough or self._digest.is_small)

    def check(self, network: nn.Module, inputs: torch.Tensor, forward: Forward) -> Checked:
        """Run the network and the copy on two images, and compare what all layers give.

        Done once for each size of images. One that comes alone is taken with its mirror image,
        where the network takes two.

        Parameters
        ----------
        network : torch.nn.Module
            The network that this is the copy of; it is left as it was.
        inputs : torch.Tensor
            Preprocessed images [N, C, H, W].
        forward : callable
            How it is called.

        Raises
        ------
        NoFastCopyError
            The copy does not give the same, or what it would have to be is not known.
        ModelError
            The network itself fails.
        """
        form = _form(inputs)
        if form not in self._checked:
            try:
                self._checked[form] = self._check_few(network, inputs, forward)
            except (CnnvizError, NoFastCopyError):
                raise
            except Exception as error:  # Such as a tensor that lives within a transform alone.
                why = f"it cannot be compared with one ({type(error).__name__})"
                raise NoFastCopyError(why) from error
        return self._checked[form]

    def _check_few(self, network: nn.Module, inputs: torch.Tensor, forward: Forward) -> Checked:
        try:
            return self._check(network, _two(inputs), forward)
        except ModelError:  # Some networks take one image at a time.
            found = self._check(network, inputs[:1].detach(), forward)
            return replace(found, alone=True)

    @property
    def is_checked(self) -> bool:
        """Whether `check` found it right for images of some size."""
        return bool(self._checked)

    def checked(self, inputs: torch.Tensor) -> Checked | None:
        """Return what was found by `check` for images of this size, if it was run."""
        return self._checked.get(_form(inputs))

    def _read(self) -> Iterator[torch.Tensor]:
        """Go through what may be folded and packed, so that the copy has weights of its own."""
        norms = [each for each in self._modules.values() if type(each) in NORMS]
        for module in self._modules.values():
            if type(module) in NORMS or can_pack(module) or (type(module) in LAYERS and norms):
                tensors = (*module._parameters.values(), *module._buffers.values())
                yield from (t for t in tensors if t is not None and t.is_floating_point())

    @contextmanager
    def folding(
        self, inputs: torch.Tensor, keeps: Collection[str] = (), *, exact: bool = False
    ) -> Iterator[None]:
        """Compute fast within the context, which is to hold one whole pass or a part of one.

        Parameters
        ----------
        inputs : torch.Tensor
            The images, of a form that was checked.
        keeps : collection of str
            Layers whose own output is wanted: nothing is folded into them.
        exact : bool
            Whether the way forward is the network's own, bit for bit, and gradients alone are
            computed fast.

        Raises
        ------
        UnsoundFoldError
            The pass went to its end, and not all that was computed for batch norms was asked for;
            or it is of several images, which the network could not be run on.
        """
        checked = self._checked[_form(inputs)]
        if checked.alone and len(inputs) > 1:
            raise UnsoundFoldError
        pairs = checked.folded({self._name(name) for name in keeps})
        kept_so = kept_by_places() if exact else nullcontext()
        with self._computing(pairs, packs=checked.packs, exact=exact), kept_so:
            yield

    def sends_back(self, inputs: torch.Tensor) -> bool:
        """Whether gradients are computed otherwise."""
        return self._checked[_form(inputs)].packs

    def folds(self, inputs: torch.Tensor, keeps: Collection[str]) -> bool:
        """Whether anything is computed otherwise when these layers are wanted."""
        checked = self._checked[_form(inputs)]
        return checked.packs or bool(checked.folded({self._name(name) for name in keeps}))

    def linear_above(self, inputs: torch.Tensor, layers: Collection[str]) -> bool:
        """Whether everything between these layers and the answer seems to be linear."""
        linear = self._checked[_form(inputs)].linear
        return all(self._name(name) in linear for name in layers)

    def _name(self, name: str) -> str:
        """Return the first name of a layer that has several."""
        try:
            found: str = self._own.get(id(self.module.get_submodule(name)), name)
        except AttributeError:
            return name
        return found

    @contextmanager
    def _computing(self, pairs: Pairs, *, packs: bool, exact: bool = False) -> Iterator[None]:
        state = self._state
        state.folded = {layer: (norm, self._fold(layer, norm)) for layer, norm in pairs.items()}
        state.packs, state.exact, state.open = packs, exact, 0
        try:
            yield
            if state.open:
                raise UnsoundFoldError
        finally:
            state.folded, state.packs, state.exact, state.open = {}, False, False, 0

    def _fold(self, layer: str, norm: str) -> Computed:
        if (layer, norm) not in self._folds:
            module = self._modules[norm]
            make = partial(fold, self._modules[layer], module)
            made = make()
            if made is None:
                raise NoFastCopyError("a batch norm of it divides by zero")
            steps = (self._layers[layer].own.layer, stand_in(module))
            self._folds[layer, norm] = Computed(made, make, steps)
            module.__dict__.setdefault("forward", FastNorm(norm, module, self._state))
        return self._folds[layer, norm]

    def _check(self, network: nn.Module, inputs: torch.Tensor, forward: Forward) -> Checked:
        if inputs.dtype not in TOLERANCE or not len(inputs):
            raise NoFastCopyError(f"its images are {inputs.dtype}")
        readers, expected = Readers(network), SeenOutputs(network)
        with isolated(network, grad=False), RandomDraws() as draws:
            expected.watch(lambda: readers.run(lambda: forward(network, inputs.clone())))
        if draws.any:
            raise NoFastCopyError("it draws random numbers")
        if readers.goes_by_values:
            raise NoFastCopyError("it goes by values which way it takes")
        pairs = readers.pairs()
        for layer, norm in pairs.items():
            # Not while the state of the copy is kept, which would put it back.
            self._fold(layer, norm)
        packable = {name for name, each in self._layers.items() if can_pack(each.own.layer)}
        packs = bool(packable)
        tried = [(pairs, packs), (pairs, False), ({}, packs)]
        apart = [float("inf")]
        for number, (folded, packed) in enumerate(tried):
            if not (folded or packed) or (folded, packed) in tried[:number]:
                continue
            difference = self._difference(network, inputs, forward, expected, folded, packed)
            if difference <= TOLERANCE[inputs.dtype]:
                gain = folded.keys() | (packable if packed else ())
                share = len(gain) / len(self._layers)
                found = Checked(folded, packed, difference, share)
                return replace(found, linear=readers.linear(), returned_by=readers.returned_by())
            apart.append(difference)
        if len(apart) == 1:
            raise NoFastCopyError("there is nothing in it to fold or pack")
        raise NoFastCopyError(f"a copy of it differs by {min(apart):.1g} of the largest value")

    def _difference(
        self,
        network: nn.Module,
        inputs: torch.Tensor,
        forward: Forward,
        expected: SeenOutputs,
        pairs: Pairs,
        packs: bool,
    ) -> float:
        seen = SeenOutputs(self.module)
        left: list[str] = []
        with (
            isolated(network, grad=False),
            isolated(self.module, grad=False),
            module_hooks(dict(network.named_modules()), before=lambda name, *_: left.append(name)),
            RandomDraws(),
        ):
            try:
                with self._computing(pairs, packs=packs):
                    seen.watch(lambda: forward(self.module, inputs.clone()))
            except NoFastCopyError:
                raise
            except Exception:  # Whatever it is, such as a view of what lies otherwise in memory.
                return float("inf")
        if left:
            raise NoFastCopyError("it calls a layer that is reached in another way than as its own")
        return expected.difference(seen, set(pairs))


def _two(inputs: torch.Tensor) -> torch.Tensor:
    few = inputs[:2].detach()
    return few if len(few) > 1 else torch.cat([few, few.flip(-1)])


def _form(inputs: torch.Tensor) -> Form:
    return tuple(inputs.shape[1:]), inputs.dtype
