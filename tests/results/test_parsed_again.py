"""What a disturbed parser makes wrong is read again."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz.course.slid_over import read_matrix
from cnnviz.images.number_files import read_numbers
from cnnviz.results.parsed_again import parsed_again
from cnnviz.results.resume_store import ResumeStore
from cnnviz_gallery.scan import scan_result


@pytest.fixture
def disturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let the parser fail at every first header, as it may where another thread parses."""
    parse, met = ast.literal_eval, list[str]()

    def fails(text: Any) -> Any:
        met.append(text)
        if len(met) % 2:
            raise SystemError("AST constructor recursion depth mismatch (before=21, after=15)")
        return parse(text)

    monkeypatch.setattr(ast, "literal_eval", fails)
    yield met
    assert len(met) == 2


def _kept(path: Path) -> Any:
    kept = ResumeStore(path.parent / "kept", {})
    kept.put("part", {})
    assert kept.folder is not None
    path.rename(kept.folder / "part.npz")
    held = kept.get_arrays("part")
    return None if held is None else held["arr_0"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.npy", read_numbers),
        ("a.npz", read_numbers),
        ("a.npy", read_matrix),
        ("a.npz", _kept),
        ("a.npz", lambda path: scan_result._read_arrays(path)["arr_0"]),
    ],
)
def test_a_file_is_read_though_the_parser_was_disturbed(
    name: str, read: Callable[[Path], Any], tmp_path: Path, disturbed: list[str]
) -> None:
    values = np.arange(6.0).reshape(2, 3)
    (np.save if name.endswith("y") else np.savez)(tmp_path / name, values)
    assert np.array_equal(read(tmp_path / name), values)


def test_what_fails_again_and_again_is_told() -> None:
    tried = []

    @parsed_again
    def read() -> None:
        tried.append(1)
        raise SystemError("something else")

    with pytest.raises(SystemError, match="something else"):
        read()
    assert 1 < len(tried) < 100
