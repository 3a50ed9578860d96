"""The packages that cnnviz stands on: there, new enough, working, and fitting one another."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cnnviz.installation.finding import Finding
from cnnviz.installation.probes import Facts
from cnnviz.installation.remedies import BOTH_AGAIN
from cnnviz.installation.shadowing import imported_instead, remedy_for

PACKAGES = "packages"
# What pip calls a package, what Python calls it, and what it cannot be imported without.
REQUIRED = {
    "numpy": ("numpy", ""),
    "pillow": ("PIL", ""),
    "matplotlib": ("matplotlib", "numpy"),
    "opencv-python": ("cv2", "numpy"),
    "torch": ("torch", ""),
    "torchvision": ("torchvision", "torch"),
    "captum": ("captum", "torch"),
    "scikit-learn": ("sklearn", "numpy"),
    "safetensors": ("safetensors", ""),
    "fpdf2": ("fpdf", ""),
    "jinja2": ("jinja2", ""),
    "msgspec": ("msgspec", ""),
    "rich": ("rich", ""),
    "typer": ("typer", ""),
}
# For what there is more of, where they are installed: none of them has to be.
OPTIONAL = {
    "timm": "networks of timm",
    "transformers": "networks of Hugging Face",
    "pandas": "tables as data frames",
    "tensorboard": "the monitor in TensorBoard",
}
_BUILDS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")


def modules() -> list[str]:
    """Return the modules to probe, those that others need first."""
    return [module for module, _ in REQUIRED.values()]


def package_findings(facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """Tell how Python, cnnviz and every package are."""
    yield _python()
    yield from _cnnviz()
    bounds = _lower_bounds()
    for name, (module, needs) in REQUIRED.items():
        yield _package(name, facts[module], facts.get(needs, {}), bounds.get(name, ""))
    yield from _pair(facts)
    yield from _builds_of_opencv()
    for name, use in OPTIONAL.items():
        held = _version(name)
        told = f"{held}: {use}" if held else f"not installed; it is for {use}"
        yield Finding(PACKAGES, name, "ok", told)


def _python() -> Finding:
    return Finding(PACKAGES, "python", "ok", f"{platform.python_version()}, {sys.executable}")


def _cnnviz() -> Iterator[Finding]:
    """Tell which cnnviz runs, and where another one, or none, is found from this folder."""
    here = Path(__file__).parents[1].resolve()
    yield Finding(PACKAGES, "cnnviz", "ok", f"{_version('cnnviz') or 'not installed'}, {here}")
    home = _editable()
    if home is not None and home != here.parent:
        yield Finding(
            PACKAGES,
            "cnnviz, as installed",
            "note",
            f"pip installed the clone in {home}, and another one runs",
            "Look at PYTHONPATH and at the folder you are in, or run pip install -e . in the clone "
            "that you mean.",
        )
    found = _from_here()
    if found != str(here / "__init__.py"):
        yield Finding(
            PACKAGES,
            "cnnviz, in this folder",
            "broken",
            f"a Python started here imports {found or 'an empty package'} in its place",
            "Start Python in another folder, rename the one named cnnviz, or install again: "
            "pip install -e . in the clone.",
        )


def _from_here() -> str:
    """Return the file of the cnnviz that a Python started in the current folder imports."""
    script = "import cnnviz; print(cnnviz.__file__ or '')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    file = Path(done.stdout.strip())
    # Where it lies: in an environment of links, files lead elsewhere.
    return str(file.parent.resolve() / file.name) if file.name else ""


def _editable() -> Path | None:
    """Return the clone that pip installed to be edited; None where it installed none."""
    try:
        told = json.loads(distribution("cnnviz").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    if not told.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(told["url"]).path)).resolve()


def _package(name: str, facts: Facts, needed: Facts, bound: str) -> Finding:
    held = _version(name)
    if "error" in facts and "error" in needed:
        return Finding(PACKAGES, name, "broken", f"{held}: not without what it needs, see there")
    if "error" in facts:
        missing = facts.get("missing") in (name, REQUIRED[name][0])
        said = " ".join(facts["error"].split())
        told = "not installed" if missing else f"{held}: {said}"
        remedy = remedy_for(name, REQUIRED[name][0], facts["error"], missing=missing)
        return Finding(PACKAGES, name, "broken", told, remedy)
    version = str(facts.get("version") or held)
    other = imported_instead(name, REQUIRED[name][0])
    if other:
        told = f"{version}, and {other!r} is imported in its place"
        return Finding(
            PACKAGES, name, "note", told, "Rename it, or look at PYTHONPATH and this folder."
        )
    if bound and numbers(version) < numbers(bound):
        update = f"Update it: pip install --upgrade {name}."
        return Finding(PACKAGES, name, "note", f"{version}, and cnnviz needs {bound}", update)
    return Finding(PACKAGES, name, "ok", version or "of an unknown version")


def _pair(facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """Tell whether torchvision was made for the torch that is there."""
    if "error" in facts["torch"] or "error" in facts["torchvision"]:
        return
    made_for = re.search(r"torch *\(?== *([\d.]+)", " ".join(_requires("torchvision")))
    torch = str(facts["torch"]["version"])
    if made_for is not None and numbers(made_for[1]) != numbers(torch):
        told = f"torchvision was made for torch {made_for[1]}, and torch is {torch}"
        yield Finding(PACKAGES, "torch and torchvision", "note", told, BOTH_AGAIN)
    else:
        yield Finding(PACKAGES, "torch and torchvision", "ok", "fit together")


def _builds_of_opencv() -> Iterator[Finding]:
    """Tell where several builds of OpenCV lie in one folder and overwrite one another."""
    held = {name: version for name in _BUILDS if (version := _version(name))}
    if len(set(held.values())) > 1:
        told = ", ".join(f"{name} {version}" for name, version in held.items())
        remedy = "Remove all of them, and install one: pip install opencv-python."
        yield Finding(PACKAGES, "builds of OpenCV", "note", f"{told} share a folder", remedy)


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers that can be compared: 2.9.1 of ``2.9.1+cpu``."""
    found = re.match(r"\d+(\.\d+)*", version)
    kept = [int(part) for part in found[0].split(".")] if found else [0]
    while kept[-1:] == [0] and len(kept) > 1:
        kept.pop()
    return tuple(kept)


def _lower_bounds() -> dict[str, str]:
    """Return the oldest version of each package that cnnviz says to need."""
    found = (re.match(r"([\w.-]+) *>= *([\d.]+)", line) for line in _requires("cnnviz"))
    return {match[1]: match[2] for match in found if match is not None}


def _requires(name: str) -> list[str]:
    held = _distribution(name)
    return list(held.requires or ()) if held is not None else []


def _version(name: str) -> str:
    held = _distribution(name)
    return held.version if held is not None else ""


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
