"""Numbers that a person types: rows of a matrix, samples of a signal."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.images.paths import expand

_NUMBERS = re.compile(r"[-+0-9.eE,;\s]*\d[-+0-9.eE,;\s]*|\s*\[.*", re.DOTALL)


_LARGEST = 1e100
"""The size up to which sums of products of two numbers are finite, and can be drawn."""


def check_can_be_multiplied(numbers: NDArray[Any], what: str) -> None:
    """Raise `UsageError` where products of such numbers would leave the range of numbers."""
    largest = float(np.abs(numbers.astype(np.float64)).max())
    if largest > _LARGEST:
        raise UsageError(
            f"{what} has numbers up to {largest:.3g}, whose products may be none.",
            f"Give numbers up to {_LARGEST:.0e}.",
        )


def is_written(text: str) -> bool:
    """Whether a text is numbers, rather than a name.

    >>> is_written("1 0 1; 0 1 0"), is_written("[[1, 0]]"), is_written("sobel_x")
    (True, True, False)
    """
    return bool(_NUMBERS.fullmatch(text))


def is_typed(text: str) -> bool:
    """Whether a text is the numbers of a matrix themselves, and no file is called that."""
    return is_written(text) and not expand(text).exists()


def written_rows(text: str) -> NDArray[np.float64]:
    """Return the rows of numbers in a text, [H, W].

    Parameters
    ----------
    text : str
        Rows with semicolons or new lines between them, and numbers with commas or blanks:
        ``1 0 1; 0 1 0``; or as code writes them: ``[[1, 0, 1], [0, 1, 0]]``. One row may stand
        alone.

    Raises
    ------
    ValueError
        If these are no rows of equally many numbers.

    >>> written_rows("1,0;-2.5,3").tolist() == written_rows("[[1, 0], [-2.5, 3]]").tolist()
    True
    """
    given: Any
    if text.strip().startswith("["):
        given = json.loads(text)
        given = given if any(isinstance(row, list) for row in given) else [given]
    else:
        rows = [row for row in re.split(r"[;\n]", text) if row.strip()]
        given = [re.split(r"\s*,\s*|\s+", row.strip()) for row in rows]
    try:
        found = np.array(given, np.float64)
    except TypeError as error:  # something in it is no number
        raise ValueError(f"{text!r} is no matrix") from error
    if found.ndim != 2:
        raise ValueError(f"{text!r} is no matrix")
    return found
