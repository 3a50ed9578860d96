"""Resolves what is asked of an image of a network that returns scores, and no boxes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.functional import cosine_similarity, normalize

from cnnviz.bounds import read_whole
from cnnviz.errors import TargetError
from cnnviz.introspection.finite import check_rankable
from cnnviz.models import Model, OutputKind
from cnnviz.models.categories import class_index, class_number, no_class
from cnnviz.models.output_members import describe
from cnnviz.models.outputs import class_probabilities, class_scores, read_output, scores_of
from cnnviz.models.reading import NORMALISED, Reading
from cnnviz.passes.references import reference_of
from cnnviz.passes.resolved_target import ResolvedTarget
from cnnviz.passes.target_types import (
    Box,
    Contrast,
    Region,
    Similarity,
    SumOf,
    Value,
    parts_of_name,
)
from cnnviz.results.text import percent

_ANSWERS = 3
"""How many of its answers are told where a class is asked for that there is not."""


class ScoreResolver:
    """Resolves targets for the scores of one batch."""

    def __init__(self, model: Model, reading: Reading, scores: torch.Tensor) -> None:
        self.model, self.reading, self.scores = model, reading, scores

    def __call__(self, entry: Any, n: int) -> ResolvedTarget:
        """Return what is asked of image `n`; None is its own answer."""
        kind = self.reading.kind
        if isinstance(entry, Box):
            what = "A box" if entry.label is None else f"A box of {entry.label!r}"
            raise TargetError(
                f"{what} was asked for, and the network returns {self.reading.describe()}.",
                "Give a class, or a network that returns boxes.",
            )
        if isinstance(entry, Similarity):
            return self._similarity(entry)
        if kind == OutputKind.EMBEDDING and entry is None:
            return self._own_embedding(n)
        if kind == OutputKind.VALUE or isinstance(entry, Value) or kind == OutputKind.EMBEDDING:
            return self._value(entry)
        if kind == OutputKind.CLASS_MAP:
            return self._region(entry, n)
        if entry is None:
            own = class_scores(self.reading, self.scores.detach())
            entry = int(check_rankable(own[n]).argmax())
        return self._classes(entry, n)

    def _classes(self, entry: Any, n: int) -> ResolvedTarget:
        """Return the target that is a weighted sum of the scores of classes."""
        if isinstance(entry, Region):
            raise TargetError(
                f"A region of {entry.label!r} was asked for, and the network makes no map of "
                "classes.",
                "Give a class.",
            )
        reading = self.reading
        parts = [(self._index(label, n), sign) for label, sign in self._parts(entry)]
        name = reading.name(parts[0][0])
        for index, sign in parts[1:]:
            name += f" {'+' if sign > 0 else '-'} {reading.name(index)}"
        alone = parts[0][0] if len(parts) == 1 else None
        add_up = partial(_sum_of_classes, self.model, reading, parts)
        together = all(sign > 0 for _, sign in parts)
        # That one of several classes is right adds up; of labels, each is right by itself.
        adds = alone is not None or (reading.kind == OutputKind.CLASSES and together)
        return ResolvedTarget(
            name,
            alone,
            add_up,
            asked=entry if alone is None else alone,
            probability=partial(
                _share_of_classes, self.model, reading, [index for index, _ in parts]
            )
            if adds
            else None,
        )

    def _parts(self, entry: Any) -> Sequence[tuple[int | str, int]]:
        if isinstance(entry, SumOf):
            if not entry.classes:
                raise TargetError("No class was given.", "Name at least one.")
            return [(label, 1) for label in entry.classes]
        if isinstance(entry, Contrast):
            return [(entry.this, 1), (entry.that, -1)]
        if isinstance(entry, str):
            return parts_of_name(entry, self.reading.names or ())
        return [(entry, 1)]

    def _likeliest(self, n: int) -> Sequence[int]:
        """Return the classes that an image gets the highest scores for, where it gets one each."""
        if self.scores.ndim != 2 or self.reading.kind != OutputKind.CLASSES:
            return ()
        own = class_scores(self.reading, self.scores.detach())[n]
        return own.topk(min(_ANSWERS, len(own))).indices.tolist() if own.isfinite().all() else ()

    def _index(self, entry: Any, n: int = 0) -> int:
        count = self.reading.classes
        if isinstance(entry, str) and read_whole(entry) is None:
            names = self.model.categories if self.reading.names is None else self.reading.names
            index = class_index(entry, names, self.model.name, partial(self._likeliest, n))
        else:
            index = class_number(entry)
        if 0 <= index < count:
            return index
        if self.reading.kind == OutputKind.VALUE:
            known = f"Give an index from 0 to {count - 1}."
            logit = "if its one number is the logit of two classes."
            raise TargetError(
                f"There is no value {index}: the network returns {count}.",
                known if count > 1 else f"Declare output='logit' {logit}",
                option=known if count > 1 else f"Declare --output logit {logit}",
            )
        raise TargetError(*no_class(index, count))

    def _value(self, entry: Any) -> ResolvedTarget:
        wanted = entry if isinstance(entry, Value) else Value(0 if entry is None else entry)
        if wanted.direction not in ("above", "below"):
            raise TargetError(
                f"There is no direction {wanted.direction!r}.", "Choose above or below."
            )
        if not isinstance(wanted.index, (int, str)):
            raise TargetError(
                f"{wanted.index!r} is no value of the network.", "Give an index, or a Value."
            )
        index = self._index(wanted.index)
        sign = 1 if wanted.direction == "above" else -1
        pick = partial(_value, self.model, index, sign)
        name = self.reading.name(index)
        name = name if sign > 0 else f"{name}, below"
        return ResolvedTarget(name, None, pick, asked=Value(index, wanted.direction))

    def _similarity(self, entry: Similarity) -> ResolvedTarget:
        vector, name, asked = reference_of(entry)
        if self.scores.ndim != 2 or len(vector) != self.scores.shape[1]:
            raise TargetError(
                f"The reference is a vector [{len(vector)}], and the network returns "
                f"{describe(self.scores)}.",
                "Give an image, or a vector as long as the embedding.",
            )

        cosine = partial(_cosine, self.model, vector)
        return ResolvedTarget(f"similarity to {name}", None, cosine, asked=asked)

    def _own_embedding(self, n: int) -> ResolvedTarget:
        own = self.scores[n].detach().clone()
        # The cosine of a vector with itself is at its maximum, where its gradient is zero.
        unit = own / own.norm().clamp(min=torch.finfo(own.dtype).tiny)
        return ResolvedTarget("its own embedding", None, partial(_along, self.model, unit))

    def _region(self, entry: Any, n: int) -> ResolvedTarget:
        reading = self.reading
        columns = class_scores(reading, self.scores[n : n + 1].detach())[0]
        answer = columns.argmax(0)
        chosen = ""
        if entry is None:
            entry, chosen = _most_frequent(reading, answer)
        wanted = entry if isinstance(entry, Region) else Region(entry)
        if not isinstance(wanted.label, (int, str)):
            raise TargetError(
                f"{wanted.label!r} is no class of a network that segments.",
                "Give a class or a Region.",
            )
        index = self._index(wanted.label)
        name = reading.name(index)
        mask = _mask(wanted, name, answer, answer == index)
        return ResolvedTarget(
            f"{name} in a region{chosen}",
            None,
            partial(_region_sum, self.model, reading, index, mask),
            asked=Region(index, mask.cpu().numpy()),
            probability=partial(_region_share, self.model, reading, index, mask),
        )


def _sum_of_classes(
    model: Model, reading: Reading, parts: Sequence[tuple[int, int]], output: Any
) -> torch.Tensor:
    found = class_scores(reading, scores_of(model, output))
    return torch.stack([sign * found[:, index] for index, sign in parts]).sum(0)


def _value(model: Model, index: int, sign: int, output: Any) -> torch.Tensor:
    scores = scores_of(model, output)
    reading = read_output(model, output)
    # What is asked for is the number that the network returns.
    scores = normalize(scores, dim=1) if reading.inside == NORMALISED else scores
    found = scores[:, index]
    return sign * (found.flatten(1).mean(1) if found.ndim > 1 else found)


def _cosine(model: Model, vector: torch.Tensor, output: Any) -> torch.Tensor:
    found = scores_of(model, output)
    return cosine_similarity(found, vector.to(found)[None], dim=1)


def _along(model: Model, unit: torch.Tensor, output: Any) -> torch.Tensor:
    found: torch.Tensor = scores_of(model, output)
    return found @ unit.to(found)


def _region_sum(
    model: Model, reading: Reading, index: int, mask: torch.Tensor, output: Any
) -> torch.Tensor:
    return class_scores(reading, scores_of(model, output))[:, index, mask].sum(1)


def _region_share(
    model: Model, reading: Reading, index: int, mask: torch.Tensor, output: Any
) -> torch.Tensor:
    found = class_probabilities(reading, scores_of(model, output))
    assert found is not None
    return found[:, index, mask].mean(1)


def _share_of_classes(
    model: Model, reading: Reading, indices: Sequence[int], output: Any
) -> torch.Tensor:
    found = class_probabilities(reading, scores_of(model, output))
    assert found is not None
    return torch.stack([found[:, index] for index in dict.fromkeys(indices)]).sum(0)


def _mask(wanted: Region, name: str, answer: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return where the scores of a region are summed."""
    mask = own
    if wanted.mask is not None:
        mask = torch.as_tensor(wanted.mask, dtype=torch.bool, device=answer.device)
        if mask.shape != answer.shape:
            raise TargetError(
                f"The mask has the shape {list(mask.shape)}, and the network's output has "
                f"{list(answer.shape)}.",
                "Give the mask at the size of the output.",
            )
    if not bool(mask.any()):
        raise TargetError(
            f"The region of {name!r} is empty.",
            "Give a mask that holds a pixel, or a class that the network finds in the image.",
        )
    return mask


def _most_frequent(reading: Reading, answer: torch.Tensor) -> tuple[int, str]:
    """Return the class that a map shows most of but for the background, and how it was chosen.

    Class 0 is taken as the background where the classes have no names.
    """
    counts = torch.bincount(answer.flatten(), minlength=reading.classes)
    names = reading.names
    first_is_nothing = names is None or names[0].strip("_").lower() in ("background", "negative")
    if first_is_nothing and not bool(counts[1:].any()):
        return 0, ", as the network finds nothing else"
    if first_is_nothing:
        counts[0] = 0
    index = int(counts.argmax())
    share = int(counts[index]) / answer.numel()
    said = f", what it finds most of ({percent(share)} of the map)"
    return index, f"{said[:-1]}; class 0 taken as the background)" if names is None else said
