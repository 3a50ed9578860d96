"""Hold the software bill of materials of a release to what the project depends on.

python .ci/check_sbom.py PYTHON TARGET writes the bill of an environment with cyclonedx-bom, and
ends with 1 where it lacks a dependency, direct or in turn, or the version of one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def normal(requirement: str) -> str:
    """Return the name of a package as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", Requirement(requirement).name).lower()


def declared(project: Path) -> list[str]:
    """Return what a project says that it depends on."""
    return list(tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"])


def needed(requirements: Iterable[str]) -> list[str]:
    """Return the names of packages, and of what is installed here of what they need in turn."""
    found: dict[str, None] = {}
    waiting = [(requirement, True) for requirement in requirements]
    while waiting:
        text, direct = waiting.pop()
        requirement = Requirement(text)
        name = normal(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            inner = requires(requirement.name) or []
        except PackageNotFoundError:
            inner = []
            # Such as the libraries of a GPU, which a build of torch for processors goes without.
            if not direct:
                continue
        found[name] = None
        waiting += [(one, False) for one in inner]
    return sorted(found)


def missing(bill: Mapping[str, Any], requirements: Iterable[str]) -> list[str]:
    """Return the names of packages that a bill lists not, or without their version."""
    if bill.get("bomFormat") != "CycloneDX":
        raise ValueError("This is no bill of materials of CycloneDX.")
    listed = {normal(one["name"]) for one in bill.get("components", ()) if one.get("version")}
    return sorted({normal(one) for one in requirements} - listed)


def write(python: str, target: Path) -> None:
    """Write the bill of the environment of a Python."""
    target.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", python]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--of", "JSON", "-o", str(target)]
    subprocess.run(command, check=True)


def main(python: str, target: Path) -> int:
    """Write the bill and say what it lists."""
    write(python, target)
    bill = json.loads(target.read_text("utf-8"))
    names = subprocess.run(
        [python, __file__, "needed"], check=True, capture_output=True, text=True
    ).stdout.split()
    lacks = missing(bill, names)
    if lacks:
        print(f"{target} lacks {', '.join(lacks)}.", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{target} lists all {len(names)} packages that cnnviz needs.")  # noqa: T201
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["needed"]:
        print("\n".join(needed(declared(ROOT / "pyproject.toml"))))  # noqa: T201
    else:
        sys.exit(main(sys.argv[1], Path(sys.argv[2])))
