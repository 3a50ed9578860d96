"""A family of small networks in which depth, skips, activation and first weights can be varied.

`plain-N` and `resnet-N` are the networks for CIFAR of He et al. (2016), `conv-N` and `mlp-N` plain
chains of convolutions and of linear layers; N counts the layers with weights. They exist so that
what depth does to gradients can be reproduced in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from cnnviz.errors import ModelError, UsageError, did_you_mean
from cnnviz.models.networks.depth_modules import DepthOptions, Family, build
from cnnviz.models.networks.depth_weights import ACTIVATIONS, INITIALISATIONS
from cnnviz.models.randomness import SEED

NORMALISATIONS = ("batch", "group", "layer", "instance", "none")
RESIDUAL_INITIALISATIONS = ("zero-gamma", "fixup", "skipinit")
EXAMPLES = (
    *("plain-20", "plain-56", "plain-110", "resnet-20", "resnet-56", "resnet-110"),
    *("conv-10", "mlp-10"),
)
_NAME = re.compile(r"(plain|resnet|conv|mlp)-(\d+)((?::[^:]+)*)")
_DEEPEST = 2000


def depth_network(
    name: str = "plain-56",
    *,
    activation: str = "relu",
    normalisation: str | None = None,
    initialisation: str = "kaiming",
    gain: float = 1.0,
    width: int | None = None,
    input_size: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    seed: int = SEED,
) -> nn.Module:
    """Build a network of the family, with random weights; the global random state stays.

    Parameters
    ----------
    name : str
        ``plain-N``: a 3x3 convolution, three stages of 3x3 convolutions with `width`, 2 and 4 times
        `width` channels, the second and third begun with stride 2, the mean of each map, a linear
        layer. ``resnet-N``: the same with a skip around every two convolutions, which pads new
        channels with zeros (He et al. 2016, option A); N is even. ``conv-N``: N - 1 convolutions of
        one width at full resolution, the mean of each map, a linear layer. ``mlp-N``: N linear
        layers. The options below may follow the name, as in ``plain-20:tanh:none:xavier:gain=3``.
    activation : str
        relu, leaky_relu, tanh, sigmoid, elu, selu, gelu, silu, or identity.
    normalisation : {"batch", "group", "layer", "instance", "none"}, optional
        Between each convolution and its activation; by default "batch" in ``plain-N`` and
        ``resnet-N`` and "none" in chains.
    initialisation : str
        kaiming, xavier, orthogonal, lecun, default (torch's own); for ``resnet-N`` also zero-gamma
        (each branch's last batch norm begins at zero; Goyal et al. 2017), fixup (Zhang et al. 2019)
        and skipinit (De and Smith 2020), which are Kaiming's otherwise and, the last two, without
        normalisation.
    gain : float
        Multiplies the weights of all layers but the last.
    width : int, optional
        Channels of the first stage (16), or of every layer in ``mlp-N`` (64).
    input_size : tuple of int
        Channels, height and width of the input.
    classes : int
        The length of the output.
    seed : int
        The seed of the weights.

    Returns
    -------
    torch.nn.Module
        In training mode, as torch makes networks; input [N, *input_size], output [N, classes].

    Raises
    ------
    ModelError
        The name is no network of the family.
    UsageError
        An option is unknown, or does not go with the others.

    Examples
    --------
    >>> network = depth_network("resnet-20", activation="tanh", normalisation="none")
    >>> sum(parameters.numel() for parameters in network.parameters())
    269034
    """
    options = read_name(name)
    given = {
        "activation": (activation, "relu"),
        "normalisation": (normalisation, None),
        "initialisation": (initialisation, "kaiming"),
        "gain": (gain, 1.0),
        "width": (width, None),
        "seed": (seed, SEED),
    }
    changed: dict[str, Any] = {
        key: value for key, (value, usual) in given.items() if value != usual
    }
    options = replace(options, **changed, input_size=input_size, classes=classes)
    _check(options)
    return build(options)


def is_name(source: str) -> bool:
    """Tell whether a name has the form of a network of the family."""
    return _NAME.fullmatch(source.lower()) is not None


def read_name(name: str) -> DepthOptions:
    """Return the options that a name such as ``resnet-56`` or ``mlp-10:sigmoid:xavier`` says.

    Raises
    ------
    ModelError
        The name is no network of the family.
    UsageError
        An option after a colon is unknown.
    """
    match = _NAME.fullmatch(name.lower())
    if match is None:
        raise ModelError(
            f"There is no network {name!r} in the family of depths.",
            did_you_mean(name, EXAMPLES, "Names are plain-N, resnet-N, conv-N and mlp-N."),
        )
    family: Family = match[1]  # type: ignore[assignment]
    options = DepthOptions(family, int(match[2]))
    for word in filter(None, match[3].split(":")):
        options = replace(options, **_option(word))
    return options


def _option(word: str) -> dict[str, Any]:
    key, is_number, value = word.partition("=")
    if is_number and key in ("gain", "width", "seed"):
        try:
            return {key: float(value) if key == "gain" else int(value)}
        except ValueError as error:
            raise UsageError(f"{key} cannot be {value!r}.", "Give a number.") from error
    if word in ACTIVATIONS:
        return {"activation": word}
    if word in NORMALISATIONS:
        return {"normalisation": word}
    if word in (*INITIALISATIONS, *RESIDUAL_INITIALISATIONS):
        return {"initialisation": word}
    known = [*ACTIVATIONS, *NORMALISATIONS, *INITIALISATIONS, *RESIDUAL_INITIALISATIONS]
    raise UsageError(
        f"{word!r} is no option of a network in the family of depths.",
        did_you_mean(word, known, f"Choose {', '.join(known)}, gain=, width= or seed=."),
    )


def _check(options: DepthOptions) -> None:
    least = {"plain": 2, "resnet": 4, "conv": 2, "mlp": 1}[options.family]
    if not least <= options.depth <= _DEEPEST:
        raise UsageError(
            f"{options.family}-{options.depth} cannot be built.",
            f"Give a depth from {least} to {_DEEPEST}.",
        )
    if options.family == "resnet" and options.depth % 2:
        raise UsageError(
            f"resnet-{options.depth} cannot be built: its blocks have two layers each.",
            f"Use resnet-{options.depth - 1} or resnet-{options.depth + 1}.",
        )
    _known("activation", options.activation, ACTIVATIONS)
    _known("normalisation", options.norm, NORMALISATIONS)
    residual = RESIDUAL_INITIALISATIONS if options.family == "resnet" else ()
    _known("initialisation", options.initialisation, (*INITIALISATIONS, *residual))
    if options.initialisation == "zero-gamma" and options.norm == "none":
        raise UsageError(
            "zero-gamma needs a normalisation whose scale it can set.", "Use skipinit without one."
        )
    if min(options.channels, options.classes, *options.input_size) < 1 or options.gain <= 0.0:
        raise UsageError("Sizes and gains are positive.", "Give numbers above zero.")


def _known(what: str, value: str, choices: Sequence[str] | dict[str, type[nn.Module]]) -> None:
    if value not in choices:
        raise UsageError(
            f"There is no {what} {value!r} here.",
            did_you_mean(value, choices, f"Choose {', '.join(choices)}."),
        )
