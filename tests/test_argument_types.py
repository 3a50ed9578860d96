"""Arguments of a wrong type are refused in a sentence that says what to give."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch

import cnnviz
from cnnviz import datasets, evaluation, models
from cnnviz.argument_types import check_type
from cnnviz.bounds import CHECKED, Within
from cnnviz.errors import UsageError
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.results.progress import Progress, silent
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case

FITTING: list[tuple[Any, Any]] = [
    (bool, np.True_),
    (int, np.int64(3)),
    (int, torch.tensor(3)),
    (float, 3),
    (float, np.float32(0.5)),
    (bool, True),
    (bool, np.True_),
    (str | None, None),
    (str | Path, Path("a")),
    (Sequence[str], "one"),
    (Sequence[str], ("one", "two")),
    (Sequence[str], np.array(["one"])),
    (Sequence[int], range(3)),
    (Sequence[float], np.zeros(2)),
    (tuple[int, ...], [1, 2]),
    (tuple[float, float], (1, 2.0)),
    (Mapping[str, int], {"a": 1}),
    (Literal["a", "b"], "c"),  # Which of the texts is right is said where they are known.
    (Callable[[int], int], abs),
    (Progress, silent),
    (np.ndarray, [[1.0]]),
    (torch.Tensor, np.zeros(2)),
    (str | torch.nn.Module, torch.nn.ReLU()),
    (Any, object()),
]
WRONG: list[tuple[Any, Any, str]] = [
    (int, "3", "it cannot be '3'. Give a whole number."),
    (int, 1.5, "it cannot be 1.5. Give a whole number."),
    (int, True, "it cannot be True. Give a whole number."),
    (
        Annotated[int | None, Within(1, 3)],
        [1],
        "it cannot be a list of 1. Give a whole number or None",
    ),
    (float, "0.5", "Give a number."),
    (bool, "yes", "Give True or False."),
    (str, b"a", "it cannot be an object of type bytes. Give a text."),
    (str | Heatmap, None, "it cannot be None. Give a text or a Heatmap."),
    (Sequence[str], 3, "Give a list of texts."),
    (Sequence[str], ["a", 1], "it cannot be a list of 2. Give a list of texts."),
    (Sequence[str], np.zeros(2), "it cannot be an object of type ndarray. Give a list of texts."),
    (Sequence[str | Path], b"a", "Give a list of texts or of paths."),
    (Mapping[str, int], [1], "Give a list"),
    (Literal["a"], 3, "Give a text."),
    (Callable[[int], int], 3, "Give a function."),
    (Progress, None, "it cannot be None. Give a function."),
    (torch.nn.Module, 3, "Give a Module."),
    (np.ndarray | None, "a", "Give an array or None."),
]


@each_case(("annotation", "value"), FITTING)
def test_what_fits_is_taken(annotation: Any, value: Any) -> None:
    check_type("it", annotation, value)


@each_case(("annotation", "value", "said"), WRONG)
def test_what_does_not_fit_is_a_sentence(annotation: Any, value: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        check_type("it", annotation, value)
    assert said in str(error.value)


def test_every_public_function_checks_its_arguments() -> None:
    places = (cnnviz, evaluation, datasets, models)
    functions = [getattr(place, name) for place in places for name in place.__all__]
    unchecked = {
        one.__name__
        for one in functions
        if inspect.isfunction(one)
        and not hasattr(one, CHECKED)
        and inspect.signature(one).parameters
    }
    # What these take is said by the sentences of what they call.
    assert unchecked == {"as_model", "nothing_left", "stream"}


@each_case("heatmap", [3, None, np.zeros((4, 4)), torch.zeros(1, 1, 4, 4)])
def test_a_heatmap_of_another_type_is_refused_before_the_network_runs(heatmap: object) -> None:
    network = tiny_network()
    network.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    with pytest.raises(UsageError, match=r"heatmap cannot be .*Give a Heatmap or a text"):
        cnnviz.faithfulness(network, torch.rand(1, 3, 16, 16), heatmap)  # type: ignore[arg-type]


def test_what_comes_first_is_told_before_what_moved_with_it() -> None:
    network, images = tiny_network(), torch.rand(1, 3, 16, 16)
    with pytest.raises(UsageError, match="cam takes a capture first, and was given a network"):
        cnnviz.cam(network, images)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="layer cannot be an object of type Tensor"):
        cnnviz.cam(cnnviz.capture(network, images), images)  # type: ignore[arg-type]


def test_a_call_that_does_not_fit_is_refused_by_the_name_of_its_function() -> None:
    with pytest.raises(TypeError, match=r"^load\(\) got an unexpected keyword argument 'modl'"):
        cnnviz.load(modl="shapes")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^cam\(\) missing 1 required positional argument"):
        cnnviz.cam()  # type: ignore[call-arg]
