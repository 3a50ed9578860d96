"""Passes through a network: what is captured, what is explained, and how much runs at once."""
