"""The steps of a chapter, run one by one: what one of them runs into never ends the lecture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from cnnviz.errors import CnnvizError
from cnnviz.lectures.beginning import Beginning
from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.lectures.drawn_once import DrawnOnce
from cnnviz.reports.content import Picture, Section
from cnnviz.reports.failure import Failure
from cnnviz.reports.progress import Steps
from cnnviz.results.result import Result


@dataclass(frozen=True)
class Run:
    """The steps that are run, with what they share.

    Attributes
    ----------
    beginning : Beginning
        The names of their calls; each result joins them.
    steps : Steps
        How far the lecture has come.
    failures : list of Failure
        What broke, in running or in drawing.
    drawings : dict of str to DrawnOnce
        The drawings, by the name of the picture.
    """

    beginning: Beginning
    steps: Steps
    failures: list[Failure] = field(default_factory=list)
    drawings: dict[str, DrawnOnce] = field(default_factory=dict)

    def section(self, number: int, chapter: Chapter) -> Section:
        """Run a chapter, and return what it shows, with a sentence for whatever is left out."""
        pictures: list[Picture] = []
        left_out: list[str] = []
        shown: set[str] = set()
        for step in chapter.steps:
            if step.in_place_of in shown:
                self.steps.done += 1
                continue
            lost = [one for one in chapter.steps if one.name in self._missing(step)]
            if lost:
                self.steps.done += 1
                left_out.append(f"{step.title} is left out, which goes on from: {lost[0].title}.")
                continue
            with self.steps.step(f"chapter {chapter.key}", f"{chapter.title}: {step.title}"):
                made = self._guarded(number, step)
            if isinstance(made, Picture):
                pictures.append(made)
                shown.add(step.name)
            else:
                left_out.append(made)
        return Section(
            key=chapter.key,
            title=f"{number}. {chapter.title}",
            anchor=chapter.key.replace("_", "-"),
            lead=chapter.opening,
            pictures=tuple(pictures),
            notes=tuple(left_out),
        )

    def _missing(self, step: Step) -> frozenset[str]:
        return step.uses - set(self.beginning.names)

    def _guarded(self, number: int, step: Step) -> Picture | str:
        """Return what a step makes, or the sentence that says why it makes nothing."""
        try:
            return self._made(number, step)
        except CnnvizError as error:
            return f"{step.title} is left out. {error.what} {error.remedy}".strip()
        except Exception as error:
            self.beginning.names.pop(step.name, None)
            failure = Failure.of(step.title, error)
            self.failures.append(failure)
            return str(failure)

    def _made(self, number: int, step: Step) -> Picture | str:
        result: Result = self.beginning.run(step.call)
        self.beginning.names[step.name] = result
        if step.empty is not None and step.empty(result):
            return f"{result.summary().rstrip('.')}."
        name = f"{number:02d}-{step.name.replace('_', '-')}"
        drawing = DrawnOnce(result, step.title, self.failures)
        picture = replace(
            Picture.of(result, name, step.title),
            draw=drawing,
            before=step.before,
            after=_told(step, result),
            code=f"{step.name} = {step.call}",
            command=self.beginning.command(step),
        )
        self.drawings[name] = drawing
        return picture


def _told(step: Step, result: Any) -> tuple[str, ...]:
    return tuple(step.after(result)) if step.after is not None else ()
