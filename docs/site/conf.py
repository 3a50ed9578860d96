"""How Sphinx builds the site; `build.py` lays its sources out and calls it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import kept
import sidebar
import staging
from sphinx.application import Sphinx

import cnnviz
from cnnviz.results.result import Result

project = "cnnviz"
author = "The cnnviz developers"
copyright = "the cnnviz developers"
version = release = cnnviz.__version__
root_doc = "index"
highlight_language = "none"
# Options have two hyphens, and names of methods straight quotation marks, as one types them.
smartquotes = False
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
# What README.md says stands on the first page.
exclude_patterns = ["README.md", "docs/examples/*.ipynb", staging.SCRIPTS]

# Pages
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# `build.py` turns it on, unless it is to be quick.
nb_execution_mode = "off"
# Beside the pages, which are a copy: what notebooks write is kept for the site.
nb_execution_in_temp = False
nb_execution_raise_on_error = True
nb_execution_timeout = 1200

# Docstrings
default_role = "py:obj"
numpydoc_show_class_members = False
# Words of a type would lead to whatever attribute has such a name.
numpydoc_xref_param_type = False
autodoc_member_order = "bysource"
# The types stand in the docstrings, with their shapes and units.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
autosummary_generate = False
maximum_signature_line_length = 88
toc_object_entries = False

# Examples
sphinx_gallery_conf = {
    "examples_dirs": [staging.SCRIPTS],
    "gallery_dirs": ["docs/examples"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "examples.reading_order",
    "image_scrapers": ("examples.saved_pictures",),
    "reset_modules": (),
    "capture_repr": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
}

# Look: nothing comes from another host, and the search works from the disk
html_theme = "furo"
html_title = "cnnviz"
html_static_path = ["static"]
templates_path = ["templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/built.html",
        "sidebar/scroll-end.html",
    ]
}
html_css_files = ["cnnviz.css"]
html_js_files = [("cnnviz.js", {"defer": "defer"})]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
# The excerpts of search results are fetched, which no browser does for pages on the disk.
html_show_search_summary = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "default"
pygments_dark_style = "github-dark"


def setup(app: Sphinx) -> None:
    """Have results described without the constructor that nobody calls; see `sidebar`."""
    kept.keep(app)
    sidebar.Sidebar(app)
    app.connect("autodoc-process-signature", without_constructor_of_results)


def without_constructor_of_results(
    app: Sphinx, what: str, name: str, value: object, *rest: object
) -> tuple[str, str] | None:
    """Return an empty signature for a class that callers only ever get."""
    result = what == "class" and isinstance(value, type) and issubclass(value, Result)
    return ("", "") if result else None
