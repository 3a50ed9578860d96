"""The static site: a page for every unit, layer, class and network of a scan."""
