"""What there is: the networks that can be loaded, and the layers of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from cnnviz_cli import network_options, output_options
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import print_json, print_names, print_table, say, working

LAYERS = "List the layers of a network, by the names that other commands take."
_NOT_READ = "Names do not depend on the weights, so none are read unless --weights says so."
Selection = Annotated[
    str,
    typer.Argument(
        metavar="SELECTION",
        help="List only these: a kind such as conv, a pattern such as 'layer3.*', a name.",
    ),
]


def models(
    contains: Annotated[
        str, typer.Argument(metavar="TEXT", help="List only names that contain this.")
    ] = "",
    as_json: output_options.AsJson = False,
) -> None:
    """List the networks that can be loaded by name."""
    from cnnviz.errors import UsageError, did_you_mean
    from cnnviz.models import available

    everything = available()
    needle = contains.lower()
    found = {
        source: [name for name in names if needle in name.lower()]
        for source, names in everything.items()
    }
    if not any(found.values()):
        known = [name for names in everything.values() for name in names]
        raise UsageError(
            f"No network's name contains {contains!r}.",
            did_you_mean(contains, known, "Run `cnnviz models` to see them all."),
        )
    if as_json:
        print_json(found)
        return
    for source, names in found.items():
        if names:
            typer.echo(f"{source} ({len(names)})")
            print_names(names)


def build_layers() -> Callable[..., Any]:
    """Return the command, which takes what others take to load a network, so that it can follow."""
    own = {"weights": "random", "device": "cpu"}
    network = [
        one.replace(default=own.get(one.name, one.default))
        for one in network_options.NETWORK_AND_WEIGHTS
    ]
    parameters = [
        shared("selection", Selection, ""),
        *network,
        shared("as_json", output_options.AsJson, False),
        shared("quiet", output_options.Quiet, False),
    ]
    return with_signature(_layers, parameters, f"{LAYERS}\n\n{_NOT_READ}")


def _layers(values: dict[str, Any]) -> None:
    from cnnviz.introspection.layers import KINDS, kind, nameable_layers
    from cnnviz.passes.chosen_layers import choose

    selection = values["selection"]
    with working(values["quiet"]) as now:
        now("Loading the network")
        loaded = network_options.model_of(values)
    chosen = choose(loaded, selection) if selection else nameable_layers(loaded.module)
    rows = [
        (name, kind(layer), type(layer).__name__, sum(p.numel() for p in layer.parameters()))
        for name, layer in chosen.items()
    ]
    if values["as_json"]:
        keys = ("name", "kind", "type", "parameters")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    shown = [(name, sort, made_of, f"{count:,}") for name, sort, made_of, count in rows]
    print_table(["layer", "kind", "type", "parameters"], shown)
    say(f"{loaded.name}: {_counted(list(chosen))}. Kinds that can be selected: {', '.join(KINDS)}.")


def _counted(names: list[str]) -> str:
    """Say how many of the names are layers, and how many blocks of them."""
    from cnnviz.results.text import plural

    blocks = sum(any(other.startswith(f"{name}.") for other in names) for name in names)
    layers = plural(len(names) - blocks, "layer")
    return f"{layers} and {plural(blocks, 'block')} of them" if blocks else layers
