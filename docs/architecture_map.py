"""Draw the map of the packages from their imports: `docs/images/architecture.svg`.

    python docs/architecture_map.py [FILE]

Every package is a box with the first line of its docstring. It stands as low as its imports allow,
and its arrows go to the packages that it imports. An arrow is left out where others lead to the
same package by way of a third.
"""

from __future__ import annotations

import ast
import html
import sys
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import grimp
import networkx as nx

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images" / "architecture.svg"
SOURCES = {"cnnviz": ROOT, "cnnviz_cli": ROOT / "cli", "cnnviz_gallery": ROOT / "gallery"}
# Where a box stands in its row, in widths of a box from the middle, so that no arrow crosses one.
# A package that is not named here stands at the right end.
COLUMNS = {
    "cnnviz_cli": 0.0,
    "cnnviz_gallery": 1.0,
    "evaluation": -1.0,
    "reports": 0.0,
    "views": 0.0,
    "heatmaps": -1.0,
    "units": 0.0,
    "gradients": 1.0,
    "passes": 0.0,
    "models": 0.0,
    "datasets": -1.0,
    "images": -1.0,
    "introspection": 0.0,
    "results": 1.0,
    "pages": 2.0,
    "bounds": 0.0,
    "_lazy": -1.0,
    "errors": 0.0,
}
WIDTH, HEIGHT, GAP, BETWEEN = 268.0, 76.0, 36.0, 22.0
MARGIN, LINE, LETTERS = 30.0, 14.5, 39
STYLE = """
  .page { fill: #fbfbfa } .box { fill: #ffffff; stroke: #b9bec6 } .arrow { stroke: #7d8590 }
  .tip { fill: #7d8590 } .name { fill: #14293d } .line { fill: #4a5360 }
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .name { font-size: 14px; font-weight: 600 } .line { font-size: 11.5px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #15181c } .box { fill: #1f242a; stroke: #4a525c } .arrow { stroke: #8d96a1 }
    .tip { fill: #8d96a1 } .name { fill: #e6edf3 } .line { fill: #b3bbc5 }
  }
"""


@dataclass(frozen=True)
class Box:
    """A package on the map: its middle at the top, in pixels."""

    name: str
    x: float
    y: float


def package_of(module: str) -> str:
    """Return the package on the map that a module belongs to."""
    root, *inside = module.split(".")
    return inside[0] if root == "cnnviz" and inside else root


def imports() -> nx.DiGraph:
    """Return which package imports which when it runs; the file that only hands names on is out."""
    graph = grimp.build_graph(*SOURCES, exclude_type_checking_imports=True, cache_dir=None)
    found = nx.DiGraph()
    for module in sorted(graph.modules - {"cnnviz"}):
        for other in sorted(graph.find_modules_directly_imported_by(module) - {"cnnviz"}):
            if package_of(module) != package_of(other):
                found.add_edge(package_of(module), package_of(other))
    return found


def purpose(package: str) -> str:
    """Return the first line of a package's docstring."""
    root = package if package in SOURCES else "cnnviz"
    path = SOURCES[root] / root
    if package != root:
        path /= package
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0].replace("`", "")


def placed(packages: nx.DiGraph) -> dict[str, Box]:
    """Return a box for every package, none below one that it imports."""
    rows = list(nx.topological_generations(packages.reverse()))[::-1]
    side = MARGIN + WIDTH / 2 + max(map(abs, COLUMNS.values())) * (WIDTH + BETWEEN)
    found = {}
    for height, row in enumerate(rows):
        end = max((COLUMNS.get(name, -1.0) for name in row), default=-1.0)
        for name in sorted(row):
            if name not in COLUMNS:
                end += 1.0
            column = COLUMNS.get(name, end)
            found[name] = Box(
                name, side + column * (WIDTH + BETWEEN), MARGIN + height * (HEIGHT + GAP)
            )
    return found


def drawn_box(box: Box) -> Iterator[str]:
    """Yield the elements of a package."""
    yield (
        f'<rect class="box" x="{box.x - WIDTH / 2:.1f}" y="{box.y:.1f}" width="{WIDTH:.1f}" '
        f'height="{HEIGHT:.1f}" rx="6"/>'
    )
    left = box.x - WIDTH / 2 + 12.0
    yield f'<text class="name" x="{left:.1f}" y="{box.y + 20.0:.1f}">{box.name}</text>'
    for number, line in enumerate(textwrap.wrap(purpose(box.name), LETTERS)):
        y = box.y + 37.0 + number * LINE
        yield f'<text class="line" x="{left:.1f}" y="{y:.1f}">{html.escape(line)}</text>'


def drawn_arrow(start: Box, end: Box, boxes: Collection[Box]) -> str:
    """Return the arrow from a package to one that it imports, round what stands between them."""
    lean = max(-0.35, min(0.35, (end.x - start.x) / (3.0 * WIDTH))) * WIDTH
    line = f"M {start.x + lean:.1f} {start.y + HEIGHT:.1f} L {end.x - lean:.1f} {end.y - 7.0:.1f}"
    if any(_stands_between(box, start, end) for box in boxes):
        left, bow = start.x - WIDTH / 2, MARGIN - 4.0
        above, below = start.y + HEIGHT - 18.0, end.y + 18.0
        line = (
            f"M {left:.1f} {above:.1f} C {left - bow:.1f} {above:.1f} "
            f"{left - bow:.1f} {below:.1f} {left - 7.0:.1f} {below:.1f}"
        )
    return f'<path class="arrow" marker-end="url(#tip)" d="{line}"/>'


def _stands_between(box: Box, start: Box, end: Box) -> bool:
    return start.x == box.x == end.x and start.y < box.y < end.y


def svg() -> str:
    """Return the map as SVG, its text as text."""
    packages = imports()
    boxes = placed(packages)
    arrows = sorted(nx.transitive_reduction(packages).edges)
    told = (
        f"{len(packages)} packages and {packages.number_of_edges()} pairs of which one imports the "
        f"other: drawn are the {len(arrows)} that do not follow from the rest. All go down."
    )
    wide = MARGIN + max(box.x for box in boxes.values()) + WIDTH / 2
    high = MARGIN + max(box.y for box in boxes.values()) + HEIGHT + 24.0
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" '
        f'width="{wide:.0f}" height="{high:.0f}" role="img" aria-labelledby="title told">',
        '<title id="title">The packages of cnnviz, and what each imports</title>',
        f"<style>{STYLE}</style>",
        '<marker id="tip" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tip" d="M 0 0 L 8 4 L 0 8 z"/></marker>',
        f'<rect class="page" width="{wide:.0f}" height="{high:.0f}"/>',
        '<g fill="none" stroke-width="1.3">',
        *(drawn_arrow(boxes[name], boxes[other], boxes.values()) for name, other in arrows),
        "</g>",
        *(element for name in sorted(boxes) for element in drawn_box(boxes[name])),
        f'<text id="told" class="line" x="{MARGIN:.1f}" y="{high - 16.0:.1f}">{told}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(svg(), "utf-8")
