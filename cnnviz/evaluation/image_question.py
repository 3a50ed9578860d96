"""One image of an evaluation: read once, and what its maps have in common found once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cnnviz.evaluation.data import EvaluationImage
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.heatmaps.checks.localisation import Mark
from cnnviz.heatmaps.checks.measure_groups import CheckSettings
from cnnviz.heatmaps.constant_scores import unasked
from cnnviz.images import Batch
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.views._explainers import heatmap
from cnnviz.views.faithfulness import Faithfulness, of_subject


@dataclass(eq=False)
class ImageQuestion:
    """The question that every method is asked about one image: where the evidence lies.

    Attributes
    ----------
    item : EvaluationImage
        The image as it stands in the data.
    model : Model
        The network.
    batch : Batch
        The image, prepared.
    settings : CheckSettings
        What is measured.
    """

    item: EvaluationImage
    model: Model
    batch: Batch
    settings: CheckSettings

    @cached_property
    def subject(self) -> ExplainedBatch:
        """What is explained, with all that was measured for one method and serves the next.

        Answers to changed images are no part of that: a run that goes on where another was ended
        has to ask about them in the very same batches.
        """
        if "randomisation" in self.settings.groups:
            # The gradient at the input, which this needs whatever the method is, tells the answer.
            capture(self.model, self.batch, layers=())
        return ExplainedBatch.of(self.model, self.batch, shares_trials=False)

    @in_smaller_batches
    def measure(
        self, method: str, layer: str | None, mark: Mark | None, random: int
    ) -> Faithfulness:
        """Return what is measured of the map of one method."""
        asked, seed = self.subject.asked, self.settings.seed
        chosen = layer if method in CAM_METHODS else None
        with unasked():
            found = heatmap(self.model, self.batch, asked, method, layer=chosen, seed=seed)
        marks = None if mark is None else [mark]
        return of_subject(self.subject, found, self.settings, random=random, marks=marks)
