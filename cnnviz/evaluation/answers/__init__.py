"""Labelled images answered once: what labels mean, what was counted, and mistakes explained."""
