"""How Sphinx builds the site; `build.py` lays its sources out and calls it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import staging

import cnnviz

project = "cnnviz"
author = "The cnnviz developers"
copyright = "the cnnviz developers"
version = release = cnnviz.__version__
root_doc = "index"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
# What README.md says stands on the first page.
exclude_patterns = ["README.md", "docs/examples/*.ipynb", staging.SCRIPTS]

# Pages
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"

# Docstrings
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

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
html_css_files = ["cnnviz.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
# The excerpts of search results are fetched, which no browser does for pages on the disk.
html_show_search_summary = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "default"
pygments_dark_style = "github-dark"
