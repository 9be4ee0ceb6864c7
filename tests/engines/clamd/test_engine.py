"""The client against a small server that misbehaves, and against the real clamd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.engines.clamd.engine import ClamdEngine
from vedette.engines.objects import About, Status

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("clamav-daemon", "libclamav12", "libmspack0")
MARKER = b"a marker that only this test knows"
CONFIGURATION = """
LocalSocket {folder}/clamd.sock
DatabaseDirectory {folder}/db
TemporaryDirectory {folder}
Foreground yes
StreamMaxLength 1M
"""


class Server:
    """Answers each connection by a function of its own; remembers what it was sent."""

    def __init__(self, path: Path, answers: list[Callable[[socket.socket], None]]) -> None:
        self.path, self._answers = path, answers
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            channel, _ = self._listener.accept()
            with channel:
                answer(channel)

    def close(self) -> None:
        self._thread.join(5)
        self._listener.close()


def version(channel: socket.socket) -> None:
    channel.recv(100)
    channel.sendall(b"ClamAV 1.4.6/1/Thu Jan  1 00:00:02 1970\0")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ClamdEngine]]:
    servers: list[Server] = []

    def start(*answers: Callable[[socket.socket], None]) -> ClamdEngine:
        servers.append(Server(tmp_path / "s", [version, *answers]))
        return ClamdEngine(str(tmp_path / "s"), seconds=0.3)

    yield start
    for server in servers:
        server.close()


def test_an_answer_in_pieces_is_read_whole(serve: Callable[..., ClamdEngine]) -> None:
    def answer(channel: socket.socket) -> None:
        while not channel.recv(1 << 16).endswith(b"\0\0\0\0"):
            pass
        channel.sendall(b"stream: Some")
        channel.sendall(b".Name FOUND\0")

    verdict = serve(answer).scan(b"data", About())
    assert (verdict.status, verdict.db_time) == (Status.DETECTED, 2_000_000)


def test_one_that_refuses_early_is_heard(serve: Callable[..., ClamdEngine]) -> None:
    def answer(channel: socket.socket) -> None:
        channel.recv(100)
        channel.sendall(b"INSTREAM size limit exceeded. ERROR\0")

    verdict = serve(answer).scan(b"x" * (4 << 20), About())
    assert verdict.status == Status.NOT_SCANNED


def test_one_that_says_nothing_times_out(serve: Callable[..., ClamdEngine]) -> None:
    def answer(channel: socket.socket) -> None:
        while channel.recv(1 << 16):
            pass

    verdict = serve(answer).scan(b"data", About())
    assert (verdict.status, verdict.reason) == (Status.NOT_SCANNED, "timed_out")


def test_one_that_is_away_says_so(tmp_path: Path) -> None:
    verdict = ClamdEngine(str(tmp_path / "none")).scan(b"data", About())
    assert verdict.reason == f"engine_failed: {tmp_path}/none: No such file or directory"


@pytest.fixture(scope="session")
def clamd_files() -> Path:
    """Give the root of Debian's clamd, fetched and unpacked below the build folder, never installed."""
    root = REPOSITORY / ".build" / "clamd"
    if not (root / "usr/sbin/clamd").exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            pytest.skip("clamd comes as a Debian package; there is no apt-get here")
        fetched = root.with_name("clamd-packages")
        fetched.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["apt-get", "download", *PACKAGES], cwd=fetched, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"clamd cannot be fetched: {done.stderr.decode()[-200:]}")
        for package in fetched.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    return root


@pytest.fixture
def clamd(clamd_files: Path, tmp_path: Path) -> Iterator[Path]:
    """Run the real clamd with one signature of our own."""
    folder = tmp_path / "clamd"
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "own.ndb").write_text(f"Vedette.Test:0:*:{MARKER.hex()}\n")
    (folder / "conf").write_text(CONFIGURATION.format(folder=folder))
    libraries = next(clamd_files.glob("usr/lib/*-linux-gnu"))
    log = (folder / "log").open("wb")
    with subprocess.Popen(
        [str(clamd_files / "usr/sbin/clamd"), "-c", str(folder / "conf")],
        env=os.environ | {"LD_LIBRARY_PATH": str(libraries)}, stdout=log, stderr=log,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (folder / "clamd.sock").exists():
            if process.poll() is not None:
                pytest.skip(f"clamd does not run here: {(folder / 'log').read_text()[-300:]}")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield folder / "clamd.sock"
        process.terminate()
    log.close()


@pytest.mark.slow
def test_the_real_clamd_is_understood(clamd: Path) -> None:
    engine = ClamdEngine(str(clamd), seconds=20)
    found, clean = engine.scan(b"before " + MARKER + b" after", About()), engine.scan(b"harmless", About())
    assert (found.status, found.findings[0].record_id) == (Status.DETECTED, "Vedette.Test.UNOFFICIAL")
    assert (clean.status, clean.db_time) == (Status.CLEAN, None)
    assert engine.scan(b"x" * (3 << 20), About()).reason == "too_large: StreamMaxLength of clamd"
