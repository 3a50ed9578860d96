"""What single channels look for: their strongest patches, projections and visualizations."""
