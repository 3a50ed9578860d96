"""Feature visualizations come into the gallery by unit, and are kept."""

import numpy as np
import pytest

import cnnviz
from cnnviz.errors import UsageError
from cnnviz_gallery.site.visualizations import FOLDER, visualize


def test_pictures_are_found_by_layer_and_channel_and_made_once(tmp_path):
    model = cnnviz.load("shapes-plain")
    made = visualize(model, "features.0:1,3", tmp_path, steps=3)
    assert list(made) == ["features.0"]
    assert list(made["features.0"]) == [1, 3]
    for pixels in made["features.0"].values():
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert np.ptp(pixels) > 0
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).rglob("*")}
    assert kept
    again = visualize(model, "features.0:1,3", tmp_path, steps=3)
    np.testing.assert_array_equal(again["features.0"][3], made["features.0"][3])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).rglob("*")} == kept


def test_what_has_no_page_is_refused_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="'class:star' is no channel"):
        visualize(cnnviz.load("shapes-plain"), "class:star", tmp_path)
    assert list(tmp_path.iterdir()) == []
