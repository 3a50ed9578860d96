"""What a file is called that is written without --out: after the photo or the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def photo_name(image: Any) -> str:
    """Return what a photo is called: that of a path or of an image with a name."""
    return str(getattr(image, "name", None) or Path(str(image)).name)


def file_stem(photos: list[str], model: str) -> str:
    """Return the start of a file name: the first photo, and how many more there are."""
    subject = photos[0] if photos else model
    bare = Path(subject).stem if photos else subject
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in bare).strip(".-") or "result"
    more = f"-and-{len(photos) - 1}-more" if len(photos) > 1 else ""
    while "--" in kept:
        kept = kept.replace("--", "-")
    return kept[:80] + more
