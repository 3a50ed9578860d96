"""Batch norm by the statistics of data at hand, without writing to the network.

A network whose batch norms have never seen data, or whose weights were moved, is another network in
eval mode than the one its statistics belong to. Here the statistics are found on the data, held
beside the network, and put in place of the stored ones wherever a batch norm is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from cnnviz.errors import ModelError
from cnnviz.introspection.function_calls import FunctionMode

_REMAINS = 0.02
"""The share of its first statistics that a batch norm may still hold."""
_SIGNATURES: Mapping[Any, inspect.Signature] = {
    F.batch_norm: inspect.signature(F.batch_norm),
    # What torch calls below it, for code that skips the function.
    torch.batch_norm: inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in (
                *("input", "weight", "bias", "running_mean", "running_var"),
                *("training", "momentum", "eps", "cudnn_enabled"),
            )
        ]
    ),
}


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of each channel at one call of a batch norm.

    Attributes
    ----------
    mean, variance : torch.Tensor
        [C]; the variance is that of the values at hand, not an estimate from them.
    count : int
        From how many values a channel they were taken; 0 where they are the stored ones, because
        one value has no variance.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    count: int


class batch_statistics(FunctionMode):  # noqa: N801
    """Let every batch norm in eval mode use other statistics than those it stores.

    Parameters
    ----------
    given : sequence of Statistics, optional
        What each call uses, in the order of the calls; by default what is measured on the very
        batch that is being normalised.
    only : collection of batch norms, optional
        Those that do; the others keep the statistics that they store. By default all do.

    Attributes
    ----------
    used : list of Statistics
        What each call used, in order.

    Notes
    -----
    Calls are counted and not layers, so that a layer that is called twice has two statistics. The
    network is not written to. It works under `torch.func.vmap`.
    """

    def __init__(
        self,
        given: Sequence[Statistics] | None = None,
        *,
        only: Collection[_BatchNorm] | None = None,
    ) -> None:
        super().__init__()
        self._given = given
        # A call tells which layer it is of by the tensor that the layer stores.
        self._stored = None if only is None else [norm.running_mean for norm in only]
        self.used: list[Statistics] = []

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Take the calls of batch norms that use stored statistics; pass all others on."""
        signature = _SIGNATURES.get(func)
        if signature is None:
            return func(*args, **named)
        bound = signature.bind(*args, **named)
        bound.apply_defaults()
        call = bound.arguments
        if call["training"] or call["running_mean"] is None:
            return func(*args, **named)
        if self._stored is not None and not any(
            call["running_mean"] is stored for stored in self._stored
        ):
            return func(*args, **named)
        found = self._statistics(call)
        self.used.append(found)
        return F.batch_norm(
            call["input"],
            found.mean.to(call["running_mean"].dtype),
            found.variance.to(call["running_mean"].dtype),
            call["weight"],
            call["bias"],
            False,
            0.0,
            call["eps"],
        )

    def _statistics(self, call: Mapping[str, Any]) -> Statistics:
        if self._given is not None:
            if len(self.used) >= len(self._given):
                raise ModelError(
                    "The network calls its batch norms differently from one input to the next.",
                    "Keep the statistics that they hold.",
                )
            return self._given[len(self.used)]
        values: torch.Tensor = call["input"].detach()
        count = values.numel() // max(values.shape[1], 1)
        if count < 2:
            return Statistics(call["running_mean"], call["running_var"], 0)
        places = [place for place in range(values.ndim) if place != 1]
        exact = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
        variance, mean = torch.var_mean(exact, places, correction=0)
        return Statistics(mean, variance, count)


def pooled(parts: Sequence[Sequence[Statistics]]) -> list[Statistics]:
    """Return the statistics of all values, from those of their parts, for each call.

    Parameters
    ----------
    parts : sequence of sequence of Statistics
        For each part of the data the statistics of every call.
    """
    return [_together(calls) for calls in zip(*parts, strict=True)]


def _together(parts: Sequence[Statistics]) -> Statistics:
    count = sum(part.count for part in parts)
    if count == 0 or len(parts) == 1:
        return parts[0]
    shares = [part.count / count for part in parts]
    mean = _sum(share * part.mean for share, part in zip(shares, parts, strict=True))
    variance = _sum(
        share * (part.variance + (part.mean - mean).square())
        for share, part in zip(shares, parts, strict=True)
    )
    return Statistics(mean, variance, count)


def _sum(terms: Iterable[torch.Tensor]) -> torch.Tensor:
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def calibrate(
    forward: Callable[[torch.Tensor], Any],
    batches: Iterable[torch.Tensor],
    *,
    only: Collection[_BatchNorm] | None = None,
) -> list[Statistics]:
    """Return the statistics of data at every call of a batch norm.

    Parameters
    ----------
    forward : callable
        Runs the network, in eval mode, on one batch.
    batches : iterable of torch.Tensor
        The data. Each batch is normalised by its own statistics on the way, and those of all are
        then pooled, as in `torch.optim.swa_utils.update_bn`; with one batch they are exact.
    only : collection of batch norms, optional
        Those to be measured; all by default.
    """
    parts = []
    for batch in batches:
        with torch.no_grad(), batch_statistics(only=only) as seen:
            forward(batch)
        parts.append(seen.used)
    return pooled(parts)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Statistics for the batch norms of a network that have never seen data, held beside it.

    Attributes
    ----------
    norms : tuple of batch norms
        Those that have seen none.
    statistics : list of Statistics
        What each of their calls is to use, in order.
    """

    norms: tuple[_BatchNorm, ...]
    statistics: list[Statistics]

    @property
    def lone(self) -> int:
        """At how many calls there was one value a channel, so that the stored statistics stay."""
        return sum(one.count == 0 for one in self.statistics)

    def as_stored(self) -> Calibration:
        """Return it with the variances that a step of training stores.

        Training divides by the variance of the values at hand, but stores the one that they let
        expect of others, which is larger by n / (n - 1).
        """
        stored = [
            replace(one, variance=one.variance * (one.count / (one.count - 1)))
            if one.count
            else one
            for one in self.statistics
        ]
        return replace(self, statistics=stored)

    def applied(self) -> batch_statistics:
        """Return the context in which the batch norms use these statistics."""
        return batch_statistics(self.statistics, only=self.norms)

    def told(self) -> str:
        """Say what was done, in a sentence or two."""
        norms, were = ("batch norm", "was") if len(self.norms) == 1 else ("batch norms", "were")
        told = (
            f"{len(self.norms)} {norms} had seen no data, or next to none, and {were} given the "
            "statistics of these images, beside the network."
        )
        if self.lone:
            told += (
                f" At {self.lone} calls there was one value a channel, which has no variance: "
                "these are read as they are. Give more images."
            )
        return told


def calibrated(
    module: nn.Module, forward: Callable[[torch.Tensor], Any], inputs: torch.Tensor, rows: int
) -> Calibration | None:
    """Return the statistics of the inputs for a network that has never seen data.

    Parameters
    ----------
    module : torch.nn.Module
        The network, in eval mode.
    forward : callable
        Runs it on one batch.
    inputs : torch.Tensor
        [N, C, H, W].
    rows : int
        How many of them go through together.

    Returns
    -------
    Calibration or None
        None where all batch norms have seen data, or there are none.
    """
    fresh = tuple(uncalibrated(module).values())
    if not fresh:
        return None
    parts = (part.clone() for part in torch.split(inputs, rows))
    return Calibration(fresh, calibrate(forward, parts, only=fresh))


def uncalibrated(module: nn.Module) -> dict[str, _BatchNorm]:
    """Return the batch norms whose statistics are not those of any data, or hardly, by name.

    They are made with a mean of 0 and a variance of 1, and each batch replaces a tenth of that, or
    what `momentum` says: after one step of training they are still far from what they divide by.
    """
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm) and _is_unfed(layer)
    }


def _is_unfed(norm: _BatchNorm) -> bool:
    mean, variance, steps = norm.running_mean, norm.running_var, norm.num_batches_tracked
    if mean is None or variance is None:
        return False
    if not bool(mean.any()) and bool((variance == 1).all()):
        return steps is None or int(steps) == 0
    # Statistics without a count were loaded, and without a momentum they are plain averages.
    if steps is None or int(steps) == 0 or norm.momentum is None:
        return False
    return (1.0 - float(norm.momentum)) ** int(steps) > _REMAINS
