"""One file per view: one public function, one result type. `table` is the only list of them.

Views of other packages join through entry points; see `cnnviz.views.plugins`.
"""

from __future__ import annotations

from cnnviz.views._view import View
from cnnviz.views.table import VIEWS

__all__ = ["VIEWS", "View", "find"]


def find(name: str) -> View:
    """Return the view of this name, of this table or of another package that is installed.

    Raises
    ------
    KeyError
        There is none.
    InstallationError
        Another package brings one that cannot be used.
    """
    for view in VIEWS:
        if view.name == name:
            return view
    # Whoever asks for a view of ours need not wait until the installed packages are searched.
    from cnnviz.views.plugins import find_plugin

    return find_plugin(name).view
