"""Views of the whole image refuse a detector before any work; checks outlive one that forgets."""

import numpy as np
import pytest
import torch

import cnnviz
from cnnviz.errors import UsageError
from tests.helpers.detectors import TwoStage, photos
from tests.helpers.each_case import each_case


def _counted(output: str | None) -> tuple[cnnviz.Model, list[int]]:
    network, seen = TwoStage(), []
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    plain = cnnviz.Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    return cnnviz.Model(network, output=output, preprocessing=plain), seen


@each_case("view", [cnnviz.gradient_whiteness, cnnviz.loss_landscape])
@each_case(("output", "passes"), [("boxes", 0), (None, 1)])
def test_a_detector_is_refused_before_any_work(view, output: str | None, passes: int) -> None:
    model, seen = _counted(output)
    with pytest.raises(UsageError, match=f"returns boxes, and {view.__name__} is of scores"):
        view(model, photos(2))
    assert seen == [1] * passes


def test_a_detector_that_forgets_its_classes_is_checked_as_far_as_it_finds_them() -> None:
    model, _ = _counted("boxes")
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    # With weights redrawn no box of the class is found any more, at some of the stages.
    found = cnnviz.faithfulness(model, photo, steps=2, random=2)
    kept = next(one for one in found.measures if one.key == "randomised_correlation")
    assert np.isfinite(kept.mean)
    assert torch.is_grad_enabled()
