"""The mark of a tensor: whether it depends on the image, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.tracing.fields import Field
from cnnviz.introspection.tracing.rules_position import Place

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Depends:
    """The tensor depends on the image.

    Attributes
    ----------
    exact, gateless : Field
        The field, and the field without global gates: the same object where there are none.
    place : Place or None
        Which places of the image the elements stand for; None where they stand for none.
    constant : ndarray of bool or None
        Broadcastable to the tensor: which elements hold one value whatever image and parameters
        are; None for not one.
    """

    exact: Field
    gateless: Field
    place: Place | None = None
    constant: Flags | None = None


@dataclass(frozen=True)
class Independent:
    """The tensor does not depend on the image, as far as torch was seen to make it.

    Attributes
    ----------
    parameters : frozenset of int
        The identities of the parameters that it depends on.
    alien : bool
        Whether it goes back to a tensor that no operation was seen to make and that is no part of
        the network's state.
    support : torch.Tensor or None
        Of what parameters go into, where it may be other than zero whatever they are; None where
        that may be anywhere.
    valued : bool
        Whether its values are its own, as they are not where arithmetic was left out.
    """

    parameters: frozenset[int] = frozenset()
    alien: bool = False
    support: torch.Tensor | None = field(default=None, compare=False)
    valued: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Unknown:
    """An operation without a rule lies between the image and the tensor."""


Mark = Depends | Independent | Unknown
FREE, ALIEN, UNKNOWN = Independent(), Independent(alien=True), Unknown()


def merged(marks: Sequence[Independent]) -> Independent:
    """Return the mark of what was made of several tensors, none of which depends on the image."""
    used: frozenset[int] = frozenset().union(*(mark.parameters for mark in marks))
    alien = any(mark.alien for mark in marks)
    return Independent(used, alien, valued=all(mark.valued for mark in marks))
