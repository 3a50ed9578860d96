"""A tiny gallery, and scans of it that are slow, killed or shared out."""
