"""A bare `nn.Module` looked into: its layers, hooks, function calls and receptive fields."""
