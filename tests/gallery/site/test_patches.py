"""Patches of the images of a scan, of whatever size these are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.site.image_cache import ImageCache
from cnnviz_gallery.site.patches import ExamplePosition, PatchCutter
from tests.helpers.gallery.generated import Generated


def test_of_a_field_that_is_not_known_a_patch_is_the_image_as_it_was_scanned() -> None:
    """A network on 12 px whose photos keep their size was asked about 224 px, and refused."""
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(200, 3))
    own = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    model, data = Model(network.eval(), preprocessing=own), Generated(6)
    images = ImageCache(model, data, scan(model, data))
    unknown = SimpleNamespace(field=None)
    (patch,) = PatchCutter(images, unknown).patches([ExamplePosition(2, 0, 0, 1.0)], 12)  # type: ignore[arg-type]
    np.testing.assert_array_equal(patch, images.pixels(2))
