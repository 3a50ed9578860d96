"""What the labels of a data set mean among the classes of a network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from cnnviz.datasets import Dataset
from cnnviz.datasets.named_labels import classes_by_name
from cnnviz.errors import InstallationError, UsageError, did_you_mean
from cnnviz.models import OutputKind
from cnnviz.models.categories import ClassNames, classes_called, told_ambiguous
from cnnviz.models.output_kinds import WORDS
from cnnviz.models.reading import Reading
from cnnviz.models.wordnet_ids import are_wordnet_ids, wordnet_classes
from cnnviz.results.text import first_few, plural

_SUITED_SAID = "Answers are right or wrong of classes, labels and one logit"
_NUMBER_THEM = (
    "Number the labels as the outputs of the network are, from 0; or give each class a name of its "
    "own with"
)
_SUITED = (OutputKind.CLASSES, OutputKind.LABELS, OutputKind.LOGIT)


Matching = Literal["name", "number", "order", "wordnet"]
_BY: dict[Matching, str] = {
    "name": "Labels are matched to the classes of the network by name.",
    "number": "Labels are the numbers of the classes, from 0.",
    "wordnet": "Labels are WordNet ids, matched to the classes of ImageNet by timm's list of them.",
}


@dataclass(frozen=True)
class Truth:
    """What the labels mean.

    Attributes
    ----------
    names : tuple of str
        The name of each class of the network.
    places : tuple of int
        For each label of the data set the class that it means; empty where a label is the class.
    by : {"name", "number", "order", "wordnet"}
        What makes a label a class: its name, its number, its place among the labels, or the
        WordNet id that ImageNet's folders are called.
    note : str
        What was assumed where it is its place, or its number and not its name, which is another
        number; empty otherwise.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    by: Matching
    note: str = ""

    @property
    def told(self) -> str:
        """How labels were matched to classes, in a sentence."""
        return self.note or _BY[self.by]

    def of(self, labels: Sequence[int], image: str) -> tuple[int, ...]:
        """Return the classes that the labels of an image mean, which has a name.

        Raises
        ------
        UsageError
            If the network has no such class.
        """
        classes = [self.places[label] for label in labels] if self.places else list(labels)
        beyond = next((label for label in classes if not 0 <= label < len(self.names)), None)
        if beyond is not None:
            raise UsageError(
                f"{image} has the label {beyond}, and the network has the classes 0 to "
                f"{len(self.names) - 1}.",
                "Number the labels as the outputs of the network are, from 0.",
            )
        return tuple(classes)


def check_kind(reading: Reading) -> None:
    """Raise a `UsageError` unless the answers of a network are right or wrong."""
    if reading.kind not in _SUITED:
        said = "an output of no known kind" if reading.kind is None else WORDS[reading.kind]
        off = ": a value lies off by an amount" if reading.kind == OutputKind.VALUE else ""
        raise UsageError(
            f"The network returns {said}, which is not right or wrong by a label{off}.",
            f"{_SUITED_SAID}; output= declares which it is.",
            option=f"{_SUITED_SAID}; --output declares which it is.",
        )


def truth_of(dataset: Dataset, reading: Reading) -> Truth:
    """Return what the labels of a data set mean among the classes of a network.

    By name where both have names. Labels that are numbers are indices. Where there are as many
    labels as classes, and the network names none, or nothing but "negative" and "positive", the
    order of the data set's classes is that of its outputs, as a training on such a folder has it,
    and so are WordNet's ids of all classes; that is told. Of ImageNet's classes WordNet's ids are
    known where timm is installed, and then some of them will do.

    Raises
    ------
    UsageError
        If a name is of no class of the network, or may be of several, or there are more classes
        than it has.
    """
    names = tuple(reading.name(index) for index in range(reading.classes))
    given = dataset.classes
    if not given:
        return Truth(names, (), "number", _other_numbers(names))
    _check_clear(given, names)
    found = classes_called(given, names)
    if min(found) >= 0:
        return Truth(names, found, "name")
    if max(found) < 0 and all(name.isdecimal() and int(name) < len(names) for name in given):
        return Truth(names, tuple(map(int, given)), "number", _other_numbers(names))
    if max(found) < 0 and are_wordnet_ids(given) and reading.names is not None:
        by_id = _by_wordnet(given, names)
        if by_id is not None:
            return by_id
    bare = reading.names is None or names == ("negative", "positive")
    wordnet = are_wordnet_ids(given)
    # Of fewer labels than classes nobody knows which ones are left out.
    if max(found) < 0 and (bare or wordnet) and len(given) == len(names):
        return _in_order(given, names, bare=bare)
    raise _unknown([name for name, place in zip(given, found, strict=True) if place < 0], names)


def are_named(dataset: Dataset, odd: Collection[int], names: Sequence[str]) -> bool:
    """Whether the labels of some images, which are no numbers, are names of classes, to the letter.

    Raises
    ------
    UsageError
        If some are, and some are not.
    """
    known = classes_by_name(names)
    texts = dict.fromkeys(dataset.named_label(index) for index in odd)
    written = [text for text in texts if text]
    missing = [text for text in written if text not in known]
    if missing and len(missing) < len(written):
        raise _unknown(missing, names)
    return bool(written) and not missing


def _other_numbers(names: tuple[str, ...]) -> str:
    """Say which number a class has that is called by another; empty where none is."""
    for place, name in enumerate(names):
        if name.isdecimal() and int(name) != place:
            return f"{_BY['number'][:-1]}: the class called {name!r} is number {place}."
    return ""


def _by_wordnet(given: Sequence[str], names: tuple[str, ...]) -> Truth | None:
    """Match WordNet ids to the classes of ImageNet; None where the network has others."""
    try:
        known = wordnet_classes(names)
    except InstallationError as error:
        if len(given) == len(names):  # All of them have an order.
            return None
        raise UsageError(
            f"The labels are WordNet ids, such as {given[0]!r}, and timm, which has those of "
            "ImageNet's classes, is not installed.",
            f"{error.remedy} Or name the folders as the classes are called, such as {names[0]!r}, "
            "or give a CSV with names or numbers of classes.",
        ) from error
    if not known:
        return None
    missing = [label for label in given if label not in known]
    if missing:
        raise UsageError(
            f"{missing[0]!r} is a WordNet id of none of the {len(names):,} classes of ImageNet.",
            "Leave that folder out, or give a CSV with the names or numbers of the classes.",
        )
    return Truth(names, tuple(known[label] for label in given), "wordnet")


def _check_clear(given: Sequence[str], names: tuple[str, ...]) -> None:
    """Refuse a label that may be several classes: any of them would make answers right or wrong."""
    classes = ClassNames(names)
    for name in given:
        places = classes.matching(name)
        if len(places) > 1:
            raise UsageError(
                f"The label {told_ambiguous(name, places, names)}.",
                f"{_NUMBER_THEM} categories=.",
                option=f"{_NUMBER_THEM} --categories.",
            )


def _in_order(given: Sequence[str], names: tuple[str, ...], *, bare: bool) -> Truth:
    paired = [f"{name!r} as {names[place]!r}" for place, name in enumerate(given)]
    return Truth(
        tuple(given) if bare else names,
        tuple(range(len(given))),
        "order",
        "The names of the labels are not those of the network's classes: they are taken in the "
        f"order of the alphabet, {first_few(paired, 3, '.')}",
    )


def _unknown(missing: Sequence[str], names: Sequence[str]) -> UsageError:
    others = first_few(list(map(repr, missing[1:])), 5)
    more = f" and {len(missing) - 1} more of the labels ({others})" if len(missing) > 1 else ""
    ids = (
        " Labels are WordNet ids, and the names of the network are not ImageNet's."
        if are_wordnet_ids(missing)
        else ""
    )
    otherwise = (
        f"The network has {plural(len(names), 'class', 'classes')}, such as "
        f"{first_few(names, 3, '.')} "
        "Name the labels so, number them in a CSV, or give the names with"
    )
    return UsageError(
        f"The network has no class {missing[0]!r}{more}.",
        did_you_mean(missing[0], names, f"{otherwise} categories=.{ids}"),
        option=did_you_mean(missing[0], names, f"{otherwise} --categories.{ids}"),
    )
