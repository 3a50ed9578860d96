"""The doctor: what it finds where packages are whole, broken, missing, old, or end Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cnnviz.installation import Diagnosis, Finding, packages
from cnnviz.installation.broken_package import broken_package
from cnnviz.installation.devices import device_findings
from cnnviz.installation.examination import examined
from cnnviz.installation.packages import OPTIONAL, REQUIRED, numbers, package_findings
from cnnviz.installation.places import place_findings, setting_findings
from cnnviz.installation.remedies import BOTH_AGAIN, HEADLESS, MISMATCH, for_package

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {"file": "there"}
TORCH = {
    "version": "2.9.1+cpu",
    "cuda_build": None,
    "threads": 1,
    "capability": "AVX2",
    "onednn": True,
    "cuda": {"devices": [], "warnings": []},
    "mps": {"devices": [], "warnings": []},
}
Fake = Callable[[str, str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put packages of these names and texts before all others."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))

    def make(name: str, text: str) -> None:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(text, "utf-8")

    return make


def one(found: list[Finding], subject: str) -> Finding:
    (only,) = [each for each in found if each.subject == subject]
    return only


def test_every_package_that_cnnviz_requires_is_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    required = [line.partition(">=")[0] for line in project["dependencies"]]
    assert sorted(REQUIRED) == sorted(required)


def test_a_package_that_ends_python_costs_no_other_answer(fake: Fake) -> None:
    fake("first", "print('noise')")
    fake("crashes", "import os; os.abort()")
    fake("leaves", "import os, sys; print('gone', file=sys.stderr, flush=True); os._exit(3)")
    fake("raises", "raise KeyError('k')")
    fake("exits", "raise SystemExit(0)")
    fake("last", "")
    found = examined(["first", "crashes", "leaves", "raises", "exits", "absent", "last"])
    assert "error" not in found["first"]
    assert found["crashes"]["error"] == "importing it ends Python: SIGABRT"
    assert found["leaves"]["error"] == "importing it ends Python with 3: gone"
    assert found["raises"]["error"] == "KeyError: 'k'"
    assert found["exits"]["error"] == "SystemExit: 0"
    assert found["absent"]["missing"] == "absent"
    assert "error" not in found["last"]


def test_an_empty_folder_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hollow").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert "is a folder without files" in examined(["hollow"])["hollow"]["error"]


def facts_with(**changed: object) -> dict[str, dict]:
    facts = {module: dict(WHOLE) for module, _ in REQUIRED.values()}
    return {**facts, "torch": dict(TORCH), **changed}


def test_what_needs_a_broken_package_is_told_apart() -> None:
    broken = {"error": "ImportError: libtorch_cpu.so: undefined symbol: iJIT", "missing": None}
    found = list(package_findings(facts_with(torch=broken, torchvision=broken, captum=broken)))
    torch = one(found, "torch")
    assert torch.state == "broken"
    assert "undefined symbol" in torch.found
    assert torch.remedy == "Install it again: pip install --force-reinstall torch."
    for name in ("torchvision", "captum"):
        assert one(found, name).found.endswith("not without what it needs, see there")
    assert one(found, "numpy").state == "ok"


UNMAPPED = "failed to map segment from shared object"


@pytest.mark.parametrize(
    ("package", "error", "remedy"),
    [
        ("torchvision", f"RuntimeError: {MISMATCH}", BOTH_AGAIN),
        (
            "opencv-python",
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            HEADLESS,
        ),
        ("torch", "importing it ends Python: SIGILL", "take an older release"),
        ("torch", f"ImportError: libtorch_cpu.so: {UNMAPPED}", "too little memory to load it"),
        ("torch", f"ImportError: a.so: {UNMAPPED}: Operation not permitted", "noexec"),
        ("numpy", "OSError: [Errno 12] Cannot allocate memory", "too little memory to load it"),
        ("numpy", "ImportError: cannot allocate memory in static TLS block", "Install it again"),
        ("matplotlib", "ValueError: Key backend: 'x' is not a valid value", "Check MPLBACKEND"),
        ("numpy", "ImportError: cannot import name 'core'", "pip install --force-reinstall numpy"),
    ],
)
def test_each_fault_has_its_remedy(package: str, error: str, remedy: str) -> None:
    assert remedy in for_package(package, error)
    facts = facts_with(**{REQUIRED[package][0]: {"error": error, "missing": None}})
    assert remedy in one(list(package_findings(facts)), package).remedy


def test_a_package_that_is_not_there_or_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_lower_bounds", lambda: {"numpy": "999.0", "pillow": "1.0"})
    lacking = {"error": "ModuleNotFoundError: No module named 'jinja2'", "missing": "jinja2"}
    found = list(package_findings(facts_with(jinja2=lacking)))
    assert one(found, "jinja2").found == "not installed"
    assert one(found, "jinja2").remedy == "Install it: pip install jinja2."
    assert one(found, "numpy").state == "note"
    assert one(found, "numpy").found.endswith("and cnnviz needs 999.0")
    assert one(found, "pillow").state == "ok"
    assert numbers("2.9.1+cpu") == (2, 9, 1)
    assert numbers("2.10") > numbers("2.9.5")
    assert numbers("0.21") == numbers("0.21.0")


def test_torchvision_of_another_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"torchvision": ["numpy", "torch (==2.8.0)"], "cnnviz": []}
    monkeypatch.setattr(packages, "_requires", lambda name: asked[name])
    told = one(list(package_findings(facts_with())), "torch and torchvision")
    assert (told.state, told.remedy) == ("note", BOTH_AGAIN)
    assert told.found == "torchvision was made for torch 2.8.0, and torch is 2.9.1+cpu"
    asked["torchvision"] = ["torch==2.9.1; extra == 'a'"]
    assert one(list(package_findings(facts_with())), "torch and torchvision").state == "ok"


def test_another_cnnviz_in_the_current_folder_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnnviz").mkdir()
    (tmp_path / "cnnviz" / "__init__.py").touch()
    told = one(list(package_findings(facts_with())), "cnnviz, in this folder")
    assert told.state == "broken"
    assert str(tmp_path / "cnnviz" / "__init__.py") in told.found


def test_cnnviz_that_was_installed_as_links_is_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "site" / "cnnviz" / "installation" / "packages.py"
    file.parent.mkdir(parents=True)
    for made, stored in ((file, "1f"), (file.parents[1] / "__init__.py", "2e")):
        (tmp_path / stored).touch()
        made.symlink_to(tmp_path / stored)
    monkeypatch.setattr("cnnviz.installation.packages.__file__", str(file))
    said = SimpleNamespace(stdout=f"{file.parents[1] / '__init__.py'}\n")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: said)
    subjects = [each.subject for each in package_findings(facts_with())]
    assert "cnnviz, in this folder" not in subjects


def test_devices_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnviz.installation.devices.shutil.which", lambda name: f"/bin/{name}")
    found = list(device_findings({**TORCH, "threads": 4096}))
    assert "AVX2" in one(found, "processor").found
    assert "they wait for one another" in one(found, "threads of torch").found
    assert one(found, "threads of torch").remedy.startswith("Set OMP_NUM_THREADS=")
    assert "built for processors alone" in one(found, "CUDA").found
    old = {"devices": [], "warnings": ["The NVIDIA driver is too old"]}
    found = list(device_findings({**TORCH, "cuda_build": "13.0", "cuda": old}))
    assert one(found, "CUDA").found == "The NVIDIA driver is too old"
    fails = {"error": "RuntimeError: no kernel image", "warnings": []}
    found = list(device_findings({**TORCH, "cuda_build": "13.0", "cuda": fails}))
    assert one(found, "CUDA").state == "broken"
    works = {"devices": ["A card, 80 GB"], "warnings": []}
    found = list(device_findings({**TORCH, "cuda_build": "13.0", "cuda": works}))
    assert (one(found, "CUDA").state, one(found, "CUDA").found) == ("ok", "A card, 80 GB")
    assert "CUDA" not in {each.subject for each in device_findings({"error": "broken"})}


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "home" / "hub" / "checkpoints"
    weights.mkdir(parents=True)
    (weights / "net-12345678.pth").write_bytes(b"0" * 2000)
    (weights / "net-12345678.pth.abc.partial").write_bytes(b"0")
    (tmp_path / "numpy.py").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = list(place_findings())
    assert one(found, "this folder").state == "ok"
    assert "2 files, 2.00 kB" in one(found, "downloaded weights").found
    assert one(found, "unfinished downloads").remedy == "Delete the files *.partial."
    assert one(found, "names in this folder").found.startswith("numpy.py is imported in place")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert one(list(place_findings()), "temporary files").state == "broken"


def test_settings_of_pictures() -> None:
    held = {"settings": "s", "backend": "agg", "family": "Lost", "font": "", "cache": "/home/c"}
    found = list(setting_findings(held))
    assert one(found, "font of pictures").state == "note"
    assert "browser" in {each.subject for each in found}
    alone = [each.subject for each in setting_findings({"error": "broken"})]
    assert alone == ["browser", "tests of pages in `make test`"]


@pytest.mark.parametrize("cache", ["home/tmp/c/matplotlib", "tmp/c/matplotlib", "tmp/matplotlib-x"])
def test_a_cache_is_lost_that_matplotlib_makes_for_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    held = {"settings": "s", "backend": "agg", "family": "a", "font": "b"}
    found = setting_findings({**held, "cache": str(tmp_path / cache)})
    told = {each.subject for each in found}
    assert ("cache of matplotlib" in told) == (cache == "tmp/matplotlib-x")


@pytest.mark.parametrize("browser", ["", "firefox"])
def test_a_machine_without_a_browser_is_told_what_pages_are(
    monkeypatch: pytest.MonkeyPatch, browser: str
) -> None:
    def get() -> object:
        if not browser:
            raise webbrowser.Error
        return SimpleNamespace(name=browser)

    monkeypatch.setattr("webbrowser.get", get)
    told = one(list(setting_findings({"error": "broken"})), "browser").found
    assert told.startswith("firefox opens" if browser else "none is set up here.")
    assert ("open them on any machine" in told) == (not browser)


def test_a_diagnosis_says_how_things_stand() -> None:
    ok, note = Finding("a", "x", "ok", "1"), Finding("a", "y", "note", "2", "Mend.")
    broken = Finding("b", "z", "broken", "3", "Mend.")
    assert Diagnosis((ok,)).summary() == "All is well."
    assert Diagnosis((ok, note)).summary() == "Everything works; 1 thing worth knowing."
    assert Diagnosis((ok, note, broken)).summary() == "1 thing broken, 1 thing worth knowing."
    assert Diagnosis((ok, note)).to_json()["works"]
    assert not Diagnosis((broken,)).to_json()["works"]


@pytest.fixture
def broken_torch(fake: Fake) -> None:
    fake("torch", "raise OSError('libcudart.so.13: cannot open shared object file')")
    for name in ("torchvision", "captum", "timm"):
        fake(name, "import torch")
    fake("sklearn", "")


def _cnnviz(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnnviz", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_starts_where_torch_is_broken(
    broken_torch: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = _cnnviz("doctor", "--json")
    assert said.returncode == 2, said.stderr
    told = json.loads(said.stdout)
    broken = {each["subject"] for each in told["findings"] if each["state"] == "broken"}
    assert broken == {"torch", "torchvision", "captum"}
    assert not told["works"]
    assert set(OPTIONAL) <= {each["subject"] for each in told["findings"]}


def test_where_a_package_fails_the_doctor_is_named(
    broken_torch: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = _cnnviz("filters")
    assert said.returncode == 2, said.stderr
    what, remedy = said.stderr.splitlines()
    assert what.startswith("Error: torch cannot be imported: OSError: libcudart.so.13")
    assert remedy.endswith("`cnnviz doctor` looks at the whole installation.")


def test_what_fails_once_it_is_imported_is_no_fault_of_the_installation() -> None:
    assert broken_package(ModuleNotFoundError("No module named 'cv2'", name="cv2")) is not None
    assert broken_package(ModuleNotFoundError("No module named 'x'", name="x")) is None
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("no")
    assert broken_package(caught.value) is None
