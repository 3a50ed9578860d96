"""What a network can be given as images.

This module imports torch and Pillow: what does without them imports it for type checkers only.
"""

from __future__ import annotations

from cnnviz.images.aliases import Unprepared
from cnnviz.images.batch import Batch

Images = Unprepared | Batch
"""Whatever a network can prepare: images, or a batch that it has prepared already."""
