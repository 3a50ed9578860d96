"""A training run, recorded while it goes on: what is measured, told, written down and drawn."""
