"""The pages of a site, written once all their pictures are there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from PIL import Image

from cnnviz.introspection.unit_names import Unit
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.unit_table import unit_table
from cnnviz_gallery.site import addresses, class_pages, layer_pages, network_pages, unit_pages
from cnnviz_gallery.site.class_votes import class_votes, votes_of_json
from cnnviz_gallery.site.content import Card, Fact, Link, Sheet
from cnnviz_gallery.site.context import SiteContext
from cnnviz_gallery.site.image_cache import photos_changed
from cnnviz_gallery.site.own_content import marked
from cnnviz_gallery.site.patches import choose
from cnnviz_gallery.site.render import assets, render
from cnnviz_gallery.site.site_folder import SiteFolder

NETWORK, UNITS = "network.json", "units.json"
Report = Callable[[int, str], None]


def publish(subject: SiteContext, key: str, report: Report) -> None:
    """Write every page of a network, and the pages of the site that lead to it last."""
    for name, text in assets().items():
        subject.site.write(f"assets/{name}", text)
    _write_classes(subject, key, report)
    # All pictures are drawn: the pages that show them are written only if they are of these photos.
    if subject.images.changed():
        _disown(subject)
        raise photos_changed(subject.images.data)
    for place, layer in enumerate(subject.scan.layers):
        _write_layer(subject, place, layer)
    _sweep(subject)
    site, folder = subject.site, subject.folder
    name = subject.scan.network.name
    site.write(
        f"{folder}/index.html",
        render("network", 2, [Link(name, "")], page=network_pages.page(subject)),
    )
    site.write_json(f"{folder}/{UNITS}", unit_table(subject.scan).to_json())
    site.write_json(f"{folder}/{NETWORK}", network_pages.card(subject))
    write_home(site)


def _write_layer(subject: SiteContext, place: int, layer: LayerResult) -> None:
    folder = f"{subject.folder}/{subject.folders[layer.layer]}"
    model = subject.scan.network.name
    above = [Link(model, "../index.html")]
    subject.site.write(
        f"{folder}/index.html",
        render(
            "layer",
            3,
            [*above, Link(layer.layer, "")],
            model=model,
            page=layer_pages.page(subject, place),
        ),
    )
    above.append(Link(layer.layer, "index.html"))
    for channel in range(layer.channels):
        unit = Unit(layer.layer, channel)
        page = unit_pages.page(
            subject, layer, channel, choose(layer, channel), unit_pages.sheet_size(subject, unit)
        )
        crumbs = [*above, Link(str(channel), "")]
        subject.site.write(
            f"{folder}/{channel}.html", render("unit", 3, crumbs, model=model, page=page)
        )


def _write_classes(subject: SiteContext, key: str, report: Report) -> None:
    members = class_pages.members(subject)
    if not members:
        return
    site, folder = subject.site, f"{subject.folder}/{addresses.CLASSES}"
    model = subject.scan.network.name
    above = [Link(model, "../index.html")]
    state = site.read_json(f"{folder}/built.json")
    known: dict[str, Any] = state.get("drawn", {}) if state.get("key") == key else {}
    for index, found in enumerate(members):
        report(index, f"classes of {model}")
        stem = subject.class_files[index].removesuffix(".html")
        entry = known.get(stem)
        if entry is None or not all(site.has(f"{folder}/{name}") for name in entry["files"]):
            known[stem] = entry = _draw_class(subject, folder, stem, index, found)
        beside = class_pages.neighbours(subject, members, index)
        mapped = class_pages.MeanMap(**entry["mapped"])
        votes = votes_of_json(entry["votes"])
        page = class_pages.page(subject, index, found, entry["size"], beside, votes, mapped=mapped)
        crumbs = [*above, Link("classes", "index.html"), Link(page.name, "")]
        site.write(f"{folder}/{stem}.html", render("class", 3, crumbs, model=model, page=page))
    site.write_json(f"{folder}/built.json", {"key": key, "drawn": known})
    site.write(
        f"{folder}/index.html",
        render(
            "classes",
            3,
            [*above, Link("classes", "")],
            model=model,
            page=class_pages.lines(subject, members),
        ),
    )


def _draw_class(
    subject: SiteContext, folder: str, stem: str, index: int, found: class_pages.Members
) -> dict[str, Any]:
    subject.images.load(found.shown)
    files, size = [], None
    votes = class_votes(subject, index, found.called[: class_pages.CALLED].tolist())
    drawn = class_pages.draw(subject, found, votes)
    if drawn is not None:
        subject.site.write(f"{folder}/{stem}.webp", drawn)
        files.append(f"{stem}.webp")
        with Image.open(io.BytesIO(drawn)) as image:
            size = [image.height, image.width]
    mapped, drawn_map = class_pages.MeanMap(""), class_pages.mean_map(subject, found)
    if drawn_map is not None:
        pixels, mapped = drawn_map
        subject.site.write(f"{folder}/{stem}-map.webp", pixels)
        files.append(f"{stem}-map.webp")
    return {"files": files, "size": size, "mapped": asdict(mapped), "votes": votes.to_json()}


def _disown(subject: SiteContext) -> None:
    """Forget that pictures are drawn, some of which are of photos that have changed."""
    for each in (*subject.folders.values(), addresses.CLASSES):
        subject.site.remove(f"{subject.folder}/{each}/built.json")


def _sweep(subject: SiteContext) -> None:
    """Remove what is of layers and channels that are no more, and pictures of other weights.

    Never what else somebody has put there.
    """
    site, folder = subject.site, subject.folder
    used = {*subject.folders.values()}
    for each in site.folders(folder):
        if (
            each not in used
            and each != addresses.CLASSES
            and site.has(f"{folder}/{each}/built.json")
        ):
            for name in site.files(f"{folder}/{each}"):
                if layer_pages.OWN.fullmatch(name):
                    site.remove(f"{folder}/{each}/{name}")
            site.remove_empty(f"{folder}/{each}")
    for layer in subject.scan.layers:
        inside = f"{folder}/{subject.folders[layer.layer]}"
        pictures = {f"{channel}-fv" for channel in subject.visualized[layer.layer]}
        for name in site.files(inside):
            stem = name.partition(".")[0]
            channel = stem.removesuffix("-fv")
            gone = stem != channel and stem not in pictures
            if (
                layer_pages.OWN.fullmatch(name)
                and channel.isdigit()
                and (gone or int(channel) >= layer.channels)
            ):
                site.remove(f"{inside}/{name}")


def write_home(site: SiteFolder) -> None:
    """Write the home page and the search index from what is known of every network in a site."""
    # Of two commands that end at once the later one is to see the network of the other.
    with site.alone("assets"):
        _write_home(site)


def _write_home(site: SiteFolder) -> None:
    known = [
        (folder, found)
        for folder in site.folders(addresses.MODELS)
        if (found := site.read_json(f"{addresses.MODELS}/{folder}/{NETWORK}"))
    ]
    index = [
        {"folder": folder, **{part: found[part] for part in ("name", "layers", "classes")}}
        for folder, found in known
    ]
    # Names are data: none may look like the end of a script.
    plain = json.dumps(index, separators=(",", ":")).replace("<", "\\u003c")
    script = f"window.cnnvizGallery = {plain};\n"
    site.write("assets/search.js", marked("search.js", script))
    cards = [
        Card(
            name=found["name"],
            href=f"{addresses.MODELS}/{folder}/index.html",
            lead=found["lead"],
            strip=Sheet(f"{addresses.MODELS}/{folder}/{found['strip'][0]}", *found["strip"][1:]),
            facts=tuple(Fact(*fact) for fact in found["facts"]),
        )
        for folder, found in known
    ]
    site.write("index.html", render("home", 0, [], cards=cards))
