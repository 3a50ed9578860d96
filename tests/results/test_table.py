"""Tables come out in full as CSV, as LaTeX that sets what it reads, as JSON and as a data frame."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import InstallationError
from cnnviz.results import drawing
from cnnviz.results.provenance import Provenance
from cnnviz.results.table import Table, TableColumn, TableResult
from tests.helpers.each_case import each_case

HOSTILE = ("=cmd()", "+1", "-x", "@SUM(A1)", "\tx", "\rx")


def read(table: Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.to_csv(), newline=""), strict=True))


def of_names(*names: str) -> Table:
    return Table.of(["name"], [[name] for name in names])


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Named(TableResult):
    name: str

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        figure = drawing.canvas(3, 2, into)
        figure.suptitle(self.name)
        return figure

    def caption(self) -> str:
        return ""

    def summary(self) -> str:
        return ""

    def table(self) -> Table:
        return of_names(self.name)


def named(name: str) -> Named:
    return Named(provenance=Provenance(model="m", weights="", weights_sha256=""), name=name)


def test_csv_has_every_number_in_full_and_units_in_the_header() -> None:
    size = TableColumn("size", "px")
    numbers = [0.1 + 0.2, 1e-300, np.float32(0.1), np.float64(2.0) / 3.0, 2**60]
    table = Table.of(["layer", size], [["a", number] for number in numbers])
    header, *rows = read(table)
    assert header == ["layer", "size (px)"]
    assert [float(row[1]) for row in rows] == [float(number) for number in numbers]
    assert rows[-1][1] == str(2**60), "a whole number stays whole"


def test_csv_tells_what_there_is_not_from_what_is_not_finite() -> None:
    table = Table.of(["x"], [[None], [math.nan], [math.inf], [-math.inf], [True], [False], [""]])
    assert [row[0] if row else "" for row in read(table)[1:]] == [
        "", "", "inf", "-inf", "true", "false", "",
    ]  # fmt: skip


@each_case("name", ["a,b", 'say "so"', "two\nlines", "ünï, ✓", ""])
def test_a_name_reads_back_from_csv_as_it_is(name: str) -> None:
    table = Table.of(["name", "x"], [[name, 1]])
    assert read(table)[1] == [name, "1"]
    assert table.to_csv().endswith(",1\r\n"), "lines end as RFC 4180 has it"


@each_case("name", HOSTILE)
def test_no_name_becomes_a_formula_in_a_spreadsheet(name: str) -> None:
    assert read(of_names(name))[1] == [f"'{name}"]
    assert of_names(name).to_json()["rows"] == [[name]], "JSON has it as it is"
    assert read(Table.of([name], []))[0] == [f"'{name}"]
    assert read(Table.of(["x"], [[-1.5]]))[1] == ["-1.5"], "a number is no formula"


def test_latex_is_escaped_and_keeps_to_its_line() -> None:
    found = of_names(r"a_b & 50% \input{x} $1 #2 ~^<|>", "two\nlines\x00", "[3mm]").to_tex()
    body = found.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()
    assert body == [
        r"a\_b \& 50\% \textbackslash{}input\{x\} \$1 \#2 "
        r"\textasciitilde{}\textasciicircum{}\textless{}\textbar{}\textgreater{} \\",
        r"two lines \\",
        r"{[}3mm] \\",
    ]


def test_latex_has_four_digits_and_sets_numbers_flush_right() -> None:
    rows = [["a", 0.123456, 7, True], ["b", -1.5e-7, 8, False], ["c", None, 9, None]]
    found = Table.of(["n", TableColumn("x", "%"), "k", "t"], rows).to_tex()
    assert r"\begin{tabular}{lrrl}" in found
    assert r"n & x (\%) & k & t \\" in found
    assert r"a & $0.1235$ & $7$ & yes \\" in found
    assert r"b & $-1.5 \times 10^{-7}$ & $8$ & no \\" in found
    assert r"c & -- & $9$ & -- \\" in found


def test_only_plain_values_are_held() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        Table.of(["x"], [[np.zeros(2)]])


@pytest.mark.parametrize("suffix", [".csv", ".tex", ".CSV"])
def test_a_name_with_bytes_that_are_no_letters_is_written(tmp_path: Path, suffix: str) -> None:
    path = named("photo\udcff.png").save(tmp_path / f"t{suffix}")
    expected = "photo .png" if suffix == ".tex" else r"photo\udcff.png"
    assert expected in path.read_text("utf-8")


def test_json_has_the_table(tmp_path: Path) -> None:
    written = json.loads(named("a").save(tmp_path / "t.json").read_text("utf-8"))
    assert written["table"] == {"columns": [{"name": "name", "unit": ""}], "rows": [["a"]]}


def test_a_data_frame_has_the_values_and_the_units() -> None:
    pytest.importorskip("pandas", reason="the extra 'pandas' is not installed")
    columns = ["layer", TableColumn("size", "px"), "dead"]
    frame = Table.of(columns, [["=a", 3, True], ["b", 4, False]]).to_dataframe()
    assert list(frame.columns) == ["layer", "size", "dead"]
    assert frame.attrs["units"] == {"layer": "", "size": "px", "dead": ""}
    assert frame["layer"].tolist() == ["=a", "b"], "a formula starts in spreadsheets alone"
    assert frame["size"].sum() == 7
    assert frame["dead"].dtype == bool
    assert Table.of(columns, []).to_dataframe().empty


def test_without_pandas_a_data_frame_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InstallationError, match=r"needs pandas.*pip install 'cnnviz\[pandas\]'"):
        named("a").to_dataframe()
