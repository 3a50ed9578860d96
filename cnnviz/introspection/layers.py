"""Layer names, their kinds, and the selection of layers by kind, pattern or name."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn
from torch.jit import ScriptModule
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import (
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    _AvgPoolNd,
    _LPPoolNd,
    _MaxPoolNd,
)
from torch.nn.utils.parametrize import is_parametrized

from cnnviz.bounds import read_whole
from cnnviz.errors import LayerError, did_you_mean
from cnnviz.introspection.called_functions import function_not_layer
from cnnviz.introspection.program_layers import calls_operators, kind_in_program

_KINDS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "conv": (_ConvNd,),
    "linear": (nn.Linear, nn.Bilinear),
    "norm": (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.RMSNorm),
    "pool": (_AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _LPPoolNd, _MaxPoolNd),
    "dropout": (nn.modules.dropout._DropoutNd,),
    "flatten": (nn.Flatten, nn.Unflatten),
    "identity": (nn.Identity,),
}
_ACTIVATIONS = tuple(
    value
    for name in nn.modules.activation.__all__
    if name != "MultiheadAttention"
    and isinstance(value := getattr(nn.modules.activation, name), type)
)
KINDS = ("conv", "linear", "norm", "activation", "pool", "dropout", "flatten")

_NO_WORDS: Mapping[str, Sequence[str]] = MappingProxyType({})

Layers = str | Sequence[str]
"""A choice of layers: kinds, names and patterns, in one string with commas or in several."""


def kind(module: nn.Module) -> str:
    """Return the kind of a layer, by its class, or by its operator in an exported program.

    Returns
    -------
    str
        One of `KINDS`, "identity", "container" for a module with children, or "other".
    """
    by_class = kind_of_class(module)
    return (kind_in_program(module) or by_class) if by_class == "other" else by_class


def kind_of_class(module: nn.Module) -> str:
    """Do as `kind`, for those who need torch's own class: layers of programs are "other"."""
    for name, types in _KINDS.items():
        if isinstance(module, types):
            return name
    if isinstance(module, _ACTIVATIONS):
        return "activation"
    return "container" if any(True for _ in module.children()) else "other"


def named_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return every submodule by each of its names, in the order of definition; not the root.

    A module registered under several names appears under each of them.
    """
    return {name: child for name, child in module.named_modules(remove_duplicate=False) if name}


def nameable_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return `named_layers` without the parts that only compute a weight of another."""
    every = named_layers(module)
    return {name: layer for name, layer in every.items() if _made_by(name, every) is None}


def _made_by(name: str, known: Mapping[str, nn.Module]) -> tuple[str, str] | None:
    # Of which layer which tensor: so do the parts of `torch.nn.utils.parametrize`.
    owner, mark, rest = f"{name}.".partition(".parametrizations.")
    if not mark or owner not in known or not is_parametrized(known[owner]):
        return None
    return owner, rest.partition(".")[0]


def check_is_layer(name: str, known: Mapping[str, nn.Module]) -> None:
    """Refuse a tensor of a layer, and what computes one: neither is a layer.

    Raises
    ------
    LayerError
        If the name is that of such a thing; it says of which layer.
    """
    above, _, last = name.rpartition(".")
    of_tensor = name not in known and above in known and _holds(known[above], last)
    made = _made_by(name, known)
    if made is None and not of_tensor:
        return
    owner, tensor = made or (above, last)
    what = "is a tensor of" if of_tensor else f"computes the {tensor or 'weight'} of"
    raise LayerError(
        f"{name!r} is no layer: it {what} layer {owner!r}, whose output is what can be looked at.",
        f"Name {owner!r}.",
    )


def _holds(layer: nn.Module, name: str) -> bool:
    return name in layer._parameters or name in layer._buffers or is_parametrized(layer, name)


def check_seen(module: nn.Module, within: str = "") -> None:
    """Refuse a network, or its layer `within`, whose layers cannot be followed.

    Raises
    ------
    LayerError
        If it is TorchScript, or a part of it: that calls no hook, and torch functions out of sight.
    """
    for name, child in module.named_modules():
        if isinstance(child, ScriptModule):
            place = ".".join(filter(None, (within, name)))
            raise LayerError(
                f"{f'Layer {place!r}' if place else 'The network'} is TorchScript, which does not "
                "tell what its layers compute.",
                "Give the torch.nn.Module that was scripted or traced.",
            )


def check_calls_layers(module: nn.Module) -> None:
    """Refuse a network whose layers call no hook: TorchScript, and flat exported programs.

    Raises
    ------
    LayerError
        If it is one of these.
    """
    check_seen(module)
    if calls_operators(module):
        raise LayerError(
            "This is the module of an exported program, which calls operators, not layers.",
            "Give torch.export.unflatten(program): it has the layers that were exported.",
        )


def select(
    module: nn.Module, layers: Layers, words: Mapping[str, Sequence[str]] = _NO_WORDS
) -> dict[str, nn.Module]:
    """Choose layers by kind, by pattern or by name.

    In one string a kind comes before a layer of that name, so that "conv" is every convolution of
    any network. In a list a name comes first, as it stands: ``["conv"]`` is the layer of that name
    where there is one, and a name may hold commas.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    layers : str or sequence of str
        Each item is a kind (one of `KINDS`), a layer's exact name, or a pattern in which ``*`` and
        ``?`` stand for any characters. Items in one string are separated by commas.
    words : mapping of str to sequence of str
        Further words that are read as the kinds are, and the layers that each stands for.

    Returns
    -------
    dict of str to torch.nn.Module
        The chosen layers in the order of definition, each module once.

    Raises
    ------
    LayerError
        If an item chooses no layer; the error names the nearest layers.
    """
    every, known = named_layers(module), nameable_layers(module)
    chosen: set[str] = set()
    for item in items(layers, every):
        check_is_layer(item.text, every)
        matched = _match(item, known, words)
        if not matched and (item.name or item.text not in words):
            check_calls_layers(module)
            raise function_not_layer(module, item.text) or _nothing_matches(item.text, known)
        chosen.update(matched)
    found: dict[str, nn.Module] = {}
    seen: set[int] = set()
    for name, layer in known.items():
        if name in chosen and id(layer) not in seen:
            seen.add(id(layer))
            found[name] = layer
    return found


@dataclass(frozen=True)
class Item:
    """One item of a selection of layers.

    Attributes
    ----------
    text : str
        The kind, name or pattern.
    name : bool
        Whether it is the name of a layer, whatever else it could be read as.
    """

    text: str
    name: bool


def items(layers: Layers, known: Collection[str]) -> list[Item]:
    """Return the items of a selection, given the names of all layers."""
    if isinstance(layers, str):
        if "," in layers and layers in known:
            return [Item(layers, name=True)]
        return [Item(text, name=False) for text in split(layers)]
    found: list[Item] = []
    for part in layers:
        found += [Item(part, name=True)] if part in known else items(part, known)
    return found


def asks_for(layers: Layers, word: str, known: Collection[str]) -> bool:
    """Whether a selection holds a word that is none of its names of layers."""
    return any(item.text == word and not item.name for item in items(layers, known))


def split(layers: Layers, known: Collection[str] = ()) -> list[str]:
    """Return the items of a selection, which may stand in one string with commas between them.

    What is in `known` is one item, even with commas.
    """
    if isinstance(layers, str) and layers in known:
        return [layers]
    parts = [layers] if isinstance(layers, str) else list(layers)
    found: list[str] = []
    for part in parts:
        found += [part] if part in known else [s for text in part.split(",") if (s := text.strip())]
    return found


def without_call(text: str, known: Collection[str]) -> str:
    """Return the layer that ``name#1``, the second call of a layer, is a call of."""
    name, mark, index = text.rpartition("#")
    return name if mark and read_whole(index) is not None and text not in known else text


def _match(
    item: Item, known: Mapping[str, nn.Module], words: Mapping[str, Sequence[str]]
) -> list[str]:
    text = item.text
    if not item.name:
        if text in words:
            return list(words[text])
        of_kind = [name for name, layer in known.items() if kind(layer) == text]
        if text in KINDS and of_kind:
            return of_kind
    if text in known:
        return [text]
    if any(mark in text for mark in "*?["):
        return [name for name in known if fnmatch.fnmatchcase(name, text)]
    return []


def _nothing_matches(item: str, known: Mapping[str, nn.Module]) -> LayerError:
    if item in KINDS:
        present = sorted({kind(layer) for layer in known.values()} & set(KINDS))
        return LayerError(
            f"The network has no layer of the kind {item!r}.",
            f"It has layers of the kinds {', '.join(present)}." if present else "",
        )
    if any(mark in item for mark in "*?["):
        example = next(iter(known), "")
        return LayerError(
            f"No layer matches the pattern {item!r}.",
            f"Layers are named like {example!r}." if example else "The network has no layers.",
        )
    layer = without_call(item, known)
    if layer in known:
        return LayerError(
            f"{item!r} is one call of a layer, and whole layers are chosen here.",
            f"Name {layer!r}: all of its calls are taken.",
        )
    otherwise = f"Name a layer, a pattern such as 'layer3.*', or a kind: {', '.join(KINDS)}."
    return LayerError(
        f"The network has no layer {item!r}.", did_you_mean(item, [*known, *KINDS], otherwise)
    )
