"""Bring a file of weights into torch's cache: with a deadline, quietly, and whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import re
import shutil
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from cnnviz.errors import ModelError

PATIENCE = 10.0
"""Seconds that a server has to answer, and then to send each next piece."""

_PIECE = 1 << 20
_OF_THE_FOLDER = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "EEXIST")
    if hasattr(errno, name)  # Windows has no quotas
}
"""What the system says where a file cannot be made or filled."""
_log = logging.getLogger("cnnviz")


def cache_folder() -> Path:
    """Return the folder where torch keeps downloaded weights; it follows ``TORCH_HOME``."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch(url: str, of: str, file_name: str | None = None) -> Path:
    """Return the path of a file of weights, downloading it unless it lies in the cache.

    Parameters
    ----------
    url : str
        Where it is published. If its name ends in a dash and eight or more hexadecimal digits, the
        download must have a SHA-256 that begins with them, as on torch's hub. A file that lies in
        the cache already is taken as it is.
    of : str
        What the weights belong to, for the error.
    file_name : str, optional
        Its name in the cache; the last part of the address when not given.

    Raises
    ------
    ModelError
        It can neither be found nor downloaded. The sentence names the file and the folder to put
        it in. Nothing half-written stays behind.
    """
    name = file_name or Path(urlparse(url).path).name  # as torch.hub names it, still quoted
    path = cache_folder() / name
    if path.is_file():
        return path
    _log.info("Downloading %s to %s", url, path)
    try:
        _download(url, path)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if _is_of_the_folder(error):
            raise ModelError(
                f"The weights of {of} cannot be kept in {str(path.parent)!r}: {_reason(error)}.",
                "Name a folder that can be written to, and has room, in TORCH_HOME.",
            ) from error
        put = f"Put {name} from {url} into {path.parent}"
        raise ModelError(
            f"The weights of {of} are not on this machine and could not be downloaded "
            f"({_reason(error)}).",
            f'{put}, or take weights="random".',
            option=f"{put}, or take --weights random.",
        ) from error
    return path


def _is_of_the_folder(error: Exception) -> bool:
    """Whether a download failed at the cache, and not on the way to it."""
    return isinstance(error, OSError) and error.errno in _OF_THE_FOLDER


def _download(url: str, path: Path) -> None:
    expected = re.search(r"-([0-9a-f]{8,})\.", Path(urlparse(url).path).name)
    digest = hashlib.sha256()
    partial = ""
    try:
        with _open(url) as response:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
            with os.fdopen(descriptor, "wb") as file:
                while piece := response.read(_PIECE):
                    digest.update(piece)
                    file.write(piece)
            _check_length(response, Path(partial))
        if expected and not digest.hexdigest().startswith(expected[1]):
            raise ValueError("what arrived does not have the SHA-256 that its name promises")
        # mkstemp makes a private file; a cache is read by everyone whom its folder lets in.
        os.chmod(partial, 0o644)  # noqa: PTH101
        shutil.move(partial, path)
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)


def _open(url: str) -> Any:
    """Open an address within `PATIENCE` seconds, looking up its name included.

    A socket's timeout covers neither the look-up nor the sum over several addresses of a host, so
    the call runs in a thread that is left behind when it takes too long.
    """
    outcome: list[Any] = []
    given_up = threading.Event()

    def call() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "torch.hub"})
            response = urllib.request.urlopen(request, timeout=PATIENCE)
            if given_up.is_set():
                response.close()
            outcome.append(response)
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not outcome:
        given_up.set()
        raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _check_length(response: Any, partial: Path) -> None:
    promised = response.headers.get("Content-Length")
    if promised is not None and partial.stat().st_size != int(promised):
        raise ValueError(
            f"the connection broke after {partial.stat().st_size:,} of {promised} bytes"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it is also the response, with its connection
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    text = str(getattr(error, "strerror", None) or error).strip().rstrip(".")
    return text or type(error).__name__
