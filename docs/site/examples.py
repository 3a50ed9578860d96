"""What sphinx-gallery asks for the examples: their order, and the pictures that they save."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import staging
from pictures import write_webp
from sphinx_gallery.scrapers import figure_rst


def reading_order(filename: str) -> int:
    """Return the place of an example among the others."""
    return staging.EXAMPLES.index(Path(filename).stem)


def saved_pictures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Show the pictures that a block has saved into its folder, which they leave.

    Those that other pages show, too, are put in their place among the pictures of these.
    """
    script = Path(block_vars["src_file"])
    shown = []
    for made in sorted(script.parent.glob("*.png"), key=lambda path: path.stat().st_mtime_ns):
        if staging.PICTURES.get(made.stem) == script.stem:
            write_webp(made, Path(gallery_conf["src_dir"]) / f"docs/images/{made.stem}.webp")
        path = Path(next(block_vars["image_path_iterator"]))
        shutil.move(made, path)
        shown.append(str(path))
    titles = ", ".join(Path(path).stem for path in shown)
    return figure_rst(shown, gallery_conf["src_dir"], titles) if shown else ""
