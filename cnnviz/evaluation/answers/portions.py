"""What was counted of the answers to the images of some shards: joined exactly, kept as arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.answers.tally import Mistake, Tally
from cnnviz.images import Refusal

Arrays = Mapping[str, NDArray[Any]]
_ADDED = ("images", "decisions", "labelled", "answered", "right", "counts", "hits", "unlabelled")
_LISTED = ("lost", "refused", "refusals")
_MISTAKES = ("truth_class", "answer_class", "confidence", "truth_probability")


@dataclass(frozen=True, eq=False)
class AnswerPortion:
    """What was counted in some shards.

    Attributes
    ----------
    shards : tuple of int
        Which ones.
    found : mapping of str to ndarray
        Numbers that are added to those of other shards, and rows that are put beside theirs.
    """

    shards: tuple[int, ...]
    found: Arrays

    @classmethod
    def of(
        cls,
        shards: tuple[int, ...],
        tally: Tally,
        unlabelled: int,
        lost: Sequence[int],
        refused: Mapping[int, Refusal],
    ) -> AnswerPortion:
        """Return what a tally holds, and which images have no answer."""
        reasons = [[each.name, each.reason, each.remedy] for each in refused.values()]
        return cls(
            shards,
            {
                **tally.counted(),
                **_rows_of(tally),
                "unlabelled": np.array(unlabelled),
                "lost": np.array(lost, np.int64),
                "refused": np.array([*refused], np.int64),
                "refusals": np.array([json.dumps(each) for each in reasons], np.str_),
            },
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays by name."""
        return {"shards": np.array(self.shards, np.int64), **self.found}

    def fill(self, tally: Tally, name: Callable[[int], str]) -> None:
        """Let an empty tally hold all this, image by image as they stand in the data set."""
        tally.recount(self.found)
        order = _order(self.found["mistake place"])
        columns = [self.found[f"mistake {each}"][order].tolist() for each in _MISTAKES]
        places, missed = (
            self.found[each][order].tolist() for each in ("mistake place", "mistake missed")
        )
        for place, was_missed, truth, answer, *sure in zip(places, missed, *columns, strict=True):
            words = tally.words(truth, answer, missed=was_missed)
            tally.mistakes.append(Mistake(place, name(place), *words, truth, answer, *sure))
        if tally.keep_scores:
            order = _order(self.found["row place"])
            ends = np.cumsum(self.found["row truths"])[:-1]
            truths = np.split(self.found["row truth"], ends)
            tally.truths = [tuple(truths[at].tolist()) for at in order.tolist()]
            tally.answered_images = [name(at) for at in self.found["row place"][order].tolist()]
            # In place where they stand in order already: they may be many.
            sorted_ = bool((order == np.arange(len(order))).all())
            tally.scores = self.found["row scores"][slice(None) if sorted_ else order]

    @property
    def unlabelled(self) -> int:
        """How many images turned out to have no label when they were read."""
        return int(self.found["unlabelled"])

    @property
    def lost(self) -> list[int]:
        """The places of the images whose answer is no number."""
        return sorted(self.found["lost"].tolist())

    @property
    def refused(self) -> dict[int, Refusal]:
        """The images that could not be read, by their places."""
        pairs = zip(self.found["refused"].tolist(), self.found["refusals"].tolist(), strict=True)
        return {place: Refusal(*json.loads(text)) for place, text in sorted(pairs)}


class AnswerPortions:
    """How the parts of one count are read and joined."""

    def of_arrays(self, found: Arrays) -> AnswerPortion:
        """Return what `AnswerPortion.arrays` came from; a LookupError if it is none."""
        rest = {name: each for name, each in found.items() if name not in ("shards", "key")}
        for name in (*_ADDED, *_LISTED):
            _ = rest[name]
        return AnswerPortion(tuple(found["shards"].tolist()), rest)

    def joined(self, portions: Sequence[AnswerPortion]) -> AnswerPortion:
        """Return what was counted in the shards of all of them."""
        every = [each.found for each in portions]
        return AnswerPortion(
            tuple(sorted(shard for each in portions for shard in each.shards)),
            {
                name: np.sum([found[name] for found in every], axis=0)
                if name in _ADDED
                else np.concatenate([found[name] for found in every])
                for name in every[0]
            },
        )


def _rows_of(tally: Tally) -> dict[str, NDArray[Any]]:
    rows = {
        "mistake place": np.array([each.place for each in tally.mistakes], np.int64),
        "mistake missed": np.array([each.missed for each in tally.mistakes], bool),
        **{
            f"mistake {name}": np.array([getattr(each, name) for each in tally.mistakes])
            for name in _MISTAKES
        },
    }
    for name in ("truth_class", "answer_class"):
        rows[f"mistake {name}"] = rows[f"mistake {name}"].astype(np.int64)
    if tally.keep_scores:
        rows |= {
            "row place": np.array(tally.answered_places, np.int64),
            "row truths": np.array([len(each) for each in tally.truths], np.int64),
            "row truth": np.array([one for each in tally.truths for one in each], np.int64),
            "row scores": np.array(tally.scores).reshape(-1, len(tally.names)),
        }
    return rows


def _order(places: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order in which the images of rows stand in the data set, kept within an image."""
    return np.argsort(places, kind="stable")
