"""shapes: an endless, seeded, random-access set of pictures of ten shapes, drawn with OpenCV.

Every sample comes with its exact object mask and with the factors it was made from, and every
factor can be fixed or swept:

>>> from cnnviz.datasets.shapes import Shapes
>>> upright = Shapes(seed=0, rotation=0.0)
>>> turned = Shapes(seed=0).sweep("rotation", range(0, 360, 30), index=7)
"""

from .dataset import Shapes
from .factors import CHALLENGES, CLASSES, DIFFICULTIES, LIMITS, TEXTURES, Factors
from .scene import Sample, draw

__all__ = [
    "CHALLENGES",
    "CLASSES",
    "DIFFICULTIES",
    "LIMITS",
    "TEXTURES",
    "Factors",
    "Sample",
    "Shapes",
    "draw",
]
