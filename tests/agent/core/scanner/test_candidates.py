"""Which events make the scanner look at a file."""

from __future__ import annotations

import pytest

from vedette.agent.core.scanner.candidates import candidate
from vedette.engines.objects import Reason
from vedette.schema.entities import ChangedFile, File, Process, Socket
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange, FileCreate, ModuleLoad
from vedette.schema.events.network import NetworkConnect
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.schema.policies import Settings

SETTINGS = Settings(scan_max_bytes=100)
FILE = File(path="/bin/x", size=10, sha256="d")
PROCESS = Process(pid=1, kind="exec", file=FILE)


def changed(operation: str) -> FileChange:
    return FileChange(time=1, process=PROCESS, file=ChangedFile(path="/x", size=10, sha256="d", operation=operation))


@pytest.mark.parametrize(
    ("event", "mode"),
    [
        (ProcessStart(time=1, process=PROCESS), "on_exec"),
        (ProcessStart(time=1, process=Process(kind="memory", file=FILE)), "on_exec"),
        (ProcessStart(time=1, process=Process(kind="fork", file=FILE)), None),
        (ProcessStart(time=1, process=Process(kind="kernel_thread")), None),
        (ProcessStart(time=1), None),
        (ProcessStop(time=1, process=PROCESS), None),
        (ModuleLoad(time=1, process=PROCESS, file=FILE), "on_exec"),
        (FileCreate(time=1, process=PROCESS, file=FILE), "on_access"),
        (FileCreate(time=1, process=PROCESS, file=File(path="/x", size=0, sha256="d")), None),
        (FileCreate(time=1, process=PROCESS, file=File(path="/x", size=4096)), None),
        (FileCreate(time=1, file=FILE), None),
        (changed("write"), "on_access"),
        (changed("rename"), "on_access"),
        (changed("delete"), None),
        (changed("attributes"), None),
        (NetworkConnect(time=1, process=PROCESS, socket=Socket()), None),
    ],
)
def test_what_runs_or_was_written_is_looked_at(event: Event, mode: str | None) -> None:
    found = candidate(event, SETTINGS)
    assert (found.mode if found else None) == mode
    assert found is None or (found.refusal, found.event) == (None, event)


@pytest.mark.parametrize(
    ("file", "refusal", "silent"),
    [
        (File(path="/x", size=101, sha256="d"), Reason.TOO_LARGE, False),
        (File(path="/x", size=1 << 40, hash_status="too_large"), Reason.TOO_LARGE, False),
        (File(path="/x", hash_status="unreadable"), Reason.UNREADABLE, False),
        (File(path="/x", hash_status="budget"), Reason.BUSY, False),
        (File(path="/x", hash_status="late"), Reason.BUSY, False),
        (File(path="/x", hash_status="deleted"), Reason.VANISHED, True),
        (File(path="/x", hash_status="changed"), Reason.CHANGED, True),
        (File(path="/x", hash_status="open"), Reason.CHANGED, True),
    ],
)
def test_what_cannot_be_scanned_is_told_with_its_reason(file: File, refusal: Reason, *, silent: bool) -> None:
    found = candidate(FileCreate(time=1, process=PROCESS, file=file), SETTINGS)
    assert found is not None
    assert (found.refusal, found.silent) == (refusal, silent)


def test_each_mode_can_be_switched_off() -> None:
    start, made = ProcessStart(time=1, process=PROCESS), FileCreate(time=1, process=PROCESS, file=FILE)
    no_exec, no_access = Settings(scan_on_exec=False), Settings(scan_on_access=False)
    assert (candidate(start, no_exec), candidate(made, no_access)) == (None, None)
    assert candidate(start, no_access) is not None
    assert candidate(made, no_exec) is not None
