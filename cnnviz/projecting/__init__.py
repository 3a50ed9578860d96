"""What of an image made a unit respond: its activation sent back to the pixels, one unit at a time.

`project` answers for many units of one layer at once: `views/deconvnet.py` draws the answers for
chosen channels, and the search for the strongest patches uses it for the patches it found.
"""

from cnnviz.projecting.passage import Passage
from cnnviz.projecting.projected import Pick, Projected
from cnnviz.projecting.sending import project, send
from cnnviz.projecting.windows import cut

__all__ = ["Passage", "Pick", "Projected", "cut", "project", "send"]
