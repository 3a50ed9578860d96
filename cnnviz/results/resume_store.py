"""What a long run has found so far, one file for each part of it, so that it can go on."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import OutputError
from cnnviz.results.files import remove_leftovers, write_atomically
from cnnviz.results.given_files import given_bytes, open_given
from cnnviz.results.json_values import plain, pretty
from cnnviz.results.parsed_again import parsed_again
from cnnviz.results.structured import decoded


class ResumeStore:
    """The parts of one run, in a folder of its own for each choice of settings.

    What runs that were killed were writing is removed when they are gone on with.

    Parameters
    ----------
    folder : Path, optional
        Where the parts are kept; without it they live as long as the object.
    settings : mapping
        Whatever the parts depend on. Another value of any of them has other parts.

    Attributes
    ----------
    key : str
        What tells these settings from all others.
    folder : Path or None
        The folder of these settings, ``settings.json`` in it.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        text = json.dumps(plain(dict(settings), by_name=True), sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder = None if folder is None else folder / self.key
        self._settings = dict(settings)
        self._seen = False
        self._held: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, dict[str, NDArray[Any]]] = {}
        if self.folder is not None:
            remove_leftovers(self.folder)

    def get(self, name: str) -> dict[str, Any] | None:
        """Return a part as plain data, or None where nothing readable was kept."""
        if name not in self._held and self.folder is not None:
            try:
                text = given_bytes(self.folder / f"{name}.json")
                self._held[name] = decoded(text, dict[str, Any])
            except (OSError, ValueError):
                return None
        return self._held.get(name)

    def put(self, name: str, data: Mapping[str, Any]) -> None:
        """Keep a part, whole or not at all; a number that is not finite becomes its name."""
        held: dict[str, Any] = plain(dict(data), by_name=True)
        self._held[name] = held
        if self.folder is not None:
            self._make(self.folder)
            write_atomically(self.folder / f"{name}.json", lambda path: _write(path, held))

    @parsed_again
    def get_arrays(
        self, name: str, only: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]] | None:
        """Return a part that is arrays, all of them or some; None where none readable was kept."""
        try:
            if self.folder is None:
                held = self._arrays[name]
                return {key: held[key] for key in only or held}
            # NumPy leaves a damaged file open that it has opened itself.
            with (
                open_given(self.folder / f"{name}.npz") as stream,
                np.load(stream, allow_pickle=False) as found,
            ):
                return {key: found[key] for key in only or found.files}
        except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile):
            return None

    def put_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep a part that is arrays, whole or not at all; with a folder, on disk alone."""
        if self.folder is None:
            self._arrays[name] = dict(arrays)
            return

        def write(path: Path) -> None:
            named: dict[str, Any] = dict(arrays)
            with path.open("wb") as stream:
                np.savez(stream, **named)

        self._make(self.folder)
        write_atomically(self.folder / f"{name}.npz", write)

    def array_names(self) -> list[str]:
        """Return the names of the parts that are arrays."""
        if self.folder is None:
            return sorted(self._arrays)
        return sorted(path.stem for path in self.folder.glob("[!.]*.npz"))

    def drop_arrays(self, name: str) -> None:
        """Forget a part that is arrays, if there is one."""
        self._arrays.pop(name, None)
        if self.folder is not None:
            (self.folder / f"{name}.npz").unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            if self._seen:
                return
        elif self._seen:  # made anew, it would hold a part of what was found
            raise OutputError(
                f"The folder {str(folder)!r} was removed while the command worked.",
                "Start it again, and leave the folder alone until it has ended.",
            )
        try:
            # Another process may have made it since.
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder {str(folder)!r} cannot be made: {error.strerror or error}.",
                "Name another place.",
            ) from error
        self._seen = True
        write_atomically(folder / "settings.json", lambda path: _write(path, self._settings))


def _write(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(pretty(plain(dict(data), by_name=True)), "utf-8")
