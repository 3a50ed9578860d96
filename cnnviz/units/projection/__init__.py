"""What of an image made a unit respond: its activation sent back to the pixels, one unit at a time.

`project` answers for many units of one layer at once: `views/deconvnet.py` draws the answers for
chosen channels, and the search for the strongest patches uses it for the patches it found.
"""

from cnnviz.passes.run_to_layer import PartialForward
from cnnviz.units.projection.project_units import check_rule, project, project_positions
from cnnviz.units.projection.unit_projections import (
    UnitPosition,
    UnitProjections,
    columns_of,
    rows_of,
)
from cnnviz.units.projection.windows import cut, cut_arrays

__all__ = [
    "PartialForward",
    "UnitPosition",
    "UnitProjections",
    "check_rule",
    "columns_of",
    "cut",
    "cut_arrays",
    "project",
    "project_positions",
    "rows_of",
]
