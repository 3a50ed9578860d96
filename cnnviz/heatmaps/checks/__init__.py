"""How far a heatmap may be believed: one file for each measure, each beside its random maps."""
