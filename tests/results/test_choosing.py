"""Names are chosen as people write them, and what is unknown is told with what is near."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cnnviz.course.losses import table as losses
from cnnviz.course.optimizers import OTHER_NAMES
from cnnviz.course.optimizers import table as optimizers
from cnnviz.errors import UsageError, nearest
from cnnviz.introspection.activation_functions import table as activations
from cnnviz.results.choosing import all_by_name, by_name
from tests.helpers.each_case import each_case

KNOWN = {"leaky_relu": 1.0, "relu": 2.0, "tanh": 3.0}


@each_case("name", ["leaky_relu", "Leaky-ReLU", " leaky relu "])
def test_case_hyphens_and_spaces_do_not_matter(name: str) -> None:
    assert by_name(name, KNOWN, "function") == 1.0


def test_another_name_stands_for_one_that_is_known() -> None:
    assert by_name("Rectified linear", KNOWN, "function", {"rectified_linear": "relu"}) == 2.0
    assert by_name("gradient descent", optimizers(), "optimizer", OTHER_NAMES).name == "gd"


def test_a_name_that_is_not_known_has_its_nearest_or_all() -> None:
    with pytest.raises(UsageError, match=r"no activation function 'sigmod'.*'sigmoid'"):
        by_name("sigmod", activations(), "activation function")
    with pytest.raises(UsageError, match=r"no loss 'hing'.*Did you mean 'hinge'"):
        by_name("hing", losses(), "loss")
    with pytest.raises(UsageError, match=r"no optimizer 'adm'.*Did you mean 'adam'"):
        by_name("adm", optimizers(), "optimizer", OTHER_NAMES)
    with pytest.raises(UsageError, match="Choose from leaky_relu, relu, tanh"):
        by_name("xyz", KNOWN, "function")


def test_two_letters_in_the_midst_of_a_word_are_no_name_that_was_meant() -> None:
    assert nearest("or", ["Last Resort High-Efficiency"]) == []
    assert nearest("hi", ["Last Resort High-Efficiency"]) == ["Last Resort High-Efficiency"]
    assert nearest("fc", ["net.first.fc", "net_fc_2"]) == ["net.first.fc", "net_fc_2"]
    assert nearest("sor", ["Last Resort High-Efficiency"]) == ["Last Resort High-Efficiency"]


@each_case(
    ("names", "wanted"),
    [
        (None, (1.0, 2.0, 3.0)),
        ("tanh, ReLU", (3.0, 2.0)),
        (["tanh", "relu,tanh"], (3.0, 2.0)),
        (("relu",), (2.0,)),
    ],
)
def test_several_are_taken_once_each_in_the_order_asked(
    names: str | Sequence[str] | None, wanted: tuple[float, ...]
) -> None:
    assert all_by_name(names, KNOWN, "function") == wanted


@each_case("names", ["", " , ", []])
def test_naming_none_is_refused(names: str | Sequence[str]) -> None:
    with pytest.raises(UsageError, match="No function was named"):
        all_by_name(names, KNOWN, "function")
