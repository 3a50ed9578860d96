"""The drawing of the results that need more than one panel: one file for each view."""
