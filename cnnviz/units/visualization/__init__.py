"""Pictures that raise a unit's activation, found by gradient ascent on the picture."""

from cnnviz.results.progress import Announce
from cnnviz.units.visualization.gradient_ascent import AscentSettings, OptimisedPictures, ascend
from cnnviz.units.visualization.job_plan import Group, plan
from cnnviz.units.visualization.jobs import Job, read_span
from cnnviz.units.visualization.objective_scorer import ObjectiveScorer, scoring
from cnnviz.units.visualization.objectives import Direction, Objective, Units, read_objectives
from cnnviz.units.visualization.parametrisations import METHODS, Method
from cnnviz.units.visualization.store import VisualizationStore
from cnnviz.units.visualization.transforms import RandomTransforms

__all__ = [
    "METHODS",
    "Announce",
    "AscentSettings",
    "Direction",
    "Group",
    "Job",
    "Method",
    "Objective",
    "ObjectiveScorer",
    "OptimisedPictures",
    "RandomTransforms",
    "Units",
    "VisualizationStore",
    "ascend",
    "plan",
    "read_objectives",
    "read_span",
    "scoring",
]
