"""The page of a network: its layers in the order in which they are called, and its card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cnnviz.introspection.layers import kind
from cnnviz.introspection.tracing import LayerCall
from cnnviz.introspection.tracing.trace import costs_text
from cnnviz.results.text import dimensions, file_size, layer_said, plural, spelled
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.scan import beside_the_image
from cnnviz_gallery.scan.scan_result import ScanResult
from cnnviz_gallery.site import content, layer_pages
from cnnviz_gallery.site.context import SiteContext
from cnnviz_gallery.site.layer_words import said_between, said_of_scanned


def page(subject: SiteContext) -> content.NetworkPage:
    """Return what the page of a network says."""
    scan = subject.scan
    return content.NetworkPage(
        name=scan.network.name,
        lead=_lead(scan),
        facts=(
            content.Fact("Weights", scan.network.weights),
            content.Fact("Parameters", f"{subject.traced.parameters:,}"),
            content.Fact("MACs", costs_text(subject.traced, spelled)),
            content.Fact("Input", dimensions(scan.network.input_shape)),
            content.Fact("Images", f"{scan.images:,}"),
            content.Fact("SHA-256", scan.network.sha256[:12], scan.network.sha256),
        ),
        notes=(
            f"Each image: {scan.network.preprocessing}.",
            f"Computed on {scan.computed_on}.",
            *_uncalled(subject),
            *(f"{note.rstrip('.')}." for note in scan.notes),
        ),
        skipped=tuple(content.Fact(each.name, each.reason) for each in scan.skipped),
        steps=tuple(_steps(subject)),
        shown=_shown(subject),
        classes=len(subject.class_files),
    )


def _uncalled(subject: SiteContext) -> Iterator[str]:
    """Say which layers have no pages, as the network did not call them, or not for the image."""
    called = {call.name for call in subject.traced.module_calls()}
    names = [
        name
        for name, module in subject.model.module.named_modules()
        if name and name not in called and kind(module) in ("conv", "linear")
    ]
    if names:
        yield (
            "Without pages, since they were not called as layers for the blank image with which "
            f"the layers are found: {_folded(names, ', ')}."
        )
    beside = [
        name
        for name in beside_the_image(subject.model)
        if kind(subject.model.module.get_submodule(name)) in ("conv", "linear")
    ]
    if beside:
        yield f"Without pages, since they do not depend on the image: {_folded(beside, ', ')}."


def _shown(subject: SiteContext) -> str:
    """Say which channels stand for a layer; all layers are of the same images."""
    told = any(contrast.known for contrast in subject.contrasts.values())
    return "most selective" if told else "most active"


def _lead(scan: ScanResult) -> str:
    units = sum(layer.channels for layer in scan.layers)
    return (
        f"{plural(units, 'unit')} in {plural(len(scan.layers), 'layer')}, "
        f"scanned over {scan.data.description}."
    )


def _steps(subject: SiteContext) -> Iterator[content.Step]:
    """Yield the layers that were scanned, and in words what lies between them."""
    scanned = {subject.passages[layer.layer].key: layer for layer in subject.scan.layers}
    largest = max((math.prod(layer.shape[1:]) for layer in subject.scan.layers), default=1)
    between: list[str] = []
    for call in _calls(subject):
        layer = scanned.pop((call.name, call.index), None) if call.operation is None else None
        if layer is None:
            words = said_between(call)
            if words and (not between or between[-1] != words):
                between.append(words)
            continue
        if between:
            yield content.Step(_folded(between))
            between = []
        yield _step(subject, layer, call, largest)
    if between:
        yield content.Step(_folded(between))


def _calls(subject: SiteContext) -> list[LayerCall]:
    keys = {passage.key for passage in subject.passages.values()}
    blocks = [call for call in subject.traced.blocks if (call.name, call.index) in keys]
    return sorted([*subject.traced.calls, *blocks], key=lambda call: call.order)


def _folded(words: list[str], between: str = " · ") -> str:
    if len(words) > 6:
        words = [*words[:3], f"… {len(words) - 5} more …", *words[-2:]]
    return between.join(words)


def _step(subject: SiteContext, layer: LayerResult, call: LayerCall, largest: int) -> content.Step:
    channels, height, width = layer.shape
    field = subject.passages[layer.layer].field
    folder = subject.folders[layer.layer]
    across, down = layer_pages.strip_size(layer)
    # The drawing beside a layer: as wide as its maps, as thick as it has channels.
    side = math.sqrt(height * width / largest)
    return content.Step(
        text=layer.layer,
        kind=said_of_scanned(call),
        href=f"{folder}/index.html",
        shape=f"{channels} x {height} x {width}",
        field=field.describe() if field is not None else "not told",
        channels=channels,
        silent=int(layer.silent.sum()),
        strip=content.Sheet(f"{folder}/strip.webp", across, down),
        alt=f"Patches that excite the {_shown(subject)} channels of {layer_said(layer.layer)}",
        width=round(8.0 + 56.0 * side, 1),
        height=round(4.0 + 3.5 * math.log2(1 + channels), 1),
    )


def card(subject: SiteContext) -> dict[str, Any]:
    """Return what the home page and the search say of a network, as plain data."""
    scan = subject.scan
    layers = scan.layers
    # Past the middle, where units begin to mean something to people.
    chosen = layers[min(len(layers) - 1, (2 * len(layers)) // 3)]
    across, down = layer_pages.strip_size(chosen)
    return {
        "name": scan.network.name,
        "weights_sha256": scan.network.sha256,
        "lead": _lead(scan),
        "strip": [f"{subject.folders[chosen.layer]}/strip.webp", across, down],
        "facts": [
            ["Input", dimensions(scan.network.input_shape)],
            ["Parameters", f"{subject.traced.parameters:,}"],
            *([["Classes", str(len(subject.class_files))]] if subject.class_files else []),
            ["Pictures", file_size(_bytes(subject))],
        ],
        "layers": [[subject.folders[layer.layer], layer.layer, layer.channels] for layer in layers],
        "classes": [
            [file, name] for file, name in zip(subject.class_files, subject.categories, strict=True)
        ],
    }


def _bytes(subject: SiteContext) -> int:
    root = subject.site.root / subject.folder
    return sum(path.stat().st_size for path in root.rglob("*.webp"))
