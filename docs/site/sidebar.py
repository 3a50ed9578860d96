"""The sidebar, made once for all pages of a folder, which differ only in the entry that is marked.

Made anew for each page, as by Sphinx and furo, it takes two fifths of the whole build.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import sphinx
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment.adapters.toctree import global_toctree_for_doc

_TAG = re.compile(r"<(/?)(ul|li|a|input)\b([^>]*)>")


class Sidebar:
    """What furo is given of a page for its sidebar, and the mark on what it has made of that."""

    def __init__(self, app: Sphinx) -> None:
        self._app = app
        self._trees: dict[str, str] = {}
        # Furo itself comes at 500.
        app.connect("html-page-context", self._give, priority=400)
        app.connect("html-page-context", self._mark, priority=600)

    def _give(self, _: Sphinx, page: str, __: str, context: dict[str, Any], ___: object) -> None:
        beside = _beside(page)

        def tree(**how: Any) -> str:
            if beside not in self._trees:
                self._trees[beside] = self._unmarked(beside, **how)
            return self._trees[beside]

        context["toctree"] = tree

    def _unmarked(self, beside: str, **how: Any) -> str:
        builder = self._app.builder
        assert isinstance(builder, StandaloneHTMLBuilder)
        if sphinx.version_info >= (9,):  # Before, it asks the builder itself.
            how["tags"] = builder.tags
        found = global_toctree_for_doc(builder.env, beside, builder, **how)
        return builder.render_partial(found)["fragment"]

    def _mark(self, _: Sphinx, page: str, __: str, context: dict[str, Any], ___: object) -> None:
        link = self._app.builder.get_relative_uri(_beside(page), page)
        made = "furo_navigation_tree"
        context[made] = marked(context[made], link)


def _beside(page: str) -> str:
    """Return a page that is not there, from which every link leads as from this one."""
    return str(PurePosixPath(page).with_name("-"))


def marked(tree: str, link: str) -> str:
    """Mark the entries of a sidebar that have a link, which is that of the page itself.

    Marked are also the lists and entries that they lie in, whose switches are on.
    """
    tags = list(_TAG.finditer(tree))
    around: list[int] = []
    current = set[int]()
    for number, tag in enumerate(tags):
        if tag[2] in ("ul", "li"):
            around = around[:-1] if tag[1] else [*around, number]
        elif tag[2] == "a" and f'href="{link}"' in tag[3]:
            # Behind its link an entry that holds others has a switch.
            switches = [at + 3 for at in around if tags[at + 3][2] == "input"]
            current.update((*around, number, *switches))
    entries = [number for number in current if tags[number][2] == "li"]
    pieces, end = [], 0
    for number in sorted(current):
        tag = tags[number]
        pieces += [tree[end : tag.start()], _current(tag, is_page=number == max(entries))]
        end = tag.end()
    return "".join([*pieces, tree[end:]])


def _current(tag: re.Match[str], *, is_page: bool) -> str:
    kind, text = tag[2], tag[0]
    if kind == "ul":
        return '<ul class="current">'
    if kind == "a":
        return '<a class="current reference internal" href="#">'
    if kind == "input":
        return text.replace(' class="', ' checked="" class="')
    found = re.sub(r"(toctree-l\d+)", r"\1 current", text)
    return found.replace('">', ' current-page">') if is_page else found
