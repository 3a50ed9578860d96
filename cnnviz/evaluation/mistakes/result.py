"""The wrong answers of a network as a result: a table, measures, and the worst with pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cnnviz.evaluation.answers.result import CountedAnswers
from cnnviz.models import OutputKind
from cnnviz.results import drawing
from cnnviz.results.table import Table
from cnnviz.results.text import percent, plural

Order = Literal["confidence", "loss"]
ORDERS: dict[Order, str] = {
    "confidence": "the surest wrong answer first",
    "loss": "the largest cross-entropy first",
}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ErrorAnalysis(CountedAnswers):
    """Where a network is wrong over labelled images; the worst answers explained.

    What it holds besides is what `CountedAnswers` does.

    Attributes
    ----------
    order : {"confidence", "loss"}
        What is worst.
    filters : str
        Which wrong answers are in `mistakes`, in words; empty for all.
    """

    order: Order = "confidence"
    filters: str = ""

    def summary(self) -> str:
        """Say how many answers are wrong, and which the worst is."""
        counted = f"{self.wrong:,} of {plural(self.decisions, self.decided)} wrong"
        if self.kind == OutputKind.LABELS:
            counted += f" over {plural(self.images, self.noun)}"
        said = f"{self.provenance.model}: {counted} (right: {self.accuracy}){self.assumed}"
        if self.filters:
            said += f"; {len(self.mistakes):,} {self.filters}"
        if not self.mistakes:
            return said
        worst = self.mistakes[0]
        return (
            f"{said}; the worst: {worst.image}, {worst.truth}, answered {worst.answer} "
            f"({percent(worst.confidence)})"
        )

    def caption(self) -> str:
        """Say how to read the picture and the table."""
        return (
            f"{self._measures_told()}, which are wide where {self.noun}s are few. In a calibrated "
            "network the answers that are p% sure are right in p% of cases; the expected "
            f"calibration error is {percent(self.calibration.error)}. Wrong answers are listed "
            f"with {ORDERS[self.order]}. {self.matched}"
        )

    def table(self) -> Table:
        """Return a row for each wrong answer that the filters let through, worst first."""
        return self.mistake_table()

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the confusion matrix or its largest cells, the classes, and the calibration."""
        from cnnviz.evaluation.mistakes.picture import draw

        return draw(self, into)
