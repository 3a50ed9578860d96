"""The contract between scan and site: whole numbers, orders without ties, files that are whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnviz.datasets import open_dataset
from cnnviz.errors import UsageError
from cnnviz_gallery.scan import layer_result, quantised_sums, scan
from cnnviz_gallery.scan.quantised_sums import BINS, bin_edges, bin_of, in_units, unit_for
from cnnviz_gallery.scan.ranked_images import RankedImages, rank, sampled, strongest
from cnnviz_gallery.scan.scan_result import ScanResult, ScanSettings
from tests.helpers.gallery.empty_layer import empty_layer
from tests.helpers.gallery.reference_scan import scan as reference_scan

FLOATS = st.floats(-1e5, 1e5, width=32)
UNIT = unit_for(3.0)


@given(st.lists(FLOATS, min_size=1, max_size=40))
def test_a_value_lies_between_the_edges_of_its_bin(values):
    edges = bin_edges(UNIT)
    assert len(edges) == BINS + 1
    assert (np.diff(edges) > 0).all()
    for value, place in zip(values, bin_of(torch.tensor(values), UNIT).tolist(), strict=True):
        if abs(value) < edges[-1]:
            # Below zero a bin holds its lower edge's neighbour and not the edge nearer to zero.
            assert edges[place] <= value <= edges[place + 1]
        else:
            assert place == (BINS - 1 if value > 0 else 0)


def test_bins_are_dyadic_so_that_coarse_bins_are_unions_of_fine_ones():
    edges = bin_edges(UNIT)
    step = 2.0**3 / quantised_sums.PER_OCTAVE
    assert set(np.arange(step, 16.0, step)) <= set(edges)


@given(st.lists(FLOATS, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_sums_in_units_do_not_depend_on_the_order(values, random):
    unit = unit_for(max(map(abs, values)))
    shuffled = list(values)
    random.shuffle(shuffled)
    whole = in_units(torch.tensor(values), unit).sum()
    halves = [
        in_units(torch.tensor(part), unit).sum() for part in (shuffled[::2], shuffled[1::2]) if part
    ]
    assert int(whole) == sum(map(int, halves))
    near = sum(np.float32(value).astype(np.float64) for value in values)
    assert int(whole) * unit == pytest.approx(near, abs=len(values) * unit)


def test_a_sum_of_four_million_huge_values_does_not_overflow():
    huge = in_units(torch.full((1,), 3e38), unit_for(1.0))
    assert int(huge) * 2**22 < 2**63


def _layer(peaks, places, unit=2.0**-20):
    """Return the scan of a layer [images, C] of one position."""
    parts = []
    for row, place in zip(peaks, places, strict=True):
        found = empty_layer("layer", (len(row), 1, 1), unit, 2, 3, 4)
        values = np.array(row, np.float32)
        zero = np.zeros((len(row), 1), np.int64)
        pick = RankedImages(zero + place, values[:, None], zero, zero + place % 5)
        found.histogram[np.arange(len(row)), bin_of(torch.tensor(values), unit).numpy()] += 1
        found.group_sums[:, place % 2] += in_units(torch.tensor(values).clamp(min=0), unit).numpy()
        found.sums[:] = in_units(torch.tensor(values), unit).numpy()
        found.active_images[:] = values > 0
        found.active_positions[:] = values > 0
        found.lowest[:] = values
        parts.append(
            layer_result.merged(
                [
                    found,
                    _with(found, images=1, positions=1, strongest=pick, sample=pick, empty=True),
                ],
                seed=3,
            )
        )
    return parts


def _with(found, *, empty, **changes):
    from dataclasses import replace

    zero = {
        name: getattr(found, name) * 0
        for name in (
            "histogram",
            "active_images",
            "active_positions",
            "lost_positions",
            "sums",
            "group_sums",
            "group_squares",
        )
    }
    return replace(found, **zero, **changes)


# Few distinct values, so that ties are common.
PEAKS = st.lists(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.75, 1e-9]), min_size=2, max_size=2),
    min_size=1,
    max_size=9,
)


@settings(max_examples=60)
@given(PEAKS, st.randoms(use_true_random=False), st.integers(1, 8))
def test_merging_is_associative_and_commutative_bit_for_bit(peaks, random, cut):
    parts = _layer(peaks, range(len(peaks)))
    whole = layer_result.merged(parts, 3).arrays()
    random.shuffle(parts)
    groups = [group for group in (parts[:cut], parts[cut:]) if group]
    other = layer_result.merged([layer_result.merged(group, 3) for group in groups], 3).arrays()
    for name, values in whole.items():
        assert values.tobytes() == other[name].tobytes(), name


def test_of_equal_peaks_the_first_image_wins_and_void_entries_come_last():
    picks = RankedImages(
        np.array([[7, 2, 5, -1]]),
        np.array([[1.0, 1.0, 3.0, -np.inf]], np.float32),
        np.zeros((1, 4), np.int64),
        np.zeros((1, 4), np.int64),
    )
    assert strongest([picks], 4).images.tolist() == [[5, 2, 7, -1]]


def test_the_sample_is_spread_over_the_data_and_depends_on_the_seed():
    images = np.arange(1000)
    picks = RankedImages(images[None], np.zeros((1, 1000), np.float32), images[None], images[None])
    found = sampled([picks], 100, 0).images[0]
    assert len(set(found)) == 100
    assert 400 < found.mean() < 600
    assert set(found) != set(sampled([picks], 100, 1).images[0])
    assert len(set(rank(images, 0))) == 1000


def test_selectivity_is_that_of_morcos(shapes_scan):
    for layer in shapes_scan.layers[-2:]:
        means = layer.group_means(shapes_scan.group_counts)
        found = layer.selectivity(shapes_scan.group_counts)
        for channel in range(0, layer.channels, 7):
            most = means[channel].max()
            others = np.delete(means[channel], means[channel].argmax()).mean()
            assert found[channel] == pytest.approx((most - others) / (most + others))


def test_a_saved_scan_comes_back_bit_for_bit(shapes_scan, tmp_path):
    shapes_scan.save(tmp_path)
    found = ScanResult.load(tmp_path)
    assert (found.network, found.data, found.settings) == (
        shapes_scan.network,
        shapes_scan.data,
        shapes_scan.settings,
    )
    assert np.array_equal(found.answers.top, shapes_scan.answers.top)
    for ours, theirs in zip(shapes_scan.layers, found.layers, strict=True):
        assert (ours.layer, ours.shape, ours.unit) == (theirs.layer, theirs.shape, theirs.unit)
        for name, values in ours.arrays().items():
            assert values.tobytes() == theirs.arrays()[name].tobytes()
    before = {path.name for path in tmp_path.iterdir()}
    found.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_saving_anew_removes_old_parts_and_nothing_of_somebody_else(shapes_scan, tmp_path):
    mine, old = tmp_path / "thesis-results-1.npz", tmp_path / f"{'0a' * 8}.npz"
    assert len(mine.stem) == len(old.stem)
    for path in (mine, old):
        path.write_bytes(b"years of work")
    shapes_scan.save(tmp_path)
    assert mine.read_bytes() == b"years of work"
    assert not old.exists()


def test_a_scan_that_is_not_whole_is_refused(shapes_scan, tmp_path):
    with pytest.raises(UsageError, match="no whole scan"):
        ScanResult.load(tmp_path)
    shapes_scan.save(tmp_path)
    next(tmp_path.glob("*.npz")).unlink()
    with pytest.raises(UsageError, match="Scan the data again"):
        ScanResult.load(tmp_path)


def test_the_scan_agrees_with_one_that_takes_no_short_cut(shapes_model, monkeypatch):
    # To the last bit: a network of which many images were seen would be scanned on its fast copy.
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    layers, chosen = (
        ["features.0", "features.10", "classifier"],
        ScanSettings(sample=5, batch_size=8),
    )
    data = open_dataset("shapes", 24)
    found = scan.scan(shapes_model, data, layers, settings=chosen)
    reference = reference_scan(shapes_model, data, layers, chosen)
    assert (found.network, found.data) == (reference.network, reference.data)
    assert found.group_counts.tolist() == reference.group_counts.tolist()
    assert np.array_equal(found.answers.top, reference.answers.top)
    for ours, theirs in zip(found.layers, reference.layers, strict=True):
        for name, values in theirs.arrays().items():
            assert ours.arrays()[name].tobytes() == values.tobytes(), (ours.layer, name)


def test_layers_are_scanned_in_the_order_of_their_calls(shapes_model):
    assert scan.scannable(shapes_model)[-2:] == ("features.10", "classifier")
    assert scan.scannable(shapes_model, "classifier,features.0") == ("features.0", "classifier")
