"""The one place that imports torchvision, and says so when it does not fit torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from cnnviz.errors import InstallationError
from cnnviz.installation.remedies import ASK_THE_DOCTOR, BOTH_AGAIN, MISMATCH

_COMPILER = "torch._dynamo.utils"


def import_torchvision(module: str = "torchvision") -> Any:
    """Import torchvision, or one of its modules, and return it.

    Parameters
    ----------
    module : str
        ``torchvision``, or a module in it such as ``torchvision.models``.

    Raises
    ------
    InstallationError
        torchvision was built for another torch (its operators are missing), or is not installed.
    """
    try:
        with _compiler_later():
            return import_module(module)
    except RuntimeError as error:
        if MISMATCH not in str(error):
            raise
        raise InstallationError(
            f"The installed torch {_version('torch')} and torchvision {_version('torchvision')} do "
            "not fit together: one comes from another package index than the other, or they are of "
            "different releases.",
            f"{BOTH_AGAIN} {ASK_THE_DOCTOR}",
        ) from error
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise InstallationError(
            "torchvision is not installed.",
            f"Install it: pip install torchvision. {ASK_THE_DOCTOR}",
        ) from error


@contextmanager
def _compiler_later() -> Iterator[None]:
    """Keep the import of torchvision from importing torch's compiler, which takes half its time.

    torchvision takes one function from there, for regions that are pooled on a GPU.
    """
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = _Later(_COMPILER)
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        stand_in.step_aside()


class _Later(ModuleType):
    """Stands for a module of the compiler, which is imported when it is used."""

    def __getattr__(self, name: str) -> Any:
        # Whoever walks through all modules asks each of them for its file.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._itself(), name)

    def is_compile_supported(self, device_type: str) -> Any:
        """Answer as the function of this name in the module does."""
        return self._itself().is_compile_supported(device_type)

    def step_aside(self) -> None:
        """Let the next import find the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]

    def _itself(self) -> Any:
        self.step_aside()
        return import_module(self.__name__)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(unknown version)"
