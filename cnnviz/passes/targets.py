"""What is explained: a class, several, a contrast, a value, a region or a callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cosine_similarity, normalize

from cnnviz.errors import TargetError
from cnnviz.images import Batch
from cnnviz.introspection.finite import check_rankable, finite
from cnnviz.models import Model, OutputKind
from cnnviz.models.output_members import describe
from cnnviz.models.outputs import (
    NORMALISED,
    Reading,
    class_probabilities,
    class_scores,
    not_rows,
    read_output,
    scores_of,
)
from cnnviz.passes.box_targets import BoxResolver
from cnnviz.passes.references import embedded, reference_of
from cnnviz.passes.resolved_target import ResolvedTarget as ResolvedTarget
from cnnviz.passes.resolved_target import Unit as Unit
from cnnviz.passes.target_types import Box as Box
from cnnviz.passes.target_types import Contrast as Contrast
from cnnviz.passes.target_types import OneTarget as OneTarget
from cnnviz.passes.target_types import Region as Region
from cnnviz.passes.target_types import Similarity as Similarity
from cnnviz.passes.target_types import SumOf as SumOf
from cnnviz.passes.target_types import Target as Target
from cnnviz.passes.target_types import Value as Value


@dataclass(frozen=True, eq=False)
class Scores:
    """One score for each image of a batch.

    Attributes
    ----------
    values : torch.Tensor
        Shape [N], with a graph where the output had one.
    resolved_targets : tuple of ResolvedTarget
        What each score is.
    """

    values: torch.Tensor
    resolved_targets: tuple[ResolvedTarget, ...]


def score(
    model: Model,
    output: Any,
    target: Target,
    count: int,
    batch: Batch | None = None,
) -> Scores:
    """Turn a target into one score for each image.

    Parameters
    ----------
    model : Model
        The network, for what its output means and the names of its classes.
    output : Any
        What its forward returned for `count` images.
    target : None, int, str, SumOf, Contrast, Region, Value, Similarity, Box, sequence, or callable
        None takes each image's own answer: the likeliest class or label, the first value, the
        embedding itself, the region of the class that a map shows most of, but for the background,
        or the box of the highest score; a class then is its best box. Anything else stands for
        every image, and a sequence gives one for each. A name may be written ``koala - wombat`` for
        a contrast and ``tabby + tiger cat`` for classes together; indices may be numpy's or
        torch's, and one-hot. A callable gets the whole output and returns the scores [N]; it must
        treat each image by itself.
    count : int
        The number of images, N.
    batch : Batch, optional
        The images, which tell a picture that a network returns from a map of classes, and where in
        its photo a box lies; without them boxes are in pixels of the network's input.

    Raises
    ------
    TargetError
        If a class does not exist, the lengths differ, or the scores have another shape.
    NotFiniteError
        If a score that is explained is NaN or infinite, or, where the network's own answer is
        asked for, the score of any class.
    """
    if callable(target):
        resolved = _called(target)
        return Scores(_checked(resolved.score(output), count), (resolved,) * count)
    reading = read_output(model, output, None if batch is None else batch.tensor)
    if reading.kind == OutputKind.BOXES:
        return _of_boxes(BoxResolver(model, reading, output, batch), target, count)
    scores = scores_of(model, output, count)
    if reading.kind is None:
        raise not_rows(scores, count)
    resolver = _Resolver(model, reading, scores)
    each = [None] * count if target is None else _each(target, count, reading.classes)
    found = tuple(resolver(entry, n) for n, entry in enumerate(each))
    values = [resolved.score(scores[n : n + 1]) for n, resolved in enumerate(found)]
    return Scores(finite(torch.cat(values), "The scores that are explained"), found)


def _of_boxes(resolver: BoxResolver, target: Target, count: int) -> Scores:
    if len(resolver.found) != count:
        raise TargetError(
            f"The network returns boxes of {len(resolver.found)} images for {count}.",
            "Give decode= a callable that returns one entry for each image.",
        )
    each = [None] * count if target is None else _each(target, count, resolver.reading.classes)
    resolved = tuple(resolver(entry, n) for n, entry in enumerate(each))
    # Of what was decoded already, so that the output is decoded once.
    values = [resolver.value(one, n) for n, one in enumerate(resolved)]
    return Scores(finite(torch.stack(values), "The scores that are explained"), resolved)


def with_references(model: Model, target: Target) -> Target:
    """Return a target in which the references of similarities are vectors, and rows a list.

    The network embeds a reference that is an image, so this cannot be done while its layers are
    being recorded.
    """
    if isinstance(target, Similarity):
        return embedded(model, target)
    if isinstance(target, (np.ndarray, torch.Tensor)) and target.ndim > 1:
        return list(target)
    if isinstance(target, Sequence) and not isinstance(target, str):
        return [embedded(model, e) if isinstance(e, Similarity) else e for e in target]
    return target


def targets_of_each(target: Target, count: int) -> list[Target]:
    """Return what is asked of each of several images that are scored one by one.

    Raises
    ------
    TargetError
        If there are more or fewer targets than images.
    """
    if isinstance(target, (np.ndarray, torch.Tensor)):
        rows: Any = target.tolist() if target.ndim == 1 and len(target) == count else None
        return [target] * count if rows is None else [[row] for row in rows]
    if not isinstance(target, Sequence) or isinstance(target, str):
        return [target] * count
    if len(target) != count:
        raise TargetError(
            f"There are {len(target)} targets for {count} images.",
            "Give one target for all images, or one for each.",
        )
    return [[entry] for entry in target]


def _each(target: Any, count: int, classes: int) -> list[Any]:
    """Return one target for each image."""
    if isinstance(target, (np.ndarray, np.generic, torch.Tensor)):
        target = _from_array(target, count, classes)
    single = isinstance(target, (int, str, SumOf, Contrast, Region, Value, Similarity, Box))
    each = [target] * count if single else list(target)
    if len(each) != count:
        raise TargetError(
            f"There are {len(each)} targets for {count} images.",
            "Give one target for all images, or one for each.",
        )
    return [
        _one_index(entry, classes)
        if isinstance(entry, (list, tuple, np.ndarray, np.generic, torch.Tensor))
        else entry
        for entry in each
    ]


def _from_array(target: Any, count: int, classes: int) -> Any:
    values = _numbers(target)
    if values.ndim == 0 or (_is_one_hot(values, classes) and values.size != count):
        return _one_index(values, classes)
    if values.ndim == 1 and not np.issubdtype(values.dtype, np.integer):
        return _one_index(values, classes)
    return list(values)


def _one_index(entry: Any, classes: int) -> int:
    """Return the class that a number or a one-hot row names."""
    values = _numbers(entry)
    if values.ndim == 1 and _is_one_hot(values, classes):
        return int(values.argmax())
    if values.size == 1 and float(values.reshape(-1)[0]).is_integer():
        return int(values.reshape(-1)[0])
    raise TargetError(
        f"An array {list(values.shape)} names no class.",
        "Give the index of a class, its name, or a row with a one at its place.",
    )


def _numbers(entry: Any) -> Any:
    return np.asarray(entry.detach().cpu() if isinstance(entry, torch.Tensor) else entry)


def _is_one_hot(values: Any, classes: int) -> bool:
    return bool(
        values.ndim == 1
        and values.size == classes > 1
        and np.count_nonzero(values) == 1
        and values.max() == 1
    )


class _Resolver:
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
        return self._classes(entry)

    def _classes(self, entry: Any) -> ResolvedTarget:
        """Return the target that is a weighted sum of the scores of classes."""
        if isinstance(entry, Region):
            raise TargetError(
                f"A region of {entry.label!r} was asked for, and the network makes no map of "
                "classes.",
                "Give a class.",
            )
        reading = self.reading
        parts = [(self._index(label), sign) for label, sign in self._parts(entry)]
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

    def _parts(self, entry: Any) -> list[tuple[int | str, int]]:
        if isinstance(entry, SumOf):
            if not entry.classes:
                raise TargetError("No class was given.", "Name at least one.")
            return [(label, 1) for label in entry.classes]
        if isinstance(entry, Contrast):
            return [(entry.this, 1), (entry.that, -1)]
        # A class whose own name holds a sign is meant as it stands.
        if isinstance(entry, str) and entry not in (self.reading.names or ()):
            if " - " in entry:
                this, _, that = entry.partition(" - ")
                return [(this.strip(), 1), (that.strip(), -1)]
            if " + " in entry:
                return [(label.strip(), 1) for label in entry.split(" + ")]
        return [(entry, 1)]

    def _index(self, entry: Any) -> int:
        count = self.reading.classes
        if isinstance(entry, str) and not entry.lstrip("-").isdigit():
            index = self.model.class_index(entry, self.reading.names)
        else:
            index = int(entry)
        if 0 <= index < count:
            return index
        if self.reading.kind == OutputKind.VALUE:
            remedy = "Declare output='logit' if its one number is the logit of two classes."
            remedy = remedy if count == 1 else f"Give an index from 0 to {count - 1}."
            raise TargetError(
                f"There is no value {index}: the network returns {count}.",
                remedy,
            )
        raise TargetError(
            f"There is no class {index}: the network has {count} classes.",
            f"Give an index from 0 to {count - 1}, or a class name.",
        )

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


# Functions of the module, for those within a method could not be pickled.


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
    found: torch.Tensor = scores_of(model, output) @ unit
    return found


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
    said = f", what it finds most of ({share:.1%} of the map)"
    return index, f"{said[:-1]}; class 0 taken as the background)" if names is None else said


def _called(target: Callable[[Any], torch.Tensor]) -> ResolvedTarget:
    name = getattr(target, "__name__", type(target).__name__)
    return ResolvedTarget(name, None, target, asked=target)


def _checked(values: Any, count: int) -> torch.Tensor:
    if not isinstance(values, torch.Tensor) or values.shape != (count,):
        raise TargetError(
            f"The target callable returned {describe(values)}, not one score for each image.",
            f"Return a tensor of shape [{count}].",
        )
    return values
