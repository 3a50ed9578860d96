"""What may be executed of what a user names, and what the bill of materials of a release lists."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("cnnviz", "cli", "gallery", "docs", "tests/benchmarks")
EXECUTES = {"pickle.load", "pickle.loads", "marshal.loads", "torch.hub.load", "yaml.load"}
EXECUTES |= {"joblib.load", "eval", "exec", "dill.load", "cloudpickle.load", "os.system"}
OWN = {
    # What a process has written for its own other half, into a pipe that nobody else has.
    "cnnviz/reports/second_process.py": {"pickle.loads"},
    # The calls that a chapter shows, which are text of this package.
    "cnnviz/lectures/beginning.py": {"eval"},
}


_NAMED = "|".join(sorted({"load", *(name.rpartition(".")[2] for name in EXECUTES)}))
_WORTH_READING = re.compile(rf"\b(?:{_NAMED})\(|\bshell=")


@cache
def calls(source: str) -> list[tuple[Path, ast.Call, str]]:
    """Return every call in those files of a folder that may have one to look for, with its name."""
    found = []
    for file in sorted((ROOT / source).rglob("*.py")):
        text = file.read_text("utf-8")
        # To take a file apart takes far longer than to look through it.
        if _WORTH_READING.search(text):
            nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
            found += [(file, node, ast.unparse(node.func)) for node in nodes]
    return found


def said(call: ast.Call, name: str) -> Any:
    """Return a constant that is handed over by name; None where there is none."""
    found = [one.value for one in call.keywords if one.arg == name]
    return found[0].value if found and isinstance(found[0], ast.Constant) else None


def test_checkpoints_are_read_as_weights_alone() -> None:
    found = 0
    for source in SOURCES:
        for file, call, name in calls(source):
            if name.endswith("torch.load") or name == "torch.serialization.load":
                found += 1
                assert said(call, "weights_only") is True, f"{file}:{call.lineno}"
            if name.endswith(("np.load", "numpy.load")):
                assert said(call, "allow_pickle") in (None, False), f"{file}:{call.lineno}"
            shell = said(call, "shell")
            assert shell in (None, False), f"{file}:{call.lineno}"
    assert found >= 3


def test_nothing_that_is_read_is_executed() -> None:
    found: dict[str, set[str]] = {}
    for source in ("cnnviz", "cli", "gallery"):
        for file, _, name in calls(source):
            if name in EXECUTES:
                found.setdefault(file.relative_to(ROOT).as_posix(), set()).add(name)
    assert found == OWN


@pytest.fixture(scope="module")
def check() -> Any:
    spec = importlib.util.spec_from_file_location("check_sbom", ROOT / ".ci" / "check_sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bill(*names: str, root: tuple[str, ...] = ("a",)) -> dict[str, Any]:
    """Return a bill of materials as CycloneDX writes one."""
    return {
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"name": "cnnviz", "bom-ref": "root"}},
        "components": [{"name": name, "version": "1", "bom-ref": name} for name in names],
        "dependencies": [{"ref": "root", "dependsOn": list(root)}],
    }


def test_a_bill_that_lacks_a_dependency_is_refused(check) -> None:
    assert check.missing(bill("A_b", "c"), ["a-b>=1", "C"]) == []
    assert check.missing(bill("A_b"), ["a-b>=1", "C>2"]) == ["c"]
    assert check.missing(bill(), ["a"]) == ["a"]
    unpinned = bill("a")
    del unpinned["components"][0]["version"]
    assert check.missing(unpinned, ["a"]) == ["a"]
    with pytest.raises(ValueError, match="no bill of materials"):
        check.missing({"bomFormat": "other"}, ["a"])


def test_what_is_needed_is_what_the_dependencies_need_in_turn(check) -> None:
    found = check.needed(["jinja2>=3.1"])
    assert {"jinja2", "markupsafe"} <= set(found)
    direct = check.declared(ROOT / "pyproject.toml")
    assert {"torch", "numpy", "msgspec"} <= {check.normal(one) for one in direct}
    assert {"sympy", "mpmath"} <= set(check.needed(direct))


@pytest.mark.skipif(
    importlib.util.find_spec("cyclonedx_py") is None,
    reason="cyclonedx-bom is not installed; make sbom installs it and checks the same",
)
def test_the_bill_of_this_environment_lists_every_dependency(check, tmp_path: Path) -> None:
    target = tmp_path / "bom.json"
    check.write(sys.executable, target)
    found = json.loads(target.read_text("utf-8"))
    assert check.missing(found, check.needed(check.declared(ROOT / "pyproject.toml"))) == []
