"""A source of networks is one file and one line: everything else follows from the table."""

import subprocess
import sys
import types

import pytest
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.models import Model, available, load, sources
from cnnviz.models.sources import SOURCES, ModelSource
from tests.helpers.each_case import each_case


def load_named(name, weights):
    if not name.startswith("zoo:"):
        return None
    known = {"zoo:tiger": 2, "zoo:lion": 3}
    return Model(nn.Sequential(nn.Conv2d(3, known[name], 3)), name=name, weights=str(weights))


@pytest.fixture
def zoo(monkeypatch):
    """Add a source that cnnviz has never heard of, as a line of the table and no more."""
    module = types.ModuleType("cnnviz.models.zoo")
    module.load_named, module.names = load_named, lambda: ["zoo:tiger", "zoo:lion"]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    added = ModelSource("zoo", "zoo", form="zoo:ANIMAL", aliases={"cat": "zoo:tiger"})
    # `load` and the listing hold the same tuple by name.
    for holder in ("cnnviz.models.sources", "cnnviz.models.loading"):
        monkeypatch.setattr(f"{holder}.SOURCES", (*SOURCES[:4], added, *SOURCES[4:]))


def test_a_new_source_is_loaded_listed_and_suggested(zoo):
    assert load("zoo:lion", "random", device="cpu").weights == "random"
    assert load("Cat", device="cpu").name == "zoo:tiger"
    assert available()["zoo"] == ["zoo:tiger", "zoo:lion"]
    with pytest.raises(ModelError, match="Did you mean 'zoo:tiger'"):
        load("zootiger")
    with pytest.raises(
        ModelError,
        match=r"or name FILE\.py:FACTORY or zoo:ANIMAL or FILE\.pt2 or hf:NAME or timm:NAME",
    ):
        load("qqqqqq")


@each_case("source", SOURCES, ids=lambda source: source.key)
def test_every_source_says_no_to_the_name_of_another(source):
    assert source.load("no-network-at-all", "random") is None
    assert all(load(alias, "random").name == name for alias, name in source.aliases.items())


def test_a_source_whose_package_is_missing_lists_and_suggests_nothing():
    absent = ModelSource("absent", "absent_models", package="a_package_that_is_not_there")
    assert (absent.names(), absent.suggestions()) == ([], [])


def test_the_help_of_the_option_follows_and_costs_no_torch():
    code = (
        "import sys; from cnnviz.models import sources; from cnnviz_cli import network_options; "
        "assert sources.forms() in network_options.ModelName.__metadata__[0].help; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert sources.forms() == "FILE.py:FACTORY or FILE.pt2 or hf:NAME or timm:NAME"
