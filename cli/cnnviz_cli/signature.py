"""From what a function takes to command-line options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union

import typer
from rich.markup import escape

from cnnviz.bounds import Within
from cnnviz.errors import UsageError
from cnnviz_cli.described import SCALARS, Bounds, Described, Kind
from cnnviz_cli.lazy import MAY_BE_EMPTY

_PLURALS = {"int": "whole numbers", "float": "numbers", "str": "names"}


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


def option_of(parameter: Described) -> OptionSpec:
    """Return the option of a parameter."""
    kinds, optional = parameter.kinds, parameter.optional
    default = inspect.Parameter.empty if parameter.required else parameter.default
    if len(kinds) == 1 and not kinds[0].items:
        kind = _type_of(kinds[0])
        annotation = Union[kind, None] if optional and kind is not bool else kind  # noqa: UP007
        spec = OptionSpec(parameter.name, annotation, default, parameter.help, lambda value: value)
    else:
        spec = OptionSpec(
            parameter.name,
            Union[str, None] if optional else str,  # noqa: UP007
            default,
            parameter.help,
            _converter(parameter.name, kinds),
            several=any(kind.items for kind in kinds),
            may_be_empty=not optional and all(kind.items for kind in kinds),
        )
    return spec if parameter.bounds is None else _within_bounds(spec, parameter.bounds)


def _type_of(kind: Kind) -> Any:
    literal: Any = Literal
    return literal[kind.choices] if kind.choices else SCALARS[kind.scalar]


def _within_bounds(spec: OptionSpec, bounds: Bounds) -> OptionSpec:
    """Return an option that refuses numbers outside the bounds of its parameter, and tells them."""
    within = Within(bounds.low, bounds.high, bounds.above, bounds.below)

    def convert(given: Any) -> Any:
        value = spec.convert(given)
        within.check(spec.flag, value, whole=bounds.whole)
        return value

    kind = "A whole number" if bounds.whole else "A number"
    return replace(spec, help=f"{spec.help} {kind} {within}.".lstrip(), convert=convert)


def _converter(name: str, kinds: Sequence[Kind]) -> Callable[[Any], Any]:
    """Return what reads one text as the first of several types that it fits."""
    given = {kind.scalar for kind in kinds}
    scalars = [kind for named, kind in SCALARS.items() if named in given and kind is not bool]
    choices = [choice for kind in kinds for choice in kind.choices]
    sequences = [(SCALARS[kind.items], kind.length) for kind in kinds if kind.items]

    def convert(text: str | None) -> Any:
        if text is None or text in choices:
            return text
        for kind in scalars:
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

    wanted = " or ".join(
        f"{length or ''} {_PLURALS[item.__name__]}".strip() for item, length in sequences
    )
    remedy = f"Give {wanted} with commas between them." if sequences else ""
    if choices:
        remedy = f"Choose from {', '.join(choices)}."
    return convert
