"""Answer all images once, keep the mistakes, and explain the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from torch import nn

from cnnviz.bounds import EXPLAINED_ANSWERS, WORKERS, Count, Shard, Within, bounded, read_whole
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.evaluation.answers.labelled_run import LabelledRun
from cnnviz.evaluation.answers.tally import Mistake, surest_first
from cnnviz.evaluation.mistakes.result import ORDERS, ErrorAnalysis, Order
from cnnviz.images.paths import expand
from cnnviz.models import Model
from cnnviz.models.categories import no_class
from cnnviz.passes.processes import sharing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.text import joined, percent

EXPLAINED = 48
"""How many of the worst answers are explained where nobody says."""
_MOST_NAMED = 5
Class: TypeAlias = int | str


@bounded
def error_analysis(
    model: Model | nn.Module,
    data: Data,
    *,
    count: Count | None = None,
    classes: Class | Sequence[Class] | None = None,
    pair: tuple[Class, Class] | None = None,
    confident: Annotated[float, Within(0.0, 1.0)] = 0.0,
    order: Order = "confidence",
    explain: Annotated[int, EXPLAINED_ANSWERS] = EXPLAINED,
    workers: Annotated[int | None, WORKERS] = None,
    shard: Shard | None = None,
    state: str | Path | None = None,
    progress: Progress = silent,
) -> ErrorAnalysis:
    """Return the wrong answers of a network over labelled images, worst first.

    The images are streamed, and none is kept; the worst are read again to be explained, with the
    Grad-CAM of the answer and that of what is right. Whatever can be refused is, before the first
    of them is answered.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network, whose output is classes, labels or one logit; it is left as it was.
    data : str, Path, data set, ...
        Labelled images, as `cnnviz.open_dataset` opens them: a folder with a folder for each class,
        a CSV file with the columns path and label, a data set object, or ``"shapes"``. Of signals
        and volumes likewise, in files of numbers.
    count : int, optional
        At most how many of the images, evenly spread.
    classes : int, str or sequence of these, optional
        Only wrong answers about these classes: as what is right, or as what was answered.
    pair : (truth, answer), optional
        Only images of one class that were taken for the other.
    confident : float
        Only wrong answers that the network is at least so sure of, 0 to 1.
    order : {"confidence", "loss"}
        What is worst: the surest wrong answer, or the largest cross-entropy.
    explain : int
        How many of the worst get heatmaps.
    workers : int, optional
        Threads that read images; one for each processor, up to 8, by default.
    shard : int, optional
        Images in a shard: processes share the images shard by shard. By default a 64th of the
        images, and at most 512.
    state : str or Path, optional
        A folder for what was counted: with the same network, settings and images a run that was
        stopped goes on, and one that is done is only read. Processes that `torchrun` has started
        share the work and see the same folder; each returns the whole.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each batch and each heatmap.

    Returns
    -------
    ErrorAnalysis

    Raises
    ------
    UsageError
        If nothing says what the images show, a label is no class of the network, the output is of
        a kind without right and wrong, or an argument is out of range.
    TargetError
        If there is no class of the name that a filter asks for.
    ImageError
        If no image can be read.
    OtherProcessError
        If one of several processes has failed.
    ModelError
        If the network cannot run on the images.

    Examples
    --------
    >>> import cnnviz
    >>> found = cnnviz.error_analysis(cnnviz.load(), "shapes", count=20, explain=0)
    >>> found.summary().split(" (")[0]
    'shapes-plain: 1 of 20 images wrong'
    """
    check_order(order)
    folder = None if state is None else expand(state)
    with sharing(folder, "an analysis") as processes:
        job = LabelledRun.of(model, data, count=count, explain=explain, workers=workers)
        chosen = _Filter.of(job, classes, pair, confident)
        notes = job.run(progress, processes, folder, shard)
    found = sorted(filter(chosen.lets, job.tally.mistakes), key=_worst_first(order))
    return job.result(ErrorAnalysis, found, notes, progress, order=order, filters=chosen.words)


def check_order(order: str) -> None:
    """Raise `UsageError` unless wrong answers can be ordered so."""
    if order not in ORDERS:
        raise UsageError(
            f"Wrong answers cannot be ordered by {order!r}.",
            did_you_mean(order, ORDERS, f"Order them by {' or '.join(ORDERS)}."),
        )


def _worst_first(order: Order) -> Any:
    if order == "loss":
        return lambda m: (-m.loss, -m.confidence, m.place)
    return surest_first


@dataclass(frozen=True)
class _Filter:
    """Which wrong answers are let through."""

    classes: tuple[int, ...]
    pair: tuple[int, int] | None
    confident: float
    words: str

    @classmethod
    def of(
        cls,
        job: LabelledRun,
        classes: Class | Sequence[Class] | None,
        pair: tuple[Class, Class] | None,
        confident: float,
    ) -> _Filter:
        given = [classes] if isinstance(classes, (int, str)) else list(classes or ())
        if pair is not None and job.tally.several:
            raise UsageError(
                "Independent labels are not taken for one another, so there is no pair.",
                "Give the label as a class instead.",
            )
        places = tuple(_class(job, one) for one in given)
        both = None if pair is None else (_class(job, pair[0]), _class(job, pair[1]))
        names = job.truth.names
        words = []
        if places:
            words.append(f"about {joined([names[p] for p in places[:_MOST_NAMED]], 'or')}")
        if both is not None:
            words.append(f"of {names[both[0]]} taken for {names[both[1]]}")
        if confident:
            words.append(f"at least {percent(confident)} sure")
        return cls(places, both, confident, ", ".join(words))

    def lets(self, mistake: Mistake) -> bool:
        """Whether a wrong answer is let through."""
        about = not self.classes or any(one in mistake.classes for one in self.classes)
        pair = (mistake.truth_class, mistake.answer_class)
        return about and self.pair in (None, pair) and mistake.confidence >= self.confident


def _class(job: LabelledRun, given: Class) -> int:
    names = job.truth.names
    if isinstance(given, str) and (given in names or read_whole(given) is None):
        return job.model.class_index(given, names)
    index = int(given)
    if not 0 <= index < len(names):
        raise UsageError(*no_class(index, len(names)))
    return index
