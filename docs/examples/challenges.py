"""The shipped data: one factor at a time.

Every sample is made from factors named after the classic challenges of vision. A sweep changes one
factor and leaves the rest as it was: the background, the clutter and the noise are the same in
each row.
"""

import numpy as np
from PIL import Image

from cnnviz import Shapes

SWEEPS = {
    "rotation": np.linspace(0, 300, 10),
    "scale": np.linspace(0.3, 0.9, 10),
    "clutter": range(0, 30, 3),
    "occlusion": np.linspace(0.0, 0.8, 10),
    "light_strength": np.linspace(0.0, 0.9, 10),
    "perspective": np.linspace(0, 60, 10),
    "hue": np.linspace(0, 324, 10),
}

shapes = Shapes(split="held-out", occlusion=0.0, clutter=(3, 8))
rows = [
    np.concatenate([sample.image for sample in shapes.sweep(factor, values, index=19)], axis=1)
    for factor, values in SWEEPS.items()
]
Image.fromarray(np.concatenate(rows)).save("sweeps.png")

classes = [np.concatenate([shapes[10 * row + i].image for i in range(10)], 1) for row in range(3)]
Image.fromarray(np.concatenate(classes)).save("samples.png")
