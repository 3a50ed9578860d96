"""A command for every line of the table of views, made from the view's own signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from cnnviz.results.progress import Progress
from cnnviz.views import VIEWS, View
from cnnviz_cli import junit_option, network_options, output_options, photo_options
from cnnviz_cli.chosen_data import check_data
from cnnviz_cli.chosen_photos import FoundPhotos, find_photos, read_named
from cnnviz_cli.described import Described, described, returned_type
from cnnviz_cli.file_stem import file_stem, photo_name
from cnnviz_cli.kept_help import kept
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.several_processes import done_together
from cnnviz_cli.signature import OptionSpec, option_of
from cnnviz_cli.tables import below_table, table_of, text_of
from cnnviz_cli.terminal import (
    end_on_failure,
    note,
    one_line,
    print_result,
    print_table,
    progress_bar,
    say,
)
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.results.picture_style import PictureStyle

VIEW = "View"
# What the command line itself gives to a view, where the table says that it takes it.
_GIVEN = ("model", "capture", "images", "data", "target", "progress", "announce")
# What a view without --out names its file after.
_SUBJECTS = {"photos": "PHOTO-", "data": "DATA-", "none": "MODEL-"}
_SHARED = (
    "photo",
    "photos",
    "data",
    *(parameter.name for parameter in network_options.NETWORK_AND_WEIGHTS),
    "target",
    "box",
    "out",
    *(parameter.name for parameter in output_options.PICTURE),
    "junit",
    "json",
    "quiet",
)


class ViewHelp(msgspec.Struct, frozen=True):
    """What a command says of its view.

    Attributes
    ----------
    text : str
        What stands above the options.
    suffixes : tuple of str
        What the result can be saved as.
    parameters : tuple of Described
        What the options are made of.
    """

    text: str
    suffixes: tuple[str, ...]
    parameters: tuple[Described, ...]


def said_of(view: View) -> ViewHelp:
    """Import a view and return what its command says of it."""
    from cnnviz.results.result import Result

    function = view.function()
    first = (inspect.getdoc(function) or "").partition("\n\n")[0]
    made = returned_type(function)
    made = made if isinstance(made, type) and issubclass(made, Result) else Result
    # Of a view of a network, `image` may be one of several: an option like others.
    skip = (*_GIVEN, "image") if view.needs == "photo" else _GIVEN
    return ViewHelp(
        f"{view.summary}\n\n{first}" if first and first != view.summary else view.summary,
        tuple(made.suffixes),
        described(function, skip),
    )


def build(view: View) -> Callable[..., Any]:
    """Return the command of a view, which imports the view once it runs."""
    find = partial(said_of, view)
    # A view of another package is asked itself, whatever it is called.
    said = kept(view.command, view.home, ViewHelp, find) if view in VIEWS else find()
    specs = [option_of(parameter) for parameter in said.parameters]
    clash = {spec.name for spec in specs} & set(_SHARED)
    if clash:
        raise TypeError(f"{view.name}: {sorted(clash)} are options of every command")

    def run(values: dict[str, Any]) -> None:
        _run(view, specs, said.suffixes, values)

    return with_signature(run, _parameters(view, specs, said.suffixes), escape(said.text))


def _parameters(
    view: View, specs: list[OptionSpec], suffixes: Sequence[str]
) -> list[inspect.Parameter]:
    """Return the options that a line of the table stands for."""
    subject = "" if view.needs == "nothing" else _SUBJECTS[view.images]
    named = f"{subject}{view.command}.png"
    *kinds, last = suffixes
    out = Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help=f"The file to write: {', '.join(kinds)} or {last}; {named} without it.",
            rich_help_panel=output_options.OUTPUT,
        ),
    ]
    found = []
    if view.needs == "photo":
        found = [photo_options.PHOTO]
    elif view.images == "photos":
        found = list(photo_options.PHOTOS)
        # A view of somebody else may have an option of that name, which then is the view's.
        own = {spec.name for spec in specs}
        found = [parameter for parameter in found if parameter.name not in own]
    if view.images == "data":
        found = [
            shared("photos", photo_options.Members, None),
            shared("data", photo_options.Data, None),
        ]
    found += [_option(view, spec) for spec in specs]
    if view.target:
        found.append(shared("target", network_options.Target, None))
        found.append(shared("box", network_options.Box, None))
    if view.network:
        found += network_options.NETWORK_LOOKED_INTO
    elif view.needs in ("model", "capture"):
        found += network_options.NETWORK_AND_WEIGHTS
    return [
        *found,
        shared("out", out, None),
        *output_options.PICTURE,
        *([junit_option.JUNIT] if _has_checks(specs) else ()),
        shared("json", output_options.AsJson, False),
        shared("quiet", output_options.Quiet, False),
    ]


def _has_checks(specs: list[OptionSpec]) -> bool:
    """Whether a view takes what to fail on, and so has test cases to write."""
    return any(spec.name == "fail_on" for spec in specs)


def _option(view: View, spec: OptionSpec) -> inspect.Parameter:
    """Return the option of a parameter; of a long run that of every command with such runs."""
    shared_option = photo_options.LONG_RUN.get(spec.name) if view.shared else None
    return shared_option or spec.parameter(VIEW)


def _run(
    view: View, specs: list[OptionSpec], suffixes: Sequence[str], values: dict[str, Any]
) -> None:
    from cnnviz.images.paths import expand
    from cnnviz.results.files import check_can_write_in

    keywords = {spec.name: spec.convert(values[spec.name]) for spec in specs}
    with done_together() if view.shared else nullcontext(True) as tells:
        if values["out"] is not None:
            values["out"] = expand(values["out"])
            _check_out(values["out"], values, suffixes)
        elif not values["json"]:
            check_can_write_in(Path())
        style = output_options.picture_style(values)
        if values["out"] is not None:
            style.check(values["out"])
        tests = junit_option.checked_place(
            values.get("junit"), values["out"], asked=bool(values.get("fail_on"))
        )
        if view.target:
            target = network_options.explained(values["target"], values["box"])
            if view.needs != "capture":
                keywords["target"] = target
        with progress_bar(values["quiet"]) as progress:
            result, stem = _found(view, specs, values, keywords, progress)
            progress(0, 1, "writing")
            written: Sequence[Path] = ()
            if tells:
                written = _write(result, values["out"], stem, view, style, as_json=values["json"])
        for remark in result.remarks():
            note(remark)
        if tests is not None and tells:
            junit_option.write(tests, view.command, result)
        _show(result, written, as_json=values["json"])
        end_on_failure(result)


def _found(
    view: View,
    specs: list[OptionSpec],
    values: dict[str, Any],
    keywords: dict[str, Any],
    progress: Progress,
) -> tuple[Any, str]:
    """Return the result of a view, and the start of its file's name."""
    if view.progress:
        keywords["progress"] = progress
    if view.announce and not values["quiet"]:
        keywords["announce"] = say
    if view.needs == "nothing":
        progress(0, 1, "computing")
        return view.function()(**keywords), ""
    if view.needs == "photo":
        return _of_photo(view, values, keywords, progress)
    return _of_network(view, specs, values, keywords, progress)


def _check_out(out: Path, values: dict[str, Any], suffixes: Sequence[str]) -> None:
    """Say before any work what would otherwise be found out after it; spare what is read."""
    from cnnviz.errors import OutputError
    from cnnviz.images.paths import expand
    from cnnviz.results.files import check_before_work
    from cnnviz.results.suffixes import check_suffix

    check_suffix(out, suffixes)
    check_before_work(out)
    options = ("data", "model", "weights", "compare_weights", "categories")
    named = [values.get(name) for name in options]
    read = [*(values.get("photos") or ()), *filter(None, [values.get("photo"), *named])]
    if out.exists() and any(_is_same(out, expand(name)) for name in read):
        raise OutputError(
            f"{str(out)!r} is read by this command and would be overwritten.",
            "Name another file with --out.",
        )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # the name of a network, or no file at all
        return False


def _of_photo(
    view: View,
    values: dict[str, Any],
    keywords: dict[str, Any],
    progress: Progress,
) -> tuple[Any, str]:
    """Return the result of a view of one photo, and the start of its file's name."""
    from cnnviz.course.written import is_typed
    from cnnviz.images import sample_photo

    photo: Any = values["photo"]
    typed = bool(photo) and is_typed(photo)
    if photo and not typed:
        photo = read_named(photo)
    if view.network and values["model"] is not None:
        progress(0, 1, "loading the network")
        keywords["model"] = network_options.model_of(values)
    progress(0, 1, "computing")
    image = photo or sample_photo()
    return view.function()(image, **keywords), file_stem(
        ["matrix" if typed else photo_name(image)], ""
    )


def _of_network(
    view: View,
    specs: list[OptionSpec],
    values: dict[str, Any],
    keywords: dict[str, Any],
    progress: Progress,
) -> tuple[Any, str]:
    """Return the result of a view of a network, and the start of its file's name."""
    progress(0, 1, "loading the network")
    if view.compare:
        _first_of_compared(values, keywords)
    # What is wrong with them is said before the network is loaded, which may take long.
    named = _named_photos(view, specs, values, keywords)
    guesses = Guesses(prepared=view.prepares or bool(named.names))
    model = guesses.of(network_options.model_of(values))
    if view.progress:
        keywords["progress"] = guesses.at_first_step(progress)
    from cnnviz.models.spaces import check_takes_images

    check_takes_images(model, view.name)
    images: list[Any] = []
    if view.images == "photos" and (named.names or not view.own_input):
        images = photo_options.inputs_of(named, model)
    progress(0, 1, "computing")
    subject: Any = model
    names = [photo_name(image) for image in images]
    if view.images == "photos" and view.needs == "model":
        keywords["images"] = images or None
    if view.images == "data":
        keywords["data"] = data = photo_options.data_or_shapes(
            values["photos"], values["data"], model
        )
        names = [photo_name(one) for one in ([data] if isinstance(data, str) else data)]
    if view.needs == "capture":
        subject = _captured(view, model, images, keywords, values)
        _spell_out(view, specs, keywords, list(subject.activations))
        names = [photo.name for photo in subject.batch.photos]
    result = view.function()(subject, **keywords)
    guesses.tell()
    return result, file_stem(names, model.name)


def _named_photos(
    view: View, specs: list[OptionSpec], values: dict[str, Any], keywords: dict[str, Any]
) -> FoundPhotos:
    if view.images == "data":
        check_data(values["photos"], values["data"], keywords.get("count"))
    if view.images != "photos":
        return find_photos((), None, None)
    own = {spec.name for spec in specs}
    chosen = [None if name in own else values[name] for name in ("data", "count", "workers")]
    return find_photos(values["photos"] or (), *chosen).read()


def _first_of_compared(values: dict[str, Any], keywords: dict[str, Any]) -> None:
    """Let the first of several networks to compare be the one to look at, where none is named."""
    compared = keywords["compare"]
    if not compared or values["model"] != network_options.DEFAULT_MODEL:
        return
    names = compared.split(",") if isinstance(compared, str) else list(compared)
    if len(names) < 2:  # it is set beside the network that is there by default
        return
    values["model"] = names[0].strip()
    keywords["compare"] = names[1:] or None


def _captured(
    view: View, model: Any, images: list[Any], keywords: dict[str, Any], values: dict[str, Any]
) -> Any:
    from cnnviz.introspection.layers import named_layers, split, without_call
    from cnnviz.models import as_model
    from cnnviz.passes.captures import capture

    chosen = keywords[view.layers_from] if view.layers_from else None
    chosen = chosen or view.layers
    known = named_layers(as_model(model).module)
    # "name#1" is the second call of a layer; the layer is captured whole.
    names = [without_call(name, known) for name in split(chosen, known)]
    layers = names[0] if isinstance(chosen, str) and len(names) == 1 else names
    target = network_options.explained(values.get("target"), values.get("box"))
    return capture(model, images, layers=layers, target=target, gradients=view.gradients)


def _spell_out(
    view: View, specs: list[OptionSpec], keywords: dict[str, Any], held: list[str]
) -> None:
    """Replace a pattern or a kind by the layers it chose, for a view that takes several."""
    for spec in specs:
        given = keywords[spec.name]
        if spec.name == view.layers_from and spec.several and given:
            names = [given] if isinstance(given, str) else given
            # A call that there is not ("features.0#5") is the view's to refuse.
            if any(name not in held for name in names) and "#" not in "".join(names):
                keywords[spec.name] = held


def _write(
    result: Any, out: Path | None, stem: str, view: View, style: PictureStyle, *, as_json: bool
) -> Sequence[Path]:
    """Write a result, and return its files, of which a picture of many photos has several."""
    if out is None and as_json:
        return ()
    default = "-".join(part for part in (stem, view.command) if part)
    return output_options.write_styled(result, out or Path(f"{default}.png"), style)


def _show(result: Any, written: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        print_result(result, written[0] if written else None)
        return
    table, text = table_of(result), text_of(result)
    if table is not None:
        print_table(*table, caption=below_table(result))
    elif text is not None:
        typer.echo(text)
    # What is read as text begins with its summary, or has it on a line of its own.
    if text is None or result.summary() not in text.splitlines():
        say(one_line(result.summary()))
    for path in written:
        typer.echo(path)
