"""The numbers of every unit as one table: those of the scan, in full, and in the site as well."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from cnnviz_gallery.scan.class_contrast import class_contrast
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.scan.unit_table import COLUMNS
from tests.helpers.gallery.generated import Generated, network


def test_each_unit_has_its_numbers(tiny_scan) -> None:
    table = tiny_scan.table()
    assert table.headings == COLUMNS
    assert len(table.rows) == sum(layer.channels for layer in tiny_scan.layers)
    place = 0
    for layer in tiny_scan.layers:
        contrast = class_contrast(layer, tiny_scan.group_counts)
        for channel in range(layer.channels):
            row = dict(zip(COLUMNS, table.rows[place], strict=True))
            place += 1
            assert (row["layer"], row["channel"]) == (layer.layer, channel)
            assert row["greatest value"] == layer.highest[channel]
            assert row["least peak"] == layer.lowest[channel]
            assert row["mean peak"] == layer.activity[channel]
            assert row["sparsity"] == layer.sparsity[channel]
            if contrast.top[channel] < 0:
                assert [row[name] for name in COLUMNS[6:]] == [None] * 5
                continue
            assert row["class"] == tiny_scan.groups[contrast.top[channel]]
            assert row["selectivity"] == contrast.selectivity[channel]
            assert row["selectivity from"] == contrast.low[channel]
            assert row["selectivity to"] == contrast.high[channel]
            assert row["class clear"] == contrast.clear[channel]


def test_what_is_no_number_is_none(tiny_scan) -> None:
    layer = tiny_scan.layers[0]
    histogram = layer.histogram.copy()
    histogram[1] = 0
    lost = replace(tiny_scan, layers=(replace(layer, histogram=histogram),))
    assert lost.table().rows[1][2:6] == (None,) * 4
    assert None not in lost.table().rows[0][2:6]


def test_the_site_has_the_same_rows_and_a_link_to_them(tiny_scan, tiny_site) -> None:
    folder = tiny_site / "models/tiny"
    held = json.loads((folder / "units.json").read_text("utf-8"))
    assert [column["name"] for column in held["columns"]] == list(COLUMNS)
    assert [tuple(row) for row in held["rows"]] == list(tiny_scan.table().rows)
    assert 'href="units.json"' in (folder / "index.html").read_text("utf-8")


def test_a_data_frame_and_a_file_hold_them(tiny_scan) -> None:
    pandas = pytest.importorskip("pandas")
    frame = tiny_scan.table().to_dataframe()
    # As text: not every pandas reads all digits of a number by itself.
    read = pandas.read_csv(io.StringIO(tiny_scan.table().to_csv()), dtype=str)
    for name in COLUMNS[2:6]:
        np.testing.assert_array_equal(frame[name].to_numpy(float), read[name].to_numpy(float))


def test_a_class_that_leads_is_named_with_its_selectivity() -> None:
    found = scan(network(), Generated(60), settings=ScanSettings(sample=4))
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found.table().rows]
    led = [row for row in rows if row["class"] is not None]
    assert led
    assert {row["class"] for row in led} <= {"one", "two", "three"}
    for row in led:
        assert row["selectivity from"] < row["selectivity"] < row["selectivity to"]
        assert isinstance(row["class clear"], bool)
