"""Views compute the same where the caller has set a default device, such as a GPU.

It is "meta" here: what is made on it by mistake holds no numbers, and no GPU is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.datasets import open_dataset
from cnnviz.images import Preprocessing
from cnnviz.testing import small_network
from cnnviz.testing.trial import images
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.site.build import build
from tests.helpers.brief_views import brief, brief_result, numbered

NAMES = (
    "receptive_field",
    "top_activations",
    "attribute",
    "occlusion",
    "explanations",
    "feature_visualization",
    "gradient_flow",
    "gradient_whiteness",
    "loss_landscape",
    "losses",
)
"""Views that make tensors of their own, each of another part."""


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_view_makes_itself_does_not_lie_there(name: str) -> None:
    network, shown = numbered(), images()
    with default_device("meta"):
        found = brief(name, network, shown).arrays()
        assert torch.get_default_device().type == "meta"
    # Not to the last bit: no fast copy runs where a default device is set.
    for key, array in brief_result(name).arrays().items():
        if array.dtype.kind in "fc":
            size = np.abs(array[np.isfinite(array)]).max(initial=0.0)
            np.testing.assert_allclose(found[key], array, atol=1e-5 * size, err_msg=key)
        else:
            assert np.array_equal(found[key], array), key


def test_a_gallery_is_made(tmp_path: Path) -> None:
    as_shown = Preprocessing(16, (16, 16), (0.5,) * 3, (0.5,) * 3)
    model, data = cnnviz.Model(small_network(), preprocessing=as_shown), open_dataset("shapes", 3)
    found = []
    for device in ("meta", "cpu"):
        with default_device(device):
            seen = scan(model, data, "3")
            if device == "meta":
                build(seen, model, data, tmp_path / "site")
        found.append(seen.table().to_csv())
    assert found[0] == found[1]


def test_in_a_block_of_the_caller_it_is_the_same() -> None:
    network, shown = small_network(), images()
    with torch.device("meta"):
        found = cnnviz.attribute(network, shown, "smoothgrad", 0, steps=3)
        assert torch.empty(0).device.type == "meta"
    again = cnnviz.attribute(network, shown, "smoothgrad", 0, steps=3)
    np.testing.assert_allclose(found.maps[0], again.maps[0], atol=1e-5 * np.abs(again.maps).max())


def test_code_of_others_runs_as_the_caller_has_set() -> None:
    seen = []

    class Makes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.empty(0).device.type)
            return self.conv(x).mean((2, 3))

    def target(output: torch.Tensor) -> torch.Tensor:
        seen.append(torch.empty(0).device.type)
        return output[:, 0]

    network, shown = Makes(), images()
    with default_device("meta"):
        cnnviz.attribute(network, shown, "integrated_gradients", target, steps=2)
        cnnviz.occlusion(network, shown, 8, 8, target=0)
    assert set(seen) == {"meta"}


def test_a_training_is_watched() -> None:
    network, inputs, labels = small_network().train(), images(), torch.zeros(1).long()
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    with default_device("meta"), cnnviz.GradientMonitor(network, optimizer, every=1) as monitor:
        for _ in range(2):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(inputs), labels)
            loss.backward()
            optimizer.step()
            monitor.log(loss=loss)
    assert len(monitor.records) == 2
    assert all(np.isfinite(record.loss) for record in monitor.records)
