"""Results save whole or not at all, show themselves, and carry where they came from."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cnnviz.errors import OutputError, UsageError
from cnnviz.results import drawing
from cnnviz.results.files import write_atomically
from cnnviz.results.provenance import ImageSource, Provenance
from cnnviz.results.result import Result, png
from tests.helpers.processes import needs_fork, run_code


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Sample(Result):
    values: NDArray[np.float64]
    name: str = "a <b> & 'c'"

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        figure = drawing.canvas(2, 1, into)
        figure.add_subplot().plot(self.values)
        return figure

    def caption(self) -> str:
        return "A <script>line</script>."

    def summary(self) -> str:
        return f"{self.name} of {len(self.values)}"


@pytest.fixture
def sample() -> Sample:
    origin = Provenance(
        model="net",
        weights="random, seed 0",
        weights_sha256="00",
        images=(ImageSource("koala.png", "11"),),
        targets=("koala",),
    )
    return Sample(provenance=origin, values=np.array([1.0, 2.0, np.inf]))


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml"), (".npz", b"PK"), (".json", b"{")],
)
def test_saving_by_suffix(sample: Sample, tmp_path: Path, suffix: str, start: bytes) -> None:
    path = sample.save(tmp_path / f"out{suffix}")
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]
    first = path.read_bytes()
    if suffix in (".png", ".json"):
        sample.save(path)
        assert path.read_bytes() == first, "saving twice gives the same bytes"


@pytest.mark.parametrize(("ground", "mode"), [("white", "RGB"), ((1.0, 1.0, 1.0, 0.5), "RGBA")])
def test_a_png_is_what_matplotlib_draws_with_a_fourth_channel_where_it_says_something(
    sample: Sample, ground: Any, mode: str
) -> None:
    figure, other = sample.figure(), sample.figure()
    for one in (figure, other):
        one.set_facecolor(ground)
    canvas = figure.canvas
    usual = io.BytesIO()
    other.savefig(usual, format="png", dpi=160)
    with Image.open(io.BytesIO(png(figure))) as ours, Image.open(usual) as theirs:
        assert (ours.mode, ours.info["dpi"]) == (mode, theirs.info["dpi"])
        np.testing.assert_array_equal(ours.convert("RGBA"), theirs)
    assert figure.canvas is canvas


def test_every_format_carries_the_provenance(sample: Sample, tmp_path: Path) -> None:
    expected = json.loads(json.dumps(sample.provenance.to_json()))
    with Image.open(sample.save(tmp_path / "a.png")) as picture:
        assert json.loads(picture.info["Description"]) == expected
    with np.load(sample.save(tmp_path / "a.npz")) as arrays:
        assert json.loads(str(arrays["provenance"])) == expected
        np.testing.assert_array_equal(arrays["values"], sample.values)
    written = json.loads(sample.save(tmp_path / "a.json").read_text("utf-8"))
    assert written["provenance"] == expected
    assert written["values"] == [1.0, 2.0, None]
    assert written["infinite"] == {"/values/2": "inf"}


def test_an_unknown_suffix_is_refused(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'a\.bmp'.*\.png, \.svg, \.pdf, \.npz, \.json"):
        sample.save(tmp_path / "a.bmp")


@pytest.mark.parametrize("suffix", [".csv", ".tex"])
def test_what_is_no_table_is_not_saved_as_one(sample: Sample, tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OutputError, match=r"no table cannot be saved as 'a\..*\.npz, \.json"):
        sample.save(tmp_path / f"a{suffix}")


def test_a_result_is_drawn_into_a_figure_of_the_callers(sample: Sample) -> None:
    figure = drawing.new_figure(2, 1)
    assert sample.figure(figure=figure) is figure
    assert png(figure) == png(sample.figure()), "at the same size it is the same picture"
    left, _ = Figure(layout="constrained").subfigures(1, 2)
    assert sample.figure(figure=left) is left.figure
    assert len(left.axes) == 1


def test_what_cannot_be_drawn_into_is_a_sentence(sample: Sample) -> None:
    axes = Figure().subplots()
    with pytest.raises(UsageError, match=r"several panels.*figure="):
        sample.figure(ax=axes)
    with pytest.raises(UsageError, match="one of the two"):
        sample.figure(figure=Figure(), ax=axes)
    with pytest.raises(UsageError, match=r"figure= is an Axes\. Give a matplotlib Figure"):
        sample.figure(figure=axes)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="ax= is a Figure"):
        sample.figure(ax=Figure())  # type: ignore[arg-type]


def test_a_missing_folder_is_refused(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder"):
        sample.save(tmp_path / "missing" / "a.png")
    with pytest.raises(OutputError, match="is a folder"):
        write_atomically(tmp_path, lambda path: None)


def test_names_that_the_system_refuses_are_said(sample: Sample, tmp_path: Path) -> None:
    long = tmp_path / f"{'a' * 300}.json"
    with pytest.raises(OutputError, match=r"cannot be written: File name too long\."):
        sample.save(long)
    # What is added for the temporary file does not make a name too long.
    assert sample.save(tmp_path / f"{'a' * 250}.json").is_file()


def test_a_folder_that_may_not_be_looked_into(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(OutputError, match=r"cannot be written: Permission denied\."):
        sample.save(tmp_path / "a.json")


def test_a_result_is_as_readable_as_other_files(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    path = sample.save(tmp_path / "a.json")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_notebooks_show_escaped_html_with_the_picture_once(sample: Sample) -> None:
    shown = sample._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown
    data = base64.b64decode(shown.partition("data:image/webp;base64,")[2].partition('"')[0])
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.width > 100) == ("WEBP", True)
    # Jupyter keeps every form that there is, and shows one.
    forms = ("png", "jpeg", "svg", "markdown", "latex", "pdf", "mimebundle")
    assert [form for form in forms if hasattr(sample, f"_repr_{form}_")] == []


def test_notebooks_show_a_note_once(sample: Sample) -> None:
    notes = ("A <script>line</script>.", "It is a guess.")
    noted = dataclasses.replace(
        sample, provenance=dataclasses.replace(sample.provenance, notes=notes)
    )
    shown = noted._repr_html_().partition("<figcaption>")[2]
    assert shown.count("line") == 1
    assert "<br>Note: It is a guess." in shown


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_dollar_sign_in_a_name_is_no_formula(tmp_path: Path, suffix: str) -> None:
    class Named(Sample):
        def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
            figure = super().draw(into)
            figure.axes[0].set_title("cost $5 \\frac{ for two$")
            return figure

    origin = Provenance(model="$net$", weights="", weights_sha256="")
    found = Named(provenance=origin, values=np.array([1.0, 2.0]))
    assert found.save(tmp_path / f"a{suffix}").stat().st_size > 0
    assert "<img " in found._repr_html_()


def test_repr_is_one_line(sample: Sample) -> None:
    assert repr(sample) == "<Sample: a <b> & 'c' of 3>"


def test_a_result_is_frozen(sample: Sample) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.name = "other"  # type: ignore[misc]


@needs_fork
def test_figures_are_unknown_to_pyplot(sample: Sample) -> None:
    code = (
        "import sys, numpy, cnnviz.results.drawing as d; "
        "from cnnviz.results.mosaics import mosaic; "
        "f = d.new_figure(1, 1); "
        "d.show(f.add_subplot(), mosaic(numpy.zeros((2, 4, 4, 3), 'uint8')).pixels); "
        "f.canvas.draw(); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    found = run_code(code)
    assert found.returncode == 0, found.stderr
