"""Your own network: any module, any output, and what you want explained.

Nothing is added to the network and nothing is left in it. Here it returns a dictionary, and a
callable says which of its numbers the heatmap explains.
"""

import numpy as np
import torch
from torch import nn

import cnnviz
from cnnviz.models import Model


class TwoHeads(nn.Module):
    """A network with a head for the class and one for the size."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2), nn.ReLU(inplace=True), nn.Conv2d(16, 32, 3), nn.ReLU()
        )
        self.kind = nn.Linear(32, 10)
        self.size = nn.Linear(32, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return both answers."""
        pooled = self.body(images).mean((2, 3))
        return {"logits": self.kind(pooled), "size": self.size(pooled)}


torch.manual_seed(0)
network = TwoHeads()
preprocessing = cnnviz.Preprocessing(resize=64, crop=(64, 64), mean=(0.5,) * 3, std=(0.25,) * 3)
model = Model(network, preprocessing=preprocessing, categories=cnnviz.load().categories)


def size(output: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return one score for each image: here, the size that the network estimates."""
    return output["size"][:, 0]


photo = cnnviz.Shapes()[3].image
before = {name: value.clone() for name, value in network.state_dict().items()}
capture = cnnviz.capture(model, photo, layers=["body.0", "body.2"], target=size)
print(capture)
print("gradient at body.0:", tuple(capture.gradients["body.0"].shape))
cnnviz.cam(capture, ["body.0", "body.2"], relu=False).save("size.png")

after = network.state_dict()
print("unchanged:", all(np.array_equal(before[name], after[name]) for name in before))
print("still training:", network.training)
