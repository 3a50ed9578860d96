"""Signals from files, from text and by name; numbers that a person types."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from cnnviz.course.kernels import own_kernel
from cnnviz.course.signals import RESPONSES, signal_of
from cnnviz.course.slid_over import as_matrix
from cnnviz.course.written import is_typed, is_written, written_rows
from cnnviz.errors import CnnvizError, UsageError
from cnnviz.views.convolve import convolve
from cnnviz.views.convolve_signals import convolve_signals
from tests.helpers.each_case import each_case

WANTED = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.T * 32768).astype("<i2").tobytes())


@each_case(
    "text",
    [
        "1 0 1; 0 1 0; 1 0 1",
        "1,0,1;0,1,0;1,0,1",
        " 1, 0, 1 ;0 1 0;\n1e0 0 +1;",
        "[[1, 0, 1], [0, 1, 0], [1, 0, 1]]",
    ],
)
def test_rows_are_read_as_people_type_them(text: str) -> None:
    assert is_written(text)
    assert written_rows(text).tolist() == WANTED
    assert own_kernel(text).values.tolist() == [WANTED]
    found = as_matrix(text)
    assert found is not None
    assert found[0].tolist() == WANTED


def test_the_worked_example_is_typed_whole() -> None:
    rows = "1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0"
    found = convolve(rows, "[[1,0,1],[0,1,0],[1,0,1]]")
    assert found.result.tolist() == [[[4, 3, 4], [2, 4, 3], [2, 3, 4]]]
    assert "counted from 0" in found.caption()


def test_names_and_files_are_no_numbers(tmp_path: Path, monkeypatch) -> None:
    for name in ("sobel_x", "features.0:12", "photo.jpg", "", "e,e", "x1"):
        assert not is_written(name)
    monkeypatch.chdir(tmp_path)
    assert is_typed("1")
    Path("1").touch()
    assert not is_typed("1")
    for wrong in ("1 2; 3", "[[1, 2], [3]]", "[[1", "[{}]"):
        with pytest.raises(UsageError, match="matrix of"):
            as_matrix(wrong)
        with pytest.raises(UsageError, match="matrix of"):
            own_kernel(wrong)


def test_files_of_every_kind_hold_the_same_signal(tmp_path: Path) -> None:
    values = np.array([0.0, 0.5, -0.25, 0.75])
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "row.npy", values[None])
    np.savez(tmp_path / "b.npz", values)
    (tmp_path / "c.csv").write_text("0,0.5,-0.25,0.75\n")
    (tmp_path / "column.csv").write_text("0\n0.5\n-0.25\n0.75\n")
    write_wav(tmp_path / "d.wav", values[None], 8000)
    for path in sorted(tmp_path.iterdir()):
        found = signal_of(path, "signal")
        assert found.values.tolist() == values.tolist()
        assert found.name == path.name
        assert len(found.sha256) == 64
    write_wav(tmp_path / "stereo.wav", np.stack([values, -values / 2]), 8000)
    both = signal_of(str(tmp_path / "stereo.wav"), "signal")
    assert both.values.tolist() == (values / 4).tolist()
    assert both.notes == ("16-bit samples at 8,000 Hz, taken as -1 to 1", "2 channels averaged")
    result = convolve_signals(tmp_path / "a.npy", tmp_path / "c.csv")
    np.testing.assert_allclose(result.result, np.convolve(values, values))
    assert [source.name for source in result.provenance.images] == ["a.npy", "c.csv"]
    assert "x (a.npy) and the response h (c.csv)" in result.caption()


def test_a_part_of_a_long_signal_is_taken(tmp_path: Path) -> None:
    np.save(tmp_path / "long.npy", np.arange(9000.0))
    with pytest.raises(UsageError, match="too long"):
        signal_of(tmp_path / "long.npy", "signal")
    found = convolve_signals(tmp_path / "long.npy", "box:2", part=(8990, 40))
    assert found.signal.tolist() == list(range(8990, 9000))
    assert "samples 8,990 to 8,999 of 9,000" in found.provenance.notes[0]
    for part in [(9000, 1), (-1, 4), (0, 0)]:
        with pytest.raises(UsageError, match="has no"):
            signal_of(tmp_path / "long.npy", "signal", part)


@each_case("name", RESPONSES)
def test_responses_by_name_do_what_they_say(name: str) -> None:
    x = np.random.default_rng(0).normal(size=40)
    y = convolve_signals(x, name).result[:40]
    weights = {
        "impulse": ([1.0], [1.0]),
        "delay": ([0, 0, 0, 1.0], [1.0]),
        "box": ([0.2] * 5, [1.0]),
        "gaussian": (np.convolve([0.25, 0.5, 0.25], [0.25, 0.5, 0.25]), [1.0]),
        "difference": ([1.0, -1.0], [1.0]),
        "curvature": (np.convolve([1, -1], [1, -1]), [1.0]),
        # A recursion, as far as the response reaches.
        "exponential": ([1.0, *[0.0] * 7, -(0.6**8)], [1.0, -0.6]),
        "echo": ([1.0, 0, 0, 0, 0.5], [1.0]),
    }
    np.testing.assert_allclose(y, signal.lfilter(*weights[name], x), atol=1e-12)


def test_what_is_no_signal_or_response_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((2, 9)))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    for given, said in [
        ("gausian", "There is no response 'gausian'"),
        ("box:0", "cannot have '0' samples"),
        ("difference:4", "always has 2 samples"),
        ("1,x", "There is no response"),
        ("1 2; 3", "no sequence"),
        ("[[1, 2], [3, 4]]", "no sequence"),
        (str(tmp_path / "two.npy"), "which is no signal"),
        (str(tmp_path / "text.npy"), "it holds"),
        (str(tmp_path / "none.wav"), "no such file"),
    ]:
        with pytest.raises(CnnvizError, match=said):
            signal_of(given, "response")
