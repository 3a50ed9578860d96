"""Pictures that raise a unit's activation, found by gradient ascent on the picture."""

from cnnviz.optimising.goals import Direction, Goal, read_goals
from cnnviz.optimising.loop import Made, Recipe, ascend
from cnnviz.optimising.making import Announce, Group, Job, plan, read_span
from cnnviz.optimising.parametrisations import METHODS, Method
from cnnviz.optimising.probe import Probe, probing
from cnnviz.optimising.store import Store
from cnnviz.optimising.transforms import Moves

__all__ = [
    "METHODS",
    "Announce",
    "Direction",
    "Goal",
    "Group",
    "Job",
    "Made",
    "Method",
    "Moves",
    "Probe",
    "Recipe",
    "Store",
    "ascend",
    "plan",
    "probing",
    "read_goals",
    "read_span",
]
