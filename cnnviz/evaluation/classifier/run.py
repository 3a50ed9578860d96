"""Answer all images once, and measure the answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import EXPLAINED_ANSWERS, WORKERS, Count, Seed, Shard, Within, bounded
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError
from cnnviz.evaluation.answers.labelled_run import LabelledRun
from cnnviz.evaluation.answers.measures import Share
from cnnviz.evaluation.answers.tally import Tally, surest_first
from cnnviz.evaluation.classifier.chance_calibration import chance_calibration
from cnnviz.evaluation.classifier.conditions import Condition, read_conditions
from cnnviz.evaluation.classifier.measures import brier_of, top_k_of
from cnnviz.evaluation.classifier.ranking import curve, drawn_rankings, rank
from cnnviz.evaluation.classifier.result import ClassifierEvaluation, with_failures
from cnnviz.images.paths import expand
from cnnviz.models import Model, OutputKind
from cnnviz.passes.processes import sharing
from cnnviz.results.progress import Progress, silent

EXPLAINED = 24
"""How many of the surest wrong answers are explained where nobody says."""
TOP = (1, 5)
"""How many classes count in a top-k error where nobody says."""


@bounded
def evaluate_classifier(
    model: Model | nn.Module,
    data: Data,
    *,
    count: Count | None = None,
    top: Annotated[Sequence[int] | None, Within(1, 10**6)] = None,
    explain: Annotated[int, EXPLAINED_ANSWERS] = EXPLAINED,
    fail_on: str | Sequence[str] | None = None,
    seed: Seed = 0,
    workers: Annotated[int | None, WORKERS] = None,
    shard: Shard | None = None,
    state: str | Path | None = None,
    progress: Progress = silent,
) -> ClassifierEvaluation:
    """Measure a classifier over labelled images.

    Error rate and balanced error rate, the confusion matrix, recall, precision and F1 of each
    class, its ROC curve and the area under it (that class against all others), top-k errors, the
    calibration and the Brier score, rates with their intervals; and the surest wrong answers, with
    the Grad-CAM of the answer and of what is right. It follows from the kind of the network's
    output (`OutputKind`) what is measured: labels each by itself, one logit as two classes. Values
    and embeddings are not right or wrong, and are refused.

    The images are streamed; of each the probabilities stay, 8 bytes a class. Whatever can be
    refused is, before the first of them is answered.

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
    top : sequence of int, optional
        For which k the top-k error is given; 1 and 5 by default, where there are more classes than
        that. Independent labels have none.
    explain : int
        How many of the surest wrong answers get heatmaps.
    fail_on : str or sequence of str, optional
        Conditions that make the result `failed`, and the command exit with 1, such as
        ``"error-rate>0.3"``: error-rate, balanced-error-rate, top-5-error (or another k), macro-f1,
        macro-auc, calibration-error or brier, with < or > and a number. Where one of them could not
        be measured, and none holds, the command exits with 3.
    seed : int
        The seed of the draws that say how large a calibration error comes about by chance.
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
    ClassifierEvaluation

    Raises
    ------
    UsageError
        If nothing says what the images show, a label is no class of the network, the output is of
        a kind without right and wrong, or an argument is out of range.
    ImageError
        If no image can be read.
    OtherProcessError
        If one of several processes has failed.
    ModelError
        If the network cannot run on the images.
    """
    conditions = read_conditions(fail_on)
    folder = None if state is None else expand(state)
    with sharing(folder, "an evaluation") as processes:
        job = LabelledRun.of(
            model, data, count=count, explain=explain, workers=workers, keep_scores=True
        )
        counted = _counted_classes(job, top, conditions)
        notes = job.run(progress, processes, folder, shard)
    found = sorted(job.tally.mistakes, key=surest_first)
    measured = _measured(job, counted, seed)
    made = job.result(ClassifierEvaluation, found, notes, progress, seed=seed, **measured)
    return with_failures(made, conditions)


def _counted_classes(
    job: LabelledRun, top: Sequence[int] | None, conditions: Sequence[Condition]
) -> tuple[int, ...]:
    """Return each k of the top-k errors."""
    classes = len(job.truth.names)
    asked = [*(top or ()), *(each.k for each in conditions if each.k is not None)]
    if asked and job.tally.several:
        raise UsageError(
            "Independent labels have no likeliest k of which one is right.",
            "Leave top-k errors out.",
        )
    for k in asked:
        if not 1 <= k < classes:
            raise UsageError(
                f"No top-{k} error says anything of {classes} classes.",
                f"Give k from 1 to {classes - 1}.",
            )
    known = [] if top is not None or job.tally.several else [k for k in TOP if k < classes]
    return tuple(sorted({*known, *asked}))


def _measured(job: LabelledRun, counted: Sequence[int], seed: int) -> dict[str, Any]:
    """Return what a `ClassifierEvaluation` holds beside its counts."""
    tally, reading = job.tally, job.reading
    scores = np.asarray(tally.scores)
    truths = _indicators(tally, scores.shape)
    one_logit = reading.kind == OutputKind.LOGIT
    # Of one logit the second class says all; of labels each stands for itself.
    columns = slice(1, 2) if one_logit else slice(None)
    measures = [each for each in tally.measures if each.labelled]
    rankings = tuple(
        rank(each.index, each.name, truths[:, each.index], scores[:, each.index])
        for each in measures
    )
    mirrored = scores.shape[1] == 2 and not tally.several
    drawn = drawn_rankings(rankings[-1:] if mirrored else rankings)
    labels = np.array([several[0] for several in tally.truths]) if not tally.several else None
    right = (scores > 0.5) == truths
    return {
        "image_names": tuple(tally.answered_images),
        "labels": truths,
        "probabilities": scores,
        "top_k": tuple(top_k_of(labels, scores, k) for k in counted) if labels is not None else (),
        "all_right": Share(int(right.all(1).sum()), len(right)) if tally.several else None,
        "rankings": rankings,
        "curves": tuple(
            curve(one.index, one.name, truths[:, one.index], scores[:, one.index]) for one in drawn
        ),
        "brier": brier_of(
            truths[:, columns], scores[:, columns], summed=not (one_logit or tally.several)
        ),
        "by_chance": chance_calibration(_sure(scores, several=tally.several), seed),
    }


def _indicators(tally: Tally, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    found = np.zeros(shape, bool)
    for row, several in enumerate(tally.truths):
        found[row, list(several)] = True
    return found


def _sure(scores: NDArray[np.float64], *, several: bool) -> NDArray[np.float64]:
    """Return how sure each answer is, [D], as `Tally` counts them."""
    if several:
        return np.maximum(scores, 1.0 - scores).ravel()
    found: NDArray[np.float64] = scores.max(1)
    return found
