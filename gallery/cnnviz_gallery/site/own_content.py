"""Which files of a site say inside that cnnviz has made them: no others are ever written over.

Anybody can put a ``gallery.json`` into a folder, and a page of somebody's own be called
``index.html``.
"""

from __future__ import annotations

MARK = "generator: cnnviz"
_IN_A_PAGE = b'<meta name="generator" content="cnnviz '
_IN_JSON = b'"generator": "cnnviz"'
_COMMENTS = {".css": "/* {} */\n", ".js": "// {}\n", ".svg": "<!-- {} -->\n"}
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- {MARK} --></x:xmpmeta>'.encode()
"""What a picture says of its making."""
GENERATOR = {"generator": "cnnviz"}
"""What plain data says of its making."""


def marked(name: str, text: str) -> str:
    """Return the text of a script, style or drawing with a comment that says who made it."""
    return text + _COMMENTS["." + name.rpartition(".")[2]].format(MARK)


def says_so(data: bytes) -> bool:
    """Whether the content of a file says that cnnviz has made it."""
    return any(mark in data for mark in (MARK.encode(), _IN_A_PAGE, _IN_JSON))
