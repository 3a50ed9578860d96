import json

import pytest

from cnnviz.models import load


def test_models_lists_the_shipped_networks_by_source(run):
    said = run("models")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("shipped (")
    assert "  shapes-plain" in lines
    assert "  resnet50" in lines


def test_models_can_be_narrowed_and_printed_as_json(run):
    found = json.loads(run("models", "SHAPES", "--json").out)
    assert set(found["shipped"]) == {"shapes-plain", "shapes-residual"}
    assert found["torchvision"] == []


def test_a_text_in_no_name_gets_the_nearest_names(run):
    said = run("models", "resnet5O")
    assert said.code == 2
    assert "'resnet50'" in said.err


def test_layers_are_those_of_the_module_with_kind_and_parameters(run):
    rows = json.loads(run("layers", "--model", "shapes-plain", "--json").out)
    module = load("shapes-plain", "random").module
    assert [row["name"] for row in rows] == [name for name, _ in module.named_modules() if name]
    for row in rows:
        expected = sum(p.numel() for p in module.get_submodule(row["name"]).parameters())
        assert row["parameters"] == expected
    assert {"conv", "activation"} <= {row["kind"] for row in rows}


@pytest.mark.parametrize("selection", ["conv", "features.*"])
def test_layers_can_be_selected_as_other_commands_do(run, selection):
    from cnnviz.introspection.layers import select

    rows = json.loads(run("layers", selection, "--json").out)
    assert [row["name"] for row in rows] == list(select(load("shapes", "random").module, selection))


def test_layers_are_printed_as_a_table_with_the_kinds_below(run):
    said = run("layers", "conv")
    assert "Conv2d" in said.out
    assert "Kinds that can be selected: conv, linear" in said.err


def test_an_unknown_layer_gets_the_nearest_names(run):
    said = run("layers", "featuers.0")
    assert said.code == 2
    assert "Did you mean" in said.error_lines[1]


def test_layers_and_the_blocks_of_them_are_counted_apart(run):
    said = run("layers", "--model", "shapes-plain")
    assert "shapes-plain: 14 layers and 1 block of them." in said.err
    said = run("layers", "conv", "--model", "shapes-plain")
    assert "shapes-plain: 5 layers. Kinds" in said.err


def test_layers_take_what_other_commands_take_to_load_a_network(run, tmp_path):
    from cnnviz_cli.network_options import NETWORK_AND_WEIGHTS

    names = [f"c{place}" for place in range(10)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    said = run("layers", "conv", "--categories", "names.txt", "--mean", "0", "--output", "classes")
    assert said.code == 0, said.err
    (tmp_path / "names.txt").write_text("\n".join(names[:9]))
    assert run("layers", "--categories", "names.txt").code == 2
    told = run("layers", "--help").out
    assert all(f"--{one.name.replace('_', '-')}" in told for one in NETWORK_AND_WEIGHTS)
