"""What the build of the site would work out anew for every page and docstring, kept instead."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from docutils import nodes
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from numpydoc import docscrape_sphinx
from numpydoc.numpydoc import mangle_signature
from sphinx.application import Sphinx
from sphinx.builders.latex.transforms import FootnoteDocnameUpdater
from sphinx.pycode.parser import Parser
from sphinx.search.en import SearchEnglish
from sphinx.transforms import i18n

_ELSEWHERE = (
    *(i18n.Locale, i18n.TranslationProgressTotaliser, i18n.AddTranslationClasses),
    *(i18n.RemoveTranslatableInline, FootnoteDocnameUpdater),
)
"""What translations and LaTeX need, and is looked for in each page nonetheless."""


class Compiled(BytecodeCache):
    """Compiled templates, kept in memory."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket with what is held of its template, if anything."""
        if bucket.key in self._held:
            bucket.bytecode_from_string(self._held[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what a template was compiled to."""
        self._held[bucket.key] = bucket.bytecode_to_string()


def keep(app: Sphinx) -> None:
    """Leave out what would be done over and over: together a fifth of the build.

    Each word is stemmed once for all pages, where Sphinx remembers the stems of a page; the
    template of docstrings is compiled once, where numpydoc makes one for each; and numpydoc does
    not look into each docstring for a signature, which none of ours has. Where each definition
    begins and ends, which takes longer to find than all else that is read in a file, only pages of
    source code ask, of which there are none. Nodes of a kind, for which each page is searched some
    hundred times, are found without a call for each node on the way.
    """
    nodes.Node._fast_findall = _find_all
    Parser.parse_definition = _leave_out
    app.registry.transforms[:] = [
        each for each in app.registry.transforms if each not in _ELSEWHERE
    ]
    SearchEnglish.stem = functools.cache(SearchEnglish.stem)
    docscrape_sphinx.SandboxedEnvironment = functools.partial(
        docscrape_sphinx.SandboxedEnvironment, bytecode_cache=Compiled()
    )
    for listener in app.events.listeners["autodoc-process-signature"]:
        if listener.handler is mangle_signature:
            app.disconnect(listener.id)


def _leave_out(parser: Parser) -> None:
    parser.definitions = {}


def _find_all(node: nodes.Node, kind: type[nodes.Node]) -> Iterator[nodes.Node]:
    left = [node]
    while left:
        found = left.pop()
        if isinstance(found, kind):
            yield found
        if found.children:
            left.extend(found.children[::-1])
