"""Pictures of a gallery's pages, compressed once: half of the time of a build of a tiny network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from unittest import mock

from PIL import Image

from cnnviz_gallery.site import sprites


@contextmanager
def compressed_once() -> Iterator[None]:
    """Keep what each picture was compressed to, for every later build of the same pages."""
    compress, kept = sprites._written, dict[Any, bytes]()

    def written(image: Image.Image, kind: str, **options: Any) -> bytes:
        content = sha256(image.tobytes()).digest()
        key = image.mode, image.size, content, kind, *sorted(options.items())
        if key not in kept:
            kept[key] = compress(image, kind, **options)
        return kept[key]

    with mock.patch.object(sprites, "_written", written):
        yield
