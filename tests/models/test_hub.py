"""Downloads end whole or not at all, quietly and within a deadline."""

import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cnnviz.errors import ModelError
from cnnviz.models import hub

CONTENT = bytes(range(256)) * 10_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        self.send_response(200)
        claimed = len(CONTENT) + 500 * self.path.startswith("/short")
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.rglob("*") if path.is_file())


def test_a_download_arrives_whole_and_quietly(
    server: str, empty_cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"net-{DIGEST[:8]}.pth"
    path = hub.fetch(f"{server}/{name}", "net")
    assert path == empty_cache / name
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert left_in(empty_cache) == [name]
    assert capfd.readouterr() == ("", "")


def test_the_cache_comes_first(empty_cache: Path) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "net-00000000.pth").write_bytes(b"mine")
    assert hub.fetch("http://127.0.0.1:1/net-00000000.pth", "net").read_bytes() == b"mine"


def test_another_name_in_the_cache(server: str, empty_cache: Path) -> None:
    assert hub.fetch(f"{server}/model.safetensors", "net", "net.safetensors").name == (
        "net.safetensors"
    )
    assert left_in(empty_cache) == ["net.safetensors"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/net.pth", "the server answered 404 Not Found"),
        ("short/net.pth", "the connection broke after|IncompleteRead"),
        ("net-0123456789.pth", "does not have the SHA-256 that its name promises"),
    ],
)
def test_a_failed_download_leaves_nothing(
    server: str, empty_cache: Path, capfd: pytest.CaptureFixture[str], path: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        hub.fetch(f"{server}/{path}", "net (V1)")
    name = Path(path).name
    assert caught.value.what.startswith("The weights of net (V1) are not on this machine and could")
    assert f"Put {name} from {server}/{path} into {empty_cache}" in caught.value.remedy
    assert "--weights random" in caught.value.option
    assert left_in(empty_cache) == []
    assert capfd.readouterr() == ("", "")


def test_an_unreachable_server(empty_cache: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/net.pth"
        with pytest.raises(ModelError, match=r"could not be downloaded \(Connection refused\)"):
            hub.fetch(url, "net")
    assert not empty_cache.exists()


def test_a_silent_server_is_given_up(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ModelError, match=r"\((timed out|no answer within 0 s)\)"):
            hub.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/net.pth", "net")


def test_a_slow_look_up_is_given_up(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def slow(*_: object, **__: object) -> None:
        released.wait(20)
        raise OSError("too late")

    monkeypatch.setattr(hub, "PATIENCE", 0.05)
    monkeypatch.setattr(hub.urllib.request, "urlopen", slow)
    started = time.monotonic()
    with pytest.raises(ModelError, match="no answer within 0 s"):
        hub.fetch("http://nowhere.invalid/net.pth", "net")
    released.set()
    assert time.monotonic() - started < 10


def test_a_folder_that_cannot_be_made(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot be kept in .*TORCH_HOME"):
        hub.fetch(f"{server}/net.pth", "net")


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_folder_that_takes_nothing_is_what_is_told(
    server: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hub.tempfile, "mkstemp", refuse)
    with pytest.raises(ModelError, match=f"{os.strerror(number)}.*TORCH_HOME"):
        hub.fetch(f"{server}/net.pth", "net")
    assert left_in(empty_cache) == []


def test_an_interrupt_leaves_nothing(
    server: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hub, "_check_length", interrupt)
    with pytest.raises(KeyboardInterrupt):
        hub.fetch(f"{server}/net.pth", "net")
    assert left_in(empty_cache) == []
