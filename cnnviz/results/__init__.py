"""What every result is: typed arrays with their provenance, drawn, kept and put into words."""
