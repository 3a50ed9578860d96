"""Whether the gradient arrives: measured at every layer, judged, and what would mend it."""
