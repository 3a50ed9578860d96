"""The gallery: a static site with a page for every unit of a network."""
