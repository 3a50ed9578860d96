"""The laws that every view keeps, for the tests of this package and of those that bring views.

`check_view` holds a view to all of them; `LAWS` is the only list of them. A law is a function of
one `Trial` that asserts, in `cnnviz.testing.laws`, and a line of that table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach

if TYPE_CHECKING:
    from cnnviz.testing.laws import LAWS as LAWS
    from cnnviz.testing.laws import check_view as check_view
    from cnnviz.testing.state import network_state as network_state
    from cnnviz.testing.trial import Trial as Trial
    from cnnviz.testing.trial import small_network as small_network

_HOMES = {
    "LAWS": "cnnviz.testing.laws",
    "Trial": "cnnviz.testing.trial",
    "check_view": "cnnviz.testing.laws",
    "network_state": "cnnviz.testing.state",
    "small_network": "cnnviz.testing.trial",
}
__all__ = ["LAWS", "Trial", "check_view", "network_state", "small_network"]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
