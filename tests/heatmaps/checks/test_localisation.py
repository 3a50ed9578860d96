import numpy as np
import pytest

from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.heatmaps.checks.localisation import (
    localisation,
)
from cnnviz.heatmaps.map_boxes import bounding_box, box_overlap, map_box
from cnnviz.images import Photo, PhotoBox, Preprocessing
from cnnviz.models import Model
from tests.helpers.architectures import tiny_network


def subject_of(height, width, preprocessing):
    model = Model(tiny_network(), preprocessing=preprocessing)
    photo = Photo(np.zeros((height, width, 3), np.uint8), "p", "0" * 64)
    return ExplainedBatch.of(model, model.prepare([photo]), (0,))


@pytest.fixture
def subject():
    return subject_of(20, 20, Preprocessing(20, (20, 20), (0.0,) * 3, (1.0,) * 3))


def square(rows, columns, side=20, value=1.0):
    found = np.zeros((1, side, side), np.float32)
    found[0, rows, columns] = value
    return found


def values(found):
    return {one.key: one.values[0] for one in found.measures()}


def test_a_map_on_the_object_scores_one_everywhere(subject):
    own = square(slice(4, 12), slice(6, 10))
    found = localisation(subject, own, own[:, None, ::-1], [own[0] > 0])
    assert values(found) == {
        "pointing": 1.0,
        "energy_inside": 1.0,
        "box_overlap": 1.0,
        "box_found": 1.0,
        "max_box_found": 1.0,
    }
    assert found.area[0] == pytest.approx(32 / 400)
    assert found.random_energy[0, 0] == pytest.approx(4 / 8), "rows 8 to 15 share 8 to 11 with it"


def test_half_of_the_evidence_beside_the_object(subject):
    own = square(slice(4, 12), slice(6, 14))
    mask = square(slice(4, 12), slice(6, 10))[0] > 0
    own[0, 5, 7] = 3.0
    found = values(localisation(subject, own, own[:, None], [mask]))
    assert found["pointing"] == 1.0
    assert found["energy_inside"] == pytest.approx((32 + 2) / (64 + 2))
    assert found["box_overlap"] == pytest.approx(0.5)
    assert found["box_found"] == 1.0


def test_evidence_against_the_class_is_no_energy(subject):
    own = square(slice(4, 12), slice(6, 10)) - square(slice(14, 18), slice(0, 20), value=5.0)
    found = values(localisation(subject, own, own[:, None], [own[0] > 0]))
    assert found["energy_inside"] == found["box_overlap"] == 1.0


def test_the_box_is_around_the_largest_piece_above_a_fifth(subject):
    own = square(slice(2, 8), slice(2, 8), value=0.25)
    own += square(slice(12, 14), slice(12, 14)) + square(slice(16, 20), slice(0, 20), value=0.1)
    assert map_box(own[0]) == PhotoBox(2, 2, 8, 8)


def test_a_flat_map_points_as_a_blind_guess_does(subject):
    mask = square(slice(0, 10), slice(0, 10))[0] > 0
    flat = np.zeros((1, 20, 20), np.float32)
    found = values(localisation(subject, flat, flat[:, None], [mask]))
    assert found["pointing"] == pytest.approx(0.25)
    assert found["energy_inside"] == found["box_overlap"] == found["box_found"] == 0.0


def test_a_box_marks_what_a_mask_of_its_pixels_does(subject):
    own = np.random.default_rng(0).random((1, 5, 5)).astype(np.float32)
    mask = square(slice(4, 12), slice(6, 10))[0] > 0
    by_mask = localisation(subject, own, own[:, None], [mask])
    by_box = localisation(subject, own, own[:, None], [bounding_box(mask)])
    assert values(by_mask) == values(by_box)


def test_only_what_the_crop_shows_counts():
    narrow = Preprocessing(20, (20, 20), (0.0,) * 3, (1.0,) * 3)
    subject = subject_of(20, 40, narrow)
    outside = np.zeros((20, 40), bool)
    outside[:, :8] = True
    flat = np.ones((1, 2, 2), np.float32)
    found = localisation(subject, flat, flat[:, None], [outside])
    assert np.isnan(list(values(found).values())).all()
    across = np.zeros((20, 40), bool)
    across[:, :20] = True
    assert values(localisation(subject, flat, flat[:, None], [across]))[
        "energy_inside"
    ] == pytest.approx(0.5)


def test_overlaps_by_hand():
    assert box_overlap(PhotoBox(0, 0, 2, 2), PhotoBox(1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert box_overlap(PhotoBox(0, 0, 1, 1), PhotoBox(2, 2, 3, 3)) == 0.0
    assert box_overlap(PhotoBox(0, 0, 0, 0), PhotoBox(0, 0, 0, 0)) == 0.0


def test_marks_must_fit(subject):
    own = square(slice(4, 12), slice(6, 10))
    with pytest.raises(UsageError, match=r"2 masks for 1 image\."):
        localisation(subject, own, own[:, None], [own[0] > 0] * 2)
    with pytest.raises(UsageError, match=r"shape \[5, 5\], and the photo 20 x 20"):
        localisation(subject, own, own[:, None], [np.ones((5, 5), bool)])
