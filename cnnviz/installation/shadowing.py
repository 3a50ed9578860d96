"""Files that Python imports in place of a package that pip installed: a torch.py of one's own."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from cnnviz.installation.remedies import for_package


def imported_instead(package: str, module: str) -> str:
    """Return the file that is imported in place of an installed package; "" where none is.

    Parameters
    ----------
    package : str
        What pip calls it. Of one that pip does not know, or that is installed to be edited, there
        is no saying.
    module : str
        What Python calls it.
    """
    try:
        held = distribution(package)
        spec = find_spec(module)
    except (PackageNotFoundError, ImportError, ValueError):
        return ""
    if spec is None or spec.origin is None or _is_edited(held.read_text("direct_url.json")):
        return ""
    # Where it lies, not where its files may lead: uv, Spack and Nix fill environments with links.
    found, home = Path(spec.origin), Path(str(held.locate_file(""))).resolve()
    folder = (found.parent.parent if spec.submodule_search_locations else found.parent).resolve()
    return "" if home in (folder, *folder.parents) else str(found.resolve())


def remedy_for(package: str, module: str, error: str, *, missing: bool = False) -> str:
    """Say what to do about a package that fails, which may be another than the one installed."""
    file = "" if missing else imported_instead(package, module)
    if file:
        return (
            f"{file!r} is imported in place of the {package} that is installed: rename it, start "
            "in another folder, or look at PYTHONPATH."
        )
    return for_package(package, error, missing=missing)


def _is_edited(direct_url: str | None) -> bool:
    try:
        told = json.loads(direct_url or "{}")
    except ValueError:
        return False
    return bool(told.get("dir_info", {}).get("editable"))
