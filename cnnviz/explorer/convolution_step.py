"""Convolutions as numbers: what goes in, kernels, bias, and what is done to their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.stop_forward import run_to
from cnnviz.introspection.tolerance import differ
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captured import Capture
from cnnviz.passes.stages import CallOrder, OrderedCall

_WEIGHTS_OF_FIRST, _WEIGHTS = 30_000, 8_000
"""So many weights of the first convolution are held, and of any other."""
_FEWEST = 4
_RELU = nn.ReLU.__name__
_SAME = 1e-4
"""Of the largest value: how far the maps of a convolution may be from those of a layer."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ConvolutionStep:
    """A convolution whose sums can be worked out on the page.

    Attributes
    ----------
    name : str
        The layer.
    first : bool
        Whether it reads the image itself.
    ends : str
        The layer of the page that it leads to, or nothing.
    inputs : ndarray of float32
        [C, h, w], what it reads.
    channels : ndarray of int32
        [M], the output channels that are held, of `count`: all, or those that are largest
        somewhere in this photo.
    count : int
        How many output channels it has.
    kernels : ndarray of float32
        [M, C / groups, kh, kw].
    bias : ndarray of float32
        [M], zero where there is none.
    sums : ndarray of float32
        [M, h', w'], what the network got for them, with the bias.
    stride, padding, dilation : (int, int)
        Rows and columns.
    groups : int
        In how many parts channels are divided, each with kernels of its own.
    scale, shift : ndarray of float32
        [M], what the batch norm behind it multiplies by and adds; ones and zeros without.
    normalised : str
        The batch norm's name, or nothing.
    layers : tuple of str
        The layers that have these channels: the convolution, its batch norm and activation.
    activation : str
        The class of the activation that follows, or nothing; only ReLU is worked out.
    begins : int or None
        Which channel of the layer `ends` is the first of this convolution, as of a block that sets
        the channels of several side by side; None where its maps are not among those of the layer.
    """

    name: str
    first: bool
    ends: str
    inputs: Floats
    channels: NDArray[np.int32]
    count: int
    kernels: Floats
    bias: Floats
    sums: Floats
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    scale: Floats
    shift: Floats
    normalised: str
    layers: tuple[str, ...]
    activation: str
    begins: int | None


@dataclass(frozen=True)
class _Found:
    """A convolution that can be worked out, where it is called, and the layer that it ends."""

    call: OrderedCall
    layer: nn.Conv2d
    padding: tuple[int, int]
    ends: str = ""
    first: bool = False

    @property
    def key(self) -> Key:
        return self.call.name, self.call.index


def convolutions(seen: Capture, layers: Sequence[str]) -> tuple[ConvolutionStep, ...]:
    """Return the convolution that reads the image, and for each layer one that leads to it.

    Of those between a layer of the page and the one before it that is the last one with a kernel
    of more than one place, or the last one. What is no plain convolution is left out.

    Parameters
    ----------
    seen : Capture
        One photo, captured at the layers.
    layers : sequence of str
        The layers of the page, from shallow to deep.
    """
    model, inputs = seen.model, seen.batch.tensor[:1]
    order = call_order(model, inputs)
    places = {(call.name, call.index): place for place, call in enumerate(order.calls)}
    plain = _plain(model.module, order)
    shape = tuple(inputs.shape[1:])
    found: dict[Key, _Found] = {}
    convolving = [call for call in order.calls if _convolves(model.module, call)]
    if convolving and any(tuple(read.shape[-3:]) == shape for read in convolving[0].reads):
        begun = plain.get((convolving[0].name, convolving[0].index))
        if begun is not None:
            found[begun.key] = _Found(begun.call, begun.layer, begun.padding, first=True)
    start = -1
    for name in layers:
        end = places.get(seen.activations.resolve(name), -1)
        between = [one for key, one in plain.items() if start < places[key] <= end]
        wide = [one for one in between if max(one.layer.kernel_size) > 1]
        for one in (wide or between)[-1:]:
            # One that is asked for by its own name is the one.
            one = next((each for each in between if places[each.key] == end), one)
            first = one.key in found
            found[one.key] = _Found(one.call, one.layer, one.padding, ends=name, first=first)
        start = max(start, end)
    return _met(seen, order, list(found.values()))


def _convolves(module: nn.Module, call: OrderedCall) -> bool:
    return isinstance(module.get_submodule(call.name), nn.Conv2d)


def _plain(module: nn.Module, order: CallOrder) -> dict[Key, _Found]:
    """Return the convolutions that add zeros around their input, and read one image."""
    found = {}
    for call in order.calls:
        layer = module.get_submodule(call.name)
        if not isinstance(layer, nn.Conv2d) or type(layer).forward is not nn.Conv2d.forward:
            continue
        padding = _padding(layer)
        reads_one = call.shape is not None and len(call.shape) == 4 and call.shape[0] == 1
        if layer.padding_mode == "zeros" and padding is not None and reads_one:
            found[call.name, call.index] = _Found(call, layer, padding)
    return found


def _padding(layer: nn.Conv2d) -> tuple[int, int] | None:
    """Return how many zeros are put before the first row and column; None where more come after."""
    if not isinstance(layer.padding, str):
        return _pair(layer.padding)
    if layer.padding == "valid":
        return 0, 0
    total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    return None if any(one % 2 for one in total) else (total[0] // 2, total[1] // 2)


def _met(seen: Capture, order: CallOrder, found: Sequence[_Found]) -> tuple[ConvolutionStep, ...]:
    """Run the photo once more, and keep what goes into each convolution and what comes out.

    Left out are those whose sums are not those of their kernels, as where a class, a hook or what
    the layer is called with makes something else of them.
    """
    module, calls = seen.model.module, _Calls()
    behind = {one.key: _followers(module, order, one) for one in found}
    layers = {one.key: one.layer for one in found}
    wanted = layers.keys()
    keys = wanted | {key for each in behind.values() for key in (each.norm, each.act) if key}
    modules = {name: module.get_submodule(name) for name, _ in keys}

    def before(key: Key, inputs: tuple[torch.Tensor, ...]) -> None:
        if key in wanted:
            calls.read[key] = inputs[0].detach().clone()
            # What computes a weight ahead of each call leaves another one between the calls.
            calls.weights[key] = _double(layers[key].weight)

    def after(key: Key, _inputs: object, output: torch.Tensor) -> None:
        if key in keys:
            calls.given[key] = output.detach().clone()

    if found:
        with isolated(module, grad=False):
            images = seen.batch.tensor[:1].clone()
            run_to(seen.model.forward, images, modules, keys, before=before, after=after)
    return tuple(
        _step(seen, order, one, calls, calls.known(behind[one.key], one.key))
        for one in found
        if one.key in calls.given and calls.read[one.key].ndim == 4 and calls.adds_up(one)
    )


@dataclass(frozen=True)
class _Followers:
    """The batch norm and the activation behind a convolution, and what the norm does.

    Attributes
    ----------
    norm, act : (str, int) or None
        Which calls they are; None where there is none.
    scale, shift : torch.Tensor
        [M], what the norm multiplies by and adds; ones and zeros without.
    activation : str
        The class of the activation.
    """

    norm: Key | None
    act: Key | None
    scale: torch.Tensor
    shift: torch.Tensor
    activation: str


@dataclass(frozen=True)
class _Calls:
    """What went into layers, the weights that they had then, and what came out."""

    read: dict[Key, torch.Tensor] = field(default_factory=dict)
    weights: dict[Key, torch.Tensor] = field(default_factory=dict)
    given: dict[Key, torch.Tensor] = field(default_factory=dict)

    def adds_up(self, one: _Found) -> bool:
        """Whether a convolution gave the sums of products that the page works out."""
        layer, given = one.layer, self.given[one.key]
        bias = None if layer.bias is None else _double(layer.bias)
        sums = nn.functional.conv2d(
            _double(self.read[one.key]),
            self.weights[one.key],
            bias,
            _pair(layer.stride),
            one.padding,
            _pair(layer.dilation),
            layer.groups,
        )
        return not differ(given, sums)

    def known(self, behind: _Followers, key: Key) -> _Followers:
        """Return what follows as far as it does what the page works out for it."""
        given, channels = _double(self.given[key]), behind.scale.shape[0]
        scale, shift = (_double(one).reshape(-1, 1, 1) for one in (behind.scale, behind.shift))
        normalised = given * scale.to(given.device) + shift.to(given.device)
        if behind.norm and differ(self.given[behind.norm], normalised):
            return _Followers(None, None, torch.ones(channels), torch.zeros(channels), "")
        rectified = behind.act if behind.activation == _RELU else None
        if rectified and differ(self.given[rectified], normalised.relu()):
            return replace(behind, act=None, activation="")
        return behind


def _step(
    seen: Capture, order: CallOrder, one: _Found, calls: _Calls, behind: _Followers
) -> ConvolutionStep:
    layer, count = one.layer, one.layer.out_channels
    weight, sums = calls.weights[one.key], _numbers(calls.given[one.key])[0]
    scale, shift = _numbers(behind.scale), _numbers(behind.shift)
    each = weight[0].numel()
    most = (_WEIGHTS_OF_FIRST if one.first else _WEIGHTS) // each
    largest = (sums * scale[:, None, None] + shift[:, None, None]).max((1, 2))
    ranked = np.argsort(-largest, kind="stable")[: max(_FEWEST, most)]
    held = np.sort(ranked).astype(np.int32)
    bias = torch.zeros(count) if layer.bias is None else layer.bias
    names = [order.written(*key) for key in (one.key, behind.norm, behind.act) if key]
    return ConvolutionStep(
        name=names[0],
        first=one.first,
        ends=one.ends,
        inputs=_numbers(calls.read[one.key])[0],
        channels=held,
        count=count,
        kernels=_numbers(weight)[held],
        bias=_numbers(bias)[held],
        sums=sums[held],
        stride=_pair(layer.stride),
        padding=one.padding,
        dilation=_pair(layer.dilation),
        groups=layer.groups,
        scale=scale[held],
        shift=shift[held],
        normalised=order.written(*behind.norm) if behind.norm else "",
        layers=tuple(names),
        activation=behind.activation,
        begins=_begins(seen, one.ends, sums, sums * scale[:, None, None] + shift[:, None, None]),
    )


def _begins(seen: Capture, ends: str, sums: Floats, normalised: Floats) -> int | None:
    """Return where among the maps of a layer those of a convolution begin, seen by their values."""
    if not ends:
        return None
    maps = _numbers(seen.activation_maps(seen.activations.resolve(ends))[0])
    if maps.shape[1:] != sums.shape[1:]:
        return None
    for wanted in (sums, normalised, np.maximum(normalised, 0.0)):
        off = _SAME * float(np.abs(wanted).max())
        found = [
            first
            for first in range(len(maps) - len(wanted) + 1)
            if np.abs(maps[first] - wanted[0]).max() <= off
            and np.abs(maps[first : first + len(wanted)] - wanted).max() <= off
        ]
        if len(found) == 1:
            return found[0]
    return None


def _followers(module: nn.Module, order: CallOrder, one: _Found) -> _Followers:
    """Return the batch norm behind a convolution, what it should do, and the activation."""
    channels, norm = one.layer.out_channels, None
    scale, shift = torch.ones(channels), torch.zeros(channels)
    follower = _reader(module, order, one.call)
    if follower is not None and isinstance(follower[1], nn.BatchNorm2d):
        layer = follower[1]
        if layer.running_mean is not None and layer.running_var is not None:
            norm = follower[0].name, follower[0].index
            scale = (layer.running_var.double() + layer.eps).rsqrt()
            scale = scale * (1.0 if layer.weight is None else layer.weight.double())
            shift = -layer.running_mean.double() * scale
            shift = shift + (0.0 if layer.bias is None else layer.bias.double())
            follower = _reader(module, order, follower[0])
    acts = follower is not None and follower[0].kind == "activation"
    if follower is None or not acts:
        return _Followers(norm, None, scale, shift, "")
    act = follower[0].name, follower[0].index
    return _Followers(norm, act, scale, shift, type(follower[1]).__name__)


def _reader(
    module: nn.Module, order: CallOrder, call: OrderedCall
) -> tuple[OrderedCall, nn.Module] | None:
    """Return the one leaf layer that reads what a call gives; None where there are several."""
    found = [
        (later, module.get_submodule(later.name))
        for later in order.calls
        if _reads(later, call) and (later.name, later.index) != (call.name, call.index)
    ]
    leaves = [(later, layer) for later, layer in found if not [*layer.children()]]
    in_place = bool(leaves) and leaves[0][0].produced[0] == call.produced[0]
    return leaves[0] if in_place or len(leaves) == 1 else None


def _reads(later: OrderedCall, call: OrderedCall) -> bool:
    """Whether a call reads what another gave, before anything else has written to it."""
    name, version = call.produced
    # Of one that works in place the version that it leaves is noted.
    wanted = version + int(later.produced[0] == name)
    return any(read.produced == (name, wanted) for read in later.reads)


def _double(values: torch.Tensor) -> torch.Tensor:
    return values.detach().double()


def _numbers(values: torch.Tensor) -> Floats:
    found: Floats = values.detach().float().cpu().numpy()
    return found


def _pair(values: str | tuple[int, ...]) -> tuple[int, int]:
    first, second = map(int, values)
    return first, second
