"""Maps over a photo: how each is computed, and how far it may be believed."""
