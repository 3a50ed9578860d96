"""A private copy of a network that computes the same faster.

The owner's code runs, on modules that are copies: they share the owner's memory, and some of them
have another `forward`. A batch norm in eval mode is folded into the layer before it, where nothing
else reads what that layer gives, and convolutions run on weights that were packed once for this
machine. What is assumed of a network is checked on it, see `FastCopy.check`.
"""

from cnnviz.introspection.fast_copy.checked_copy import Checked, FastCopy, UnsoundFoldError
from cnnviz.introspection.fast_copy.linearity import is_linear
from cnnviz.introspection.fast_copy.shared_copy import NoFastCopyError

__all__ = ["Checked", "FastCopy", "NoFastCopyError", "UnsoundFoldError", "is_linear"]
