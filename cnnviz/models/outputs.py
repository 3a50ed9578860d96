"""What a network returned: which member of it is explained, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from cnnviz.errors import TargetError
from cnnviz.introspection.final_activation import (
    Softened,
    are_features,
    mapped_softened,
    softened,
)
from cnnviz.introspection.forward import check_plain
from cnnviz.models.output_kinds import WORDS, OutputKind
from cnnviz.models.output_members import chosen_member, describe, member_of, members
from cnnviz.models.reading import AS_GIVEN, NORMALISED, Reading
from cnnviz.results.space import SIGNAL
from cnnviz.results.text import plural

if TYPE_CHECKING:
    from cnnviz.models.model import Model

_AS_FEATURES = (
    "; yet it comes out of a normalisation, as the features of an embedding do, and scores as a "
    "rule of a layer with weights"
)
_SUITS: dict[str, tuple[OutputKind, ...]] = {
    "softmax": (OutputKind.CLASSES, OutputKind.CLASS_MAP),
    "log_softmax": (OutputKind.CLASSES, OutputKind.CLASS_MAP),
    AS_GIVEN: (OutputKind.CLASSES,),
    "sigmoid": (OutputKind.LABELS, OutputKind.LOGIT, OutputKind.CLASS_MAP),
    NORMALISED: (OutputKind.EMBEDDING,),
}


def needs_graph(model: Model, output: Any) -> bool:
    """Whether only a graph could tell which member of an output is the answer."""
    if isinstance(output, torch.Tensor) or model.member is not None or model.reading is not None:
        return False
    if returns_boxes(model, output):
        return False
    found = dict(members(output))
    return len(found) > 1 and all(tensor.grad_fn is None for tensor in found.values())


def read_output(model: Model, output: Any, inputs: torch.Tensor | None = None) -> Reading:
    """Return how the output of a network is read; found once, and kept by the model.

    Parameters
    ----------
    model : Model
        The network.
    output : Any
        What it returned.
    inputs : torch.Tensor, optional
        For what; an output of the same shape is an image, and no map of classes.

    Raises
    ------
    TargetError
        The output holds no tensor of floating-point numbers, or several that cannot be told apart.
    """
    known = model.reading
    if isinstance(output, torch.Tensor):
        _check_real(output)
        # What was taken of an output is read again as a tensor; another one has no members.
        if model.member is not None and (known is None or known.member != model.member):
            member_of(output, model.member)
    if returns_boxes(model, output):
        found = known if known is not None and known.kind == OutputKind.BOXES else _boxes(model)
        model.keep_reading(found)
        return found
    member, others = ("", ()) if known is None else (known.member, known.others)
    if not isinstance(output, torch.Tensor) and (known is None or not known.member):
        member, others = chosen_member(model, output)
    given = output if isinstance(output, torch.Tensor) else member_of(output, member)
    check_plain(given, model.name)
    given = _in_rows(model, given)
    if known is not None and known.shape == _axes(given):
        if member == known.member:
            return known
        # A tensor was read before what it is a member of.
        found = replace(known, member=member, others=others)
    else:
        found = _read(model, given, member, others, inputs)
    model.keep_reading(found)
    return found


def returns_boxes(model: Model, output: Any) -> bool:
    """Whether an output holds boxes: as was declared, or as its members are called."""
    if model.output is not None:
        return model.output == OutputKind.BOXES
    if isinstance(output, torch.Tensor) or model.member is not None:
        return False
    return any(name.rpartition(".")[2] == "boxes" for name, _ in members(output))


def _boxes(model: Model) -> Reading:
    names = model.categories
    return Reading(OutputKind.BOXES, "", "", (), "", len(names or ()), names, (0, 0))


def _check_real(output: torch.Tensor) -> None:
    if output.ndim > 1 and not output.shape[1]:
        raise TargetError(
            f"The network returns {describe(output)}, scores of no class at all.",
            "Check the number of classes of its last layer.",
        )
    if output.is_floating_point() or output.is_quantized:
        return
    what = "complex numbers, which have no order"
    if not output.is_complex():
        what = "whole numbers, which are answers and no scores"
    raise TargetError(
        f"The network returns {describe(output)} of {what}.",
        "Wrap it in a module that returns the scores, as real numbers.",
    )


def _axes(given: torch.Tensor) -> tuple[int, int]:
    return max(given.ndim, 2), 1 if given.ndim < 2 else int(given.shape[1])


def _read(
    model: Model,
    given: torch.Tensor,
    member: str,
    others: tuple[str, ...],
    inputs: torch.Tensor | None,
) -> Reading:
    note = softened(given)
    inside = "" if note is None or not _made(given, note) else str(note.kind)
    if inside == NORMALISED and (not has_length_one(given) or _are_shares(given)):
        inside = ""  # Scaled by something else, such as a confidence, or to shares of 1.
    if not inside and given.ndim == 2 and given.shape[1] > 1 and _are_shares(given):
        inside = AS_GIVEN
    if model.output is not None:
        _check_declared(model, model.output, given)
    kind, why = (model.output, "") if model.output else _guess(model, given, inside, inputs)
    if kind is not None and kind not in _SUITS.get(inside, tuple(OutputKind)):
        inside = ""
    axes = _axes(given)
    names = model.categories
    one = kind == OutputKind.LOGIT or (kind == OutputKind.CLASS_MAP and axes[1] == 1)
    if one:
        names = _two_names(names)
    return Reading(kind, why, member, others, inside, 2 if one else axes[1], names, axes)


def _is_map(model: Model, given: torch.Tensor) -> bool:
    """Whether an output has scores for every place: of a signal it has one axis.

    More axes than an image has are no places of it: anchors, or boxes of each place.
    """
    return 4 <= given.ndim <= max(4, 2 + model.space.axes) or (
        given.ndim == 3 and model.space == SIGNAL
    )


def _check_declared(model: Model, kind: OutputKind, given: torch.Tensor) -> None:
    columns = 1 if given.ndim == 1 else int(given.shape[1])
    fits = {
        OutputKind.CLASSES: given.ndim == 2 and columns > 1,
        OutputKind.LABELS: given.ndim == 2,
        OutputKind.LOGIT: given.ndim <= 2 and columns == 1,
        OutputKind.EMBEDDING: given.ndim == 2,
        OutputKind.CLASS_MAP: _is_map(model, given),
        OutputKind.VALUE: given.ndim != 3 or _is_map(model, given),
    }
    if not fits.get(kind, False):
        raise TargetError(
            f"The output was declared as {WORDS[kind]}, and is {describe(given)}.",
            "Declare another kind with output=, or leave it to be guessed.",
            option="Declare another kind with --output, or leave it to be guessed.",
        )


def _two_names(names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return ("negative", "positive")
    return (f"not {names[0]}", names[0]) if len(names) == 1 else tuple(names)


def _made(given: torch.Tensor, note: Softened) -> bool:
    """Whether an output is what its note says: some of the classes alone are another softmax."""
    before, values = note.before.detach().double().cpu(), given.detach().double().cpu()
    if note.kind == NORMALISED:
        return True
    found = before.sigmoid() if note.kind == "sigmoid" else before.softmax(min(1, before.ndim - 1))
    near = 10 * _rounding(given)  # Probabilities may be kept off 0 and 1.
    return any(torch.allclose(found, one, atol=near) for one in (values, values.exp()))


def _rounding(given: torch.Tensor) -> float:
    return max(1e-4, 4 * torch.finfo(given.dtype).eps)


def _are_shares(given: torch.Tensor) -> bool:
    values = given.detach().double().cpu()
    sums = values.sum(1)
    near = torch.allclose(sums, torch.ones_like(sums), atol=_rounding(given))
    return bool((values >= 0).all()) and near


def _guess(
    model: Model, given: torch.Tensor, inside: str, inputs: torch.Tensor | None
) -> tuple[OutputKind | None, str]:
    """Return the kind of an output, and what it was guessed from where it is a guess."""
    shape = f"its shape is {['N', *given.shape[1:]]}".replace("'", "")
    names = model.categories
    if _is_map(model, given):
        like_images = inputs is not None and given.shape[1:] == inputs.shape[1:]
        if like_images and inside == "sigmoid" and names is None:
            return OutputKind.VALUE, f"{shape}, as that of the images, and it ends in a sigmoid"
        known = names is not None and len(names) == given.shape[1]
        return OutputKind.CLASS_MAP, "" if known or inside else shape + _against(given)
    if given.ndim == 1 or (given.ndim == 2 and given.shape[1] == 1):
        if inside == "sigmoid" or (names is not None and len(names) == 2):
            return OutputKind.LOGIT, ""
        may = "a probability" if _lies_in_unit_range(given) else "a logit"
        return OutputKind.VALUE, f"{shape}, and one number may be {may} too{_against(given)}"
    if given.ndim != 2:
        return None, ""
    if inside in ("softmax", "log_softmax", AS_GIVEN):
        return OutputKind.CLASSES, ""
    if inside == "sigmoid":
        return OutputKind.LABELS, ""
    if names is not None:
        return OutputKind.CLASSES, ""
    if has_length_one(given):
        return OutputKind.EMBEDDING, "its rows have the length 1"
    features = are_features(given)
    if features and (alike := _as_wide(model, int(given.shape[1]))) != 1:
        wide = f"has the width of {alike} layers" if alike else "no layer has its width"
        return OutputKind.EMBEDDING, (
            f"it comes out of a normalisation, and {wide}, while classes have a layer of their own"
        )
    return OutputKind.CLASSES, shape + (_AS_FEATURES if features else _against(given))


def _as_wide(model: Model, columns: int) -> int:
    """Return how many layers have so many channels, by the weights that they hold."""
    return sum(
        weight.ndim > 1 and weight.shape[0] == columns for weight in model.module.parameters()
    )


def _lies_in_unit_range(given: torch.Tensor) -> bool:
    values = given.detach()
    return bool((values >= 0).all() and (values <= 1).all()) and values.numel() > 0


def _against(given: torch.Tensor) -> str:
    """Say what of the values speaks against scores that a softmax or sigmoid is still to follow."""
    values = given.detach()
    if _lies_in_unit_range(given):
        return (
            "; yet all of its values lie from 0 to 1, as probabilities do, over which no further "
            "softmax or sigmoid belongs"
        )
    if values.numel() > 1 and bool((values >= 0).all()):
        return (
            "; yet none of its values is below 0, as of features, evidence, rates or counts, for "
            "which a softmax is not meant"
        )
    return ""


def has_length_one(given: torch.Tensor) -> bool:
    """Whether all rows of a matrix are of length 1, as those of a normalised embedding."""
    lengths = given.detach().double().norm(dim=1)
    return bool(torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4))


def given_of(model: Model, output: Any) -> torch.Tensor:
    """Return the member of an output that is explained, as the network returned it.

    Scores of one position, [N, K, 1, 1], are those of the image, [N, K].
    """
    if returns_boxes(model, output):
        said = "The network returns" if model.output is None else "The output was declared as"
        raise TargetError(
            f"{said} boxes, which are no scores of classes for the whole image.",
            "Explain a box or a class: target=cnnviz.Box(label, (left, top, right, bottom)), or "
            "the name or index of a class for its best box.",
            option="Explain a box or a class: --box left,top,right,bottom, or --target with the "
            "name or index of a class for its best box.",
        )
    if isinstance(output, torch.Tensor):
        return _in_rows(model, output)
    return _in_rows(model, member_of(output, read_output(model, output).member))


def _in_rows(model: Model, given: torch.Tensor) -> torch.Tensor:
    def flat(values: torch.Tensor) -> torch.Tensor:
        return values.flatten(1) if values.ndim > 2 else values.reshape(1)

    single = given.ndim > 2 and set(given.shape[2:]) == {1} and _is_map(model, given)
    if not given.ndim or (single and model.output != OutputKind.CLASS_MAP):
        return mapped_softened(flat, given, flat(given))
    return given


def scores_of(model: Model, output: Any, count: int | None = None) -> torch.Tensor:
    """Return the scores that are explained, [N, K] or [N, K, H, W].

    They are what went into a softmax, sigmoid or normalisation at the end of the network, where
    there is one. One number for each image, [N], becomes one column. Scores themselves are
    returned as they are.

    Parameters
    ----------
    model : Model
        The network.
    output : Any
        What it returned.
    count : int, optional
        For how many images, N, where each row is then taken as the scores of its image.

    Raises
    ------
    TargetError
        As `read_output` does; where it holds boxes; or there is not one row for each image.
    """
    given = given_of(model, output)
    reading = read_output(model, output)
    note = softened(given)
    scores = note.before if note is not None and reading.inside == note.kind else given
    scores = scores[:, None] if scores.ndim == 1 else scores
    if count is not None and len(scores) != count:
        raise not_rows(scores, count)
    return scores


def not_rows(scores: torch.Tensor, count: int) -> TargetError:
    """Return the error that says that scores are no row for each of so many images."""
    return TargetError(
        f"The network returns {describe(scores)} for {plural(count, 'image')}, not [N, classes].",
        "Give a callable as target that makes one score for each image of it, or a Region for a "
        "network that segments.",
        option="Where these are boxes, define decode in the file of the network, which makes them "
        "of its output; otherwise let the network return one row of scores for each image.",
    )


def class_scores(reading: Reading, scores: torch.Tensor) -> torch.Tensor:
    """Return one column of scores for each class; the negative one of a logit has minus the logit.

    Parameters
    ----------
    reading : Reading
        How the output is read.
    scores : torch.Tensor
        As `scores_of` returns them.
    """
    if reading.classes == 2 and scores.shape[1] == 1:
        return torch.cat([-scores, scores], 1)
    return scores


def class_probabilities(reading: Reading, scores: torch.Tensor) -> torch.Tensor | None:
    """Return the probability of each class in double precision, in the shape of `class_scores`.

    None where the output holds no probabilities.
    """
    exact = scores.double()
    if reading.kind is None or reading.kind in (
        OutputKind.VALUE,
        OutputKind.EMBEDDING,
        OutputKind.BOXES,
    ):
        return None
    if reading.classes == 2 and scores.shape[1] == 1:
        return torch.cat([(-exact).sigmoid(), exact.sigmoid()], 1)
    if reading.kind == OutputKind.LABELS or reading.inside == "sigmoid":
        return exact.sigmoid()
    return exact if reading.inside == AS_GIVEN else exact.softmax(1)
