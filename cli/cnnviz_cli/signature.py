"""From a function's signature and docstring to command-line options."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from rich.markup import escape

from cnnviz.bounds import bounds_of, resolved
from cnnviz.errors import UsageError
from cnnviz_cli.lazy import MAY_BE_EMPTY

_SCALARS = (bool, int, float, str, Path)
_PLURALS = {int: "whole numbers", float: "numbers", str: "names"}


@dataclass(frozen=True)
class OptionSpec:
    """One option, made from one parameter of a function.

    Attributes
    ----------
    name : str
        The parameter's name.
    annotation : Any
        What typer takes for its type: a scalar, a `Literal`, or either with None.
    default : Any
        The parameter's default; `inspect.Parameter.empty` where it is required.
    help : str
        What its docstring says about it.
    convert : callable
        From what the command line gave to what the function takes.
    several : bool
        Whether the function takes several values, which commas separate.
    may_be_empty : bool
        Whether the function takes nothing but several values, and so none as well.
    """

    name: str
    annotation: Any
    default: Any
    help: str
    convert: Callable[[Any], Any]
    several: bool = False
    may_be_empty: bool = False

    @property
    def _extras(self) -> tuple[Any, ...]:
        return (MAY_BE_EMPTY,) if self.may_be_empty else ()

    @property
    def flag(self) -> str:
        """The option as it is written."""
        return "--" + self.name.replace("_", "-")

    def parameter(self, panel: str) -> inspect.Parameter:
        """Return the option as a parameter that typer understands."""
        flags = [self.flag, f"--no-{self.flag[2:]}"] if self.annotation is bool else [self.flag]
        is_text = self.annotation in (str, Union[str, None])  # noqa: UP007
        option = typer.Option(
            "/".join(flags),
            help=escape(self.help),
            metavar=self.name.upper() if is_text else None,
            rich_help_panel=panel,
            show_default=self.default not in (None, inspect.Parameter.empty),
        )
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=self.default,
            annotation=Annotated[(self.annotation, option, *self._extras)],
        )


def options_of(function: Callable[..., Any], skip: Sequence[str] = ()) -> list[OptionSpec]:
    """Return an option for every parameter of `function` that a command line can give.

    A parameter that only code can give, such as a callable or an array, is left out.

    Raises
    ------
    TypeError
        If a required parameter is one that a command line cannot give.
    """
    described = parameter_descriptions(inspect.getdoc(function) or "")
    specs = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in skip:
            continue
        spec = _option(function, parameter, described.get(name, ""))
        if spec is not None:
            specs.append(_within_bounds(spec, resolved(function, parameter.annotation)))
        elif parameter.default is inspect.Parameter.empty:
            raise TypeError(
                f"{function.__qualname__}: no option can be made for {name!r}, "
                f"which is required and annotated {parameter.annotation!r}"
            )
    return specs


def returned_type(function: Callable[..., Any]) -> Any:
    """Return the type that a function says it returns; None where it says none."""
    return resolved(function, inspect.signature(function).return_annotation)


def parameter_descriptions(docstring: str) -> dict[str, str]:
    """Return what the Parameters section of a numpydoc docstring says about each parameter."""
    section = re.search(
        r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", docstring, re.M | re.S
    )
    found: dict[str, str] = {}
    if section is None:
        return found
    for entry in re.split(r"^(?=\S)", section[1], flags=re.MULTILINE):
        head, _, body = entry.partition("\n")
        text = " ".join(body.split()).replace("``", "`")
        for name in head.partition(":")[0].split(","):
            if name.strip():
                found[name.strip()] = text
    return found


def _option(
    function: Callable[..., Any], parameter: inspect.Parameter, text: str
) -> OptionSpec | None:
    if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
        return None
    members = _members(resolved(function, parameter.annotation))
    optional = type(None) in members
    usable = [member for member in members if _is_scalar(member) or _item(member)]
    if not usable:
        return None
    default = parameter.default
    if len(usable) == 1 and _is_scalar(usable[0]):
        kind = usable[0]
        annotation = Union[kind, None] if optional and kind is not bool else kind  # noqa: UP007
        return OptionSpec(parameter.name, annotation, default, text, lambda value: value)
    convert = _converter(parameter.name, usable)
    if isinstance(default, (list, tuple)):
        default = ",".join(map(str, default))
    elif default is not None and default is not inspect.Parameter.empty:
        default = str(default)
    annotation = Union[str, None] if optional else str  # noqa: UP007
    several = any(_item(member) for member in usable)
    empty = not optional and all(_item(member) for member in usable)
    return OptionSpec(parameter.name, annotation, default, text, convert, several, empty)


def _within_bounds(spec: OptionSpec, annotation: Any) -> OptionSpec:
    """Return an option that refuses numbers outside the bounds of its parameter, and tells them."""
    said = bounds_of(annotation)
    if said is None:
        return spec
    bounds, whole = said

    def convert(given: Any) -> Any:
        value = spec.convert(given)
        bounds.check(spec.flag, value, whole=whole)
        return value

    kind = "A whole number" if whole else "A number"
    told = f"{spec.help} {kind} {bounds}.".lstrip()
    return replace(spec, help=told, convert=convert)


def _members(annotation: Any) -> list[Any]:
    """Return what a union is of; a type annotated with a table is the choice of its names."""
    if get_origin(annotation) is Annotated:
        bare, *extras = get_args(annotation)
        tables = [extra for extra in extras if isinstance(extra, Mapping)]
        return [_choice_of(tuple(tables[0]))] if tables else _members(bare)
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for member in get_args(annotation) for leaf in _members(member)]
    return [annotation]


def _choice_of(names: tuple[str, ...]) -> Any:
    literal: Any = Literal
    return literal[names]


def _is_scalar(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return all(isinstance(choice, str) for choice in get_args(annotation))
    return annotation in _SCALARS


def _item(annotation: Any) -> type | None:
    """Return the one scalar type that a sequence holds, or None for anything else."""
    origin = get_origin(annotation)
    if not (isinstance(origin, type) and issubclass(origin, Sequence)):
        return None
    kinds = {leaf for part in get_args(annotation) if part is not ... for leaf in _members(part)}
    for kind in (str, float, int):
        if kind in kinds:
            return kind
    return None


def _length(annotation: Any) -> int | None:
    """Return how many values a tuple has; None for a sequence of any length."""
    parts = get_args(annotation)
    return len(parts) if get_origin(annotation) is tuple and ... not in parts else None


def _converter(name: str, members: Sequence[Any]) -> Callable[[Any], Any]:
    """Return what reads one text as the first of several types that it fits."""
    scalars = [member for member in members if member in _SCALARS and member is not bool]
    choices = [choice for m in members if get_origin(m) is Literal for choice in get_args(m)]
    sequences = [(item, _length(m)) for m in members if (item := _item(m)) is not None]

    def convert(text: str | None) -> Any:
        if text is None or text in choices:
            return text
        for kind in sorted(scalars, key=_SCALARS.index):
            if kind is str and sequences and "," in text:
                continue
            try:
                return kind(text)
            except ValueError:
                continue
        for item, length in sequences:
            try:
                values = [item(part.strip()) for part in text.split(",") if part.strip()]
            except ValueError:
                continue
            if length in (None, len(values)):
                return values if length is None else tuple(values)
        if str in scalars:  # a text with commas that is no list of numbers, such as "[1, 0]"
            return text
        raise UsageError(f"--{name.replace('_', '-')} cannot be {text!r}.", remedy)

    wanted = " or ".join(f"{length or ''} {_PLURALS[item]}".strip() for item, length in sequences)
    remedy = f"Give {wanted} with commas between them." if sequences else ""
    if choices:
        remedy = f"Choose from {', '.join(choices)}."
    return convert
