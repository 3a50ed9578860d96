"""Pictures that raise a unit's activation, found by gradient ascent on the picture."""

from cnnviz.units.visualization.goals import Direction, Goal, read_goals
from cnnviz.units.visualization.loop import Made, Recipe, ascend
from cnnviz.units.visualization.making import Announce, Group, Job, plan, read_span
from cnnviz.units.visualization.parametrisations import METHODS, Method
from cnnviz.units.visualization.probe import Probe, probing
from cnnviz.units.visualization.store import Store
from cnnviz.units.visualization.transforms import Moves

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
