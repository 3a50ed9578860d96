"""Which files of a site say inside that cnnviz has made them: no others are ever written over.

Anybody can put a ``gallery.json`` into a folder, and a page of somebody's own be called
``index.html``. A page of somebody's own may also speak of cnnviz, or quote one of its files: the
mark counts where cnnviz puts it, ahead of all that comes from outside or at the very end, and
nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path

from cnnviz.results.given_files import open_given

MARK = "generator: cnnviz"
_COMMENTS = {".css": "/* {} */\n", ".js": "// {}\n", ".svg": "<!-- {} -->\n"}
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- {MARK} --></x:xmpmeta>'.encode()
"""What a picture says of its making."""
GENERATOR = {"generator": "cnnviz"}
"""What plain data says of its making; its last entry."""
_PAGE = b'<!doctype html>\n<html lang="en" data-root="'
_IN_ITS_HEAD, _TITLE = b'<meta name="generator" content="cnnviz ', b"<title>"
_ENDS_JSON = b',\n "generator": "cnnviz"\n}\n'
_ENDS_TEXT = tuple(comment.format(MARK).encode() for comment in _COMMENTS.values())
_LOOKED_AT = 2048
"""Bytes of the beginning and of the end that are read."""


def marked(name: str, text: str) -> str:
    """Return the text of a script, style or drawing with a comment that says who made it."""
    return text + _COMMENTS["." + name.rpartition(".")[2]].format(MARK)


def is_own(path: Path) -> bool:
    """Whether a file says, where cnnviz writes it, that cnnviz has made it."""
    try:
        with open_given(path) as file:
            head = file.read(_LOOKED_AT)
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOOKED_AT))
            return says_so(head, file.read(_LOOKED_AT))
    except OSError:
        return False


def says_so(head: bytes, tail: bytes) -> bool:
    """Whether the beginning and the end of a file are those of one that cnnviz has made."""
    if head.startswith(_PAGE):
        # The title is the first that a network, a class or a file may have named.
        return _IN_ITS_HEAD in head.partition(_TITLE)[0]
    if head.startswith(b"{"):
        return tail.endswith(_ENDS_JSON)
    if head.startswith(b"RIFF"):
        return tail.endswith((XMP, XMP + b"\0"))  # chunks have an even length
    return tail.endswith(_ENDS_TEXT)
