"""The source on the running kernel, and what tests ask of its events."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import pytest

from vedette.agent.linux.sources.kernel import KernelSource
from vedette.runtime.errors import ProbeError
from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange, FileCreate
from vedette.schema.events.network import NetworkConnect
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.schema.policies import Settings

E = TypeVar("E", bound=Event)
HOST = "0123456789abcdef" * 2
PATIENCE = 30.0
"""Seconds that an event may take on a machine that does much else."""


class Live:
    """The source in a thread, and what it emitted."""

    def __init__(self, mode: str = "") -> None:
        self.problem = ""
        self.events: list[Event] = []
        settings = Settings(exclude_paths=("*/excluded-by-test/*",))
        self.source = KernelSource(HOST, settings, only=mode)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.source.run(self.events.append, self._stop)
        except ProbeError as error:
            self.problem = str(error)

    def __enter__(self) -> Self:
        assert self.source.supported() == ""
        self._thread.start()
        self.wait_for(lambda: self.source.status()["observing"] or None, "the source to start")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def wait_for(self, question: Callable[[], E | object | None], what: str) -> object:
        deadline = time.monotonic() + PATIENCE
        while (answer := question()) is None:
            assert not self.problem
            if time.monotonic() > deadline:
                pytest.fail(f"waited {PATIENCE} s for {what} among {len(self.events)} events")
            time.sleep(0.05)
        return answer

    def all(self, kind: type[E], wanted: Callable[[E], bool]) -> list[E]:
        return [event for event in list(self.events) if isinstance(event, kind) and wanted(event)]

    def one(self, kind: type[E], wanted: Callable[[E], bool]) -> E:
        found = self.wait_for(lambda: next(iter(self.all(kind, wanted)), None), kind.__name__)
        assert isinstance(found, kind)
        return found

    def start_of(self, pid: int, name: str = "") -> Process:
        event = self.one(ProcessStart, lambda e: is_process(e.process, pid, name))
        assert event.process is not None
        return event.process

    def stop_of(self, pid: int) -> Process:
        event = self.one(ProcessStop, lambda e: is_process(e.process, pid, ""))
        assert event.process is not None
        return event.process


def is_process(process: Process | None, pid: int, name: str) -> bool:
    if process is None or process.pid != pid:
        return False
    return not name or (process.file is not None and process.file.name == name)


def is_about(event: FileCreate | FileChange, path: Path) -> bool:
    return event.file is not None and event.file.path == str(path)


def digests(path: Path) -> tuple[str, str]:
    data = path.read_bytes()
    return hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest()


def run(*command: str, **other: object) -> int:
    """Run a program to its end; gives its PID."""
    with subprocess.Popen(command, **other) as child:  # type: ignore[call-overload]
        child.wait()
    return int(child.pid)


def operation(event: FileChange) -> str | None:
    return event.file.operation if event.file is not None else None


def end_of(event: NetworkConnect) -> tuple[str | None, int | None]:
    return (event.socket.direction, event.socket.local_port) if event.socket is not None else (None, None)
