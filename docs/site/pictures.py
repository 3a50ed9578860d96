"""Pictures as the pages of the repository and of the site show them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def write_webp(picture: Path, target: Path, widest: int | None = None) -> None:
    """Write a picture as WebP, of at most so many pixels in width."""
    with Image.open(picture) as opened:
        shown = opened.convert("RGB")
        if widest is not None:
            shown.thumbnail((widest, opened.height))
        shown.save(target, quality=88, method=6)
