"""How large the letters of a drawn picture are where a page shows it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.text import Text

from cnnviz.reports import Report


def least_letters(report: Report) -> Iterator[tuple[str, float]]:
    """Yield the name of each figure of a report, and its smallest letters.

    These are shares of its width: a picture that is shown w pixels wide has letters of w times
    as many pixels.
    """
    for picture in report.pictures:
        drawn = picture.draw()
        if isinstance(drawn, np.ndarray):
            continue
        drawn.canvas.draw()
        texts = [text for text in drawn.findobj(Text) if _is_seen(text)]
        points = min(float(text.get_fontsize()) for text in texts)
        yield picture.name, points / 72.0 / float(drawn.get_size_inches()[0])


def _is_seen(artist: object) -> bool:
    return isinstance(artist, Text) and artist.get_visible() and bool(artist.get_text().strip())
