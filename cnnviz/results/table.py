"""Results that are tables: plain values under named columns, as CSV, TeX, JSON or a data frame."""

from __future__ import annotations

import csv
import io
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from cnnviz.errors import InstallationError
from cnnviz.results.json_values import plain
from cnnviz.results.picture_style import PictureStyle
from cnnviz.results.result import Result
from cnnviz.results.suffixes import SUFFIXES, TABLE_SUFFIXES
from cnnviz.results.text import kind_of

if TYPE_CHECKING:
    import pandas as pd

Cell: TypeAlias = str | int | float | bool | None
"""A value of a table; None, or a float that is not a number, where there is none."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""
_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes
    ----------
    name : str
        What its values are.
    unit : str
        Their unit; empty for texts, counts and plain numbers.
    """

    name: str
    unit: str = ""

    @property
    def heading(self) -> str:
        """The name, with the unit in parentheses."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Table:
    """Rows of plain values under named columns.

    Attributes
    ----------
    columns : tuple of TableColumn
        What stands in each column, and its unit.
    rows : tuple of tuple of values
        A text, whole number, number, truth value or None for each column.
    """

    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, columns: Sequence[TableColumn | str], rows: Iterable[Sequence[Any]]) -> Table:
        """Make a table of rows that may hold numpy's numbers; a column may be its bare name."""
        named = tuple(c if isinstance(c, TableColumn) else TableColumn(c) for c in columns)
        return cls(named, tuple(tuple(map(_bare, row)) for row in rows))

    @property
    def headings(self) -> tuple[str, ...]:
        """The name of each column with its unit."""
        return tuple(column.heading for column in self.columns)

    def to_json(self) -> dict[str, Any]:
        """Return the table as plain data; a number that is not finite becomes null."""
        found: dict[str, Any] = plain({"columns": self.columns, "rows": self.rows})
        return found

    def to_csv(self) -> str:
        """Return the table as CSV (RFC 4180), every number in full.

        What there is not is an empty field. A text that a spreadsheet would take for a formula,
        such as a file that is called ``=cmd()``, gets an apostrophe before it.
        """
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow([_disarmed(heading) for heading in self.headings])
        writer.writerows([_in_csv(value) for value in row] for row in self.rows)
        return stream.getvalue()

    def to_tex(self) -> str:
        r"""Return the table as a ``tabular`` of the LaTeX package booktabs, numbers in four digits.

        Every text is escaped, so that it is set as it reads.
        """
        sides = "".join("r" if self._is_numeric(place) else "l" for place in range(self._width))
        lines = [" & ".join(map(_escaped, self.headings))]
        lines += [" & ".join(map(_in_tex, row)) for row in self.rows]
        head, *body = [f"{line} \\\\" for line in lines]
        return "\n".join(
            [
                "% Needs \\usepackage{booktabs}.",
                f"\\begin{{tabular}}{{{sides}}}",
                "\\toprule",
                head,
                "\\midrule",
                *body,
                "\\bottomrule",
                "\\end{tabular}",
                "",
            ]
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table as a pandas data frame; ``attrs["units"]`` has the units.

        Raises
        ------
        InstallationError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InstallationError(
                "A data frame needs pandas, which is not installed.",
                "Install it: pip install 'cnnviz[pandas]'.",
            ) from error
        names = [column.name for column in self.columns]
        found = pd.DataFrame.from_records(list(self.rows), columns=names)
        found.attrs["units"] = {column.name: column.unit for column in self.columns}
        return found

    @property
    def _width(self) -> int:
        return len(self.columns)

    def _is_numeric(self, place: int) -> bool:
        values = [row[place] for row in self.rows if row[place] is not None]
        return bool(values) and all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TableResult(Result):
    """A result that is a table as well as a picture."""

    suffixes: ClassVar[tuple[str, ...]] = (*SUFFIXES, *TABLE_SUFFIXES)

    @abstractmethod
    def table(self) -> Table:
        """Return the numbers as a table of plain values."""

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table as a pandas data frame, which needs the extra ``pandas``.

        Raises
        ------
        InstallationError
            If pandas is not installed.
        """
        return self.table().to_dataframe()

    def contents(self) -> dict[str, Any]:
        """Return what the JSON holds, with every value of the table."""
        table = self.table()
        return {**super().contents(), "table": {"columns": table.columns, "rows": table.rows}}

    def _writer(self, suffix: str, style: PictureStyle) -> Callable[[Path], None]:
        return self._write_table if suffix in TABLE_SUFFIXES else super()._writer(suffix, style)

    def _write_table(self, path: Path) -> None:
        table = self.table()
        text = table.to_csv() if path.suffix.lower() == ".csv" else table.to_tex()
        # The name of a file may hold bytes that are no letters in any encoding.
        path.write_bytes(text.encode("utf-8", errors="backslashreplace"))


def _bare(value: Any) -> Cell:
    bare = value.item() if isinstance(value, np.generic) else value
    if bare is not None and not isinstance(bare, (str, int, float)):
        raise TypeError(f"A table holds plain values, and this is {kind_of(bare)}.")
    return bare


def _is_missing(value: Cell) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _disarmed(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _in_csv(value: Cell) -> str:
    if _is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return _disarmed(value) if isinstance(value, str) else repr(value)


def _escaped(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return "".join(_TEX.get(letter, letter) for letter in " ".join(printable.split()))


def _in_tex(value: Cell) -> str:
    if _is_missing(value):
        return "--"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number_in_tex(value)
    # A line that starts with a bracket would be read as an argument of the line break before it.
    return _escaped(value).replace("[", "{[}") if isinstance(value, str) else f"${value}$"


def _number_in_tex(value: float) -> str:
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    digits, _, power = f"{value:.4g}".partition("e")
    return rf"${digits} \times 10^{{{int(power)}}}$" if power else f"${digits}$"
