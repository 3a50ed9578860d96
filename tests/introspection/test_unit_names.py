"""Units are read as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnviz.errors import LayerError, UsageError
from cnnviz.introspection.unit_names import Unit, check_channels, read_channels, read_units
from tests.helpers.each_case import each_case


def test_channels_are_read_from_text_and_numbers():
    assert read_channels("3,7, 10-12") == (3, 7, 10, 11, 12)
    assert read_channels(4) == (4,)
    assert read_channels([5, 5, 2]) == (5, 2)


def test_units_of_one_layer_share_a_text():
    assert read_units("features.3:1,4-5") == (
        Unit("features.3", 1),
        Unit("features.3", 4),
        Unit("features.3", 5),
    )
    assert read_units([Unit("a", 0), "a:0", "conv#1:2"]) == (Unit("a", 0), Unit("conv#1", 2))


@given(st.text("abc.#12", min_size=1), st.integers(0, 9999))
def test_a_unit_is_read_back_from_its_own_text(layer, channel):
    assert read_units(str(Unit(layer, channel))) == (Unit(layer, channel),)


@each_case("text", ["features.3", ":3", "features.3:", ""])
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(UsageError, match="is no unit"):
        read_units(text)


@each_case(("text", "said"), [("a", "neither"), ("5-2", "is empty"), ("1,,2", "neither")])
def test_what_is_no_channel_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_channels(text)


def test_a_channel_counts_from_zero():
    with pytest.raises(UsageError, match="no channel -1"):
        read_channels([-1])


def test_a_channel_that_the_layer_lacks_is_named():
    check_channels([0, 7], 8, "conv")
    with pytest.raises(LayerError, match="'conv' has no channel 8"):
        check_channels([0, 8], 8, "conv")
