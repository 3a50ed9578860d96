"""What is told of a published network, and under which names its error rates were measured."""

from __future__ import annotations

from dataclasses import dataclass

ONE_CROP = "one network, one crop"
TEN_CROPS = "one network, 10 crops"
TRANSCRIBED = "a transcription of the paper's tables"
"""What most error rates were compared with, in November 2026."""


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What is published about a network.

    Attributes
    ----------
    title : str
        What it is called.
    load_name : str
        The name by which `cnnviz.load` gives it.
    family : str
        Which networks it belongs to.
    year : int
        When it was published, or first put on arXiv.
    idea : str
        What was new, in a sentence.
    paper : str
        Authors, year, title and where.
    depth : int or None
        How many layers the paper counts.
    parameters : float or None
        How many parameters the paper counts.
    parameters_source : str
        Where, and what else is to be known of it.
    top1, top5 : float or None
        Error rates in percent.
    protocol : str
        What they are of.
    errors_source : str
        The table or section that has them.
    errors_confirmed : str
        What the error rates were compared with; "" where that is still to be done.
    best_top5 : float or None
        The lowest top-5 error rate that the paper gives, often of several networks together.
    best_protocol : str
        What it is of, and where it stands.
    remark : str
        How what is loaded differs from the paper; "" where it does not.
    """

    title: str
    load_name: str
    family: str
    year: int
    idea: str
    paper: str
    depth: int | None = None
    parameters: float | None = None
    parameters_source: str = ""
    top1: float | None = None
    top5: float | None = None
    protocol: str = ""
    errors_source: str = ""
    errors_confirmed: str = ""
    best_top5: float | None = None
    best_protocol: str = ""
    remark: str = ""
