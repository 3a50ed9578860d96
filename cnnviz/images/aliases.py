"""What counts as an image, and as images, wherever a function takes them.

This module imports torch and Pillow: what does without them imports it for type checkers only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cnnviz.images.photo import Photo

ImageLike = (
    str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8] | NDArray[np.uint16] | Photo
)
"""One image: a file or its bytes, a PIL image, an array as `read_photo` takes it, or a photo."""

Unprepared = ImageLike | torch.Tensor | Iterable[ImageLike | torch.Tensor]
"""One image or several; a float tensor [C, H, W] or [N, C, H, W] is taken as preprocessed."""
