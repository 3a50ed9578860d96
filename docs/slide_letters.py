"""Measure how many pixels the smallest letters of each slide of a lecture take.

    python docs/slide_letters.py LECTURE

reads the SVG of every slide in the folder that `cnnviz lecture --out LECTURE` wrote, whose letters
are text, and prints the smallest size on each: pixels of a slide of 1920 x 1080.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

_SVG = "{http://www.w3.org/2000/svg}"
_SIZE = re.compile(r"font:[^;]*?([\d.]+)px|font-size:\s*([\d.]+)px")
_SCALE = re.compile(r"scale\(([-\d.]+)")
_TEXTS = (f"{_SVG}text", f"{_SVG}tspan")


def letters(path: Path) -> list[float]:
    """Return the sizes of all texts of the picture on a slide, in pixels of the slide."""
    root = ET.parse(path).getroot()
    inner = root.find(f"{_SVG}svg")
    if inner is None:
        raise SystemExit(f"{path} is no slide of a lecture.")
    _, _, wide, high = map(float, inner.get("viewBox", "").split())
    scale = min(float(inner.get("width", "")) / wide, float(inner.get("height", "")) / high)
    return [scale * size for size in _sizes(inner, 1.0, 0.0)]


def _sizes(node: ET.Element, scale: float, size: float) -> list[float]:
    """Return the size of each text below a node, which sizes and scales above it apply to."""
    found = _SIZE.search(node.get("style", ""))
    if found:
        size = float(found[1] or found[2])
    for factor in _SCALE.findall(node.get("transform", "")):
        scale *= abs(float(factor))
    own = [scale * size] if (node.text or "").strip() and node.tag in _TEXTS else []
    return own + [each for child in node for each in _sizes(child, scale, size)]


def main() -> None:
    """Print the least letters of each slide, the smallest first."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    slides = sorted(Path(sys.argv[1], "slides").glob("*.svg"))
    least = sorted((min(letters(path)), path.stem) for path in slides)
    for size, name in least:
        print(f"{size:5.1f}  {name}")
    print(f"{sum(size >= 15.0 for size, _ in least)} of {len(least)} have 15 pixels or more,")
    print(f"{sum(size >= 10.0 for size, _ in least)} of {len(least)} have 10 pixels or more")


if __name__ == "__main__":
    main()
