"""Everything of a network, and of the random states, that a call could change and must not."""

from cnnviz.testing.state import network_state as state
from cnnviz.testing.state import random_states as rng

__all__ = ["rng", "state"]
