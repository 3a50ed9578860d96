"""A network that calls a fault of its own whenever it runs, as the text of a file."""

FAULTY = """
import torch
from cnnviz import Preprocessing

class Net(torch.nn.Module):
    def __init__(self, fault):
        super().__init__()
        grey = (0.5, 0.5, 0.5)
        self.preprocessing = Preprocessing(mean=grey, std=grey, resize=32, crop=(32, 32))
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.fault = fault

    def forward(self, x):
        self.fault()
        return self.conv(x).mean((2, 3))
"""
"""`Net(fault)`, with what it needs imported."""
