"""Where networks that have a name come from. This table is the only list of it.

A source is a file in this folder with two functions, and a line here:

``load_named(name, weights) -> Model | None``
    The network of that name, or None where the name is none of this source. `weights` is
    ``DEFAULT``, ``random``, the name of published weights, or the path of a checkpoint.
``names() -> list[str]``
    The names to list and to suggest; empty where they cannot be told beforehand.

`load`, `available`, the names that an error suggests and the help of ``--model`` follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnviz.models.model import Model


@dataclass(frozen=True)
class ModelSource:
    """One line of the table.

    Attributes
    ----------
    key : str
        What `available` calls it.
    file : str
        The file in this folder with its two functions.
    form : str
        How its names are written, for help; empty where `cnnviz models` lists each of them.
    aliases : mapping of str to str
        Other words for some of its names.
    package : str
        The package without which it is not there, where cnnviz can do without; finding the names
        means importing it, so they are listed only where it is installed, and never suggested.
    """

    key: str
    file: str
    form: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    package: str = ""

    def load(self, name: str, weights: str | Path) -> Model | None:
        """Return the network of this name, or None where it is none of this source."""
        found: Model | None = import_module(f"cnnviz.models.{self.file}").load_named(
            self.aliases.get(name.lower(), name), weights
        )
        return found

    def names(self) -> list[str]:
        """Return the names to list; none where its package is not installed."""
        if self.package and find_spec(self.package) is None:
            return []
        found: list[str] = import_module(f"cnnviz.models.{self.file}").names()
        return found

    def suggestions(self) -> list[str]:
        """Return the names that an error may suggest."""
        return [] if self.package else [*self.aliases, *self.names()]


# In the order in which they are asked; to ask one for a name it may import what it is made of, so
# whoever can tell a name by its form comes before the large packages.
SOURCES: tuple[ModelSource, ...] = (
    ModelSource("shipped", "shipped", aliases={"shapes": "shapes-plain"}),
    ModelSource("depth", "depth_models"),
    ModelSource("papers", "paper_models"),
    ModelSource("file", "files", form="FILE.py:FACTORY"),
    ModelSource("exported", "exported_programs", form="FILE.pt2"),
    ModelSource("hugging face", "huggingface_models", form="hf:NAME"),
    ModelSource("torchvision", "torchvision_models"),
    ModelSource("timm", "timm_models", form="timm:NAME", package="timm"),
)


def forms() -> str:
    """Say how the names are written that `cnnviz models` does not list one by one."""
    return " or ".join(source.form for source in SOURCES if source.form)
