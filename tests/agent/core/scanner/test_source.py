"""The scanner as a source: what is written gives events, once, and never of the agent's own files."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.agent.core.scanner.queue import ScanQueue
from vedette.agent.core.scanner.source import Scanner
from vedette.schema.entities import File, Process
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileCreate
from vedette.schema.events.protection import EppDetect, EppResult
from vedette.schema.policies import Settings

EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + "EICAR-STANDARD" + "-ANTIVIRUS-TEST-FILE!$H+H*").encode()
OWN_RULE = b'rule own { meta: threat = "Own.Threat" strings: $a = "own-needle" condition: $a }'


def open_by_name(process: Process, file: File, *, program: bool) -> Iterator[int]:
    del process, program
    yield os.open(file.path or "", os.O_RDONLY)


class World:
    """A scanner that runs, and what it emits."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder, self.data = folder, folder / "agent"
        (self.data / "yara").mkdir(parents=True)
        (self.data / "yara" / "own.yar").write_bytes(OWN_RULE)
        self.events: list[Event] = []
        self.stop = threading.Event()
        self.opener: Callable[..., Iterator[int]] = open_by_name
        self.scanner = Scanner(
            self.data,
            settings or Settings(),
            lambda process, file, *, program: self.opener(process, file, program=program),
        )
        self.thread = threading.Thread(target=self.scanner.run, args=(self.events.append, self.stop))

    def start(self) -> None:
        self.thread.start()
        self.until(lambda: self.scanner.status()["rules"] == 2)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def until(self, question: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not question():
            assert time.monotonic() < deadline, (self.scanner.status(), self.events)
            time.sleep(0.01)

    def write(self, name: str, data: bytes, *, digest: str = "") -> Path:
        """Write a file and tell the scanner of it."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        file = File(
            name=path.name,
            path=str(path),
            size=len(data),
            sha256=digest or hashlib.sha256(data).hexdigest(),
            md5=hashlib.md5(data).hexdigest(),
        )
        process = Process(entity_id=f"e{name}", pid=5, command_line=f"write {name}")
        self.scanner.observe(FileCreate(time=1, process=process, file=file))
        return path

    def counts(self) -> dict[str, int]:
        counted = self.scanner.status()["counts"]
        assert isinstance(counted, dict)
        return counted

    def told(self) -> list[tuple[str, str | None, str | None]]:
        return [
            (type(one).__name__, one.file.name if one.file else None, one.detect.category or one.detect.error_reason)
            for one in self.events
            if isinstance(one, EppDetect | EppResult) and one.detect
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.start()
    yield made
    made.end()


def test_what_rules_know_is_told_and_what_they_do_not_is_not(world: World) -> None:
    world.write("harmless", b"nothing in it")
    world.write("eicar.com", EICAR)
    world.write("marked", b"an own-needle in it")
    world.until(lambda: len(world.events) == 4)
    assert world.told() == [
        ("EppDetect", "eicar.com", "EICAR-Test-File"),
        ("EppResult", "eicar.com", "EICAR-Test-File"),
        ("EppDetect", "marked", "Own.Threat"),
        ("EppResult", "marked", "Own.Threat"),
    ]
    assert world.counts() == {"clean": 1, "detected": 2}


def test_each_content_is_scanned_once(world: World) -> None:
    world.write("one", b"the same")
    world.until(lambda: world.counts().get("clean") == 1)
    world.write("two", b"the same")
    assert world.counts() == {"clean": 1, "cached": 1}
    world.write("eicar", EICAR)
    world.write("copy", EICAR)
    world.until(lambda: len(world.events) == 4)
    assert world.scanner.status()["scanned"] == 2


def test_the_own_files_of_the_agent_are_not_looked_at(world: World) -> None:
    world.write("agent/buffer", EICAR)
    world.write("after", b"harmless")
    world.until(lambda: world.counts() == {"clean": 1})
    assert world.events == []


def test_a_file_that_is_gone_or_another_one_by_now_is_counted_and_not_told(world: World) -> None:
    world.write("changed", EICAR, digest="0" * 64)
    world.until(lambda: world.counts() == {"changed": 1})

    def gone(process: Process, file: File, *, program: bool) -> Iterator[int]:
        del process, program
        raise FileNotFoundError(errno.ENOENT, "No such file", file.path)

    world.opener = gone
    world.write("gone", EICAR)
    world.until(lambda: world.counts() == {"changed": 1, "vanished": 1})
    assert world.events == []


def test_a_file_that_cannot_be_read_is_told_with_the_reason(world: World) -> None:
    def refused(process: Process, file: File, *, program: bool) -> Iterator[int]:
        del process, program
        raise OSError(errno.EIO, "Input/output error", file.path)

    world.opener = refused
    world.write("broken", EICAR)
    world.until(lambda: len(world.events) == 1)
    assert world.told() == [("EppResult", "broken", "unreadable: Input/output error")]


def test_settings_take_effect(world: World) -> None:
    world.scanner.apply(Settings(scan_max_bytes=10))
    world.write("large", b"an own-needle")
    world.until(lambda: len(world.events) == 1)
    assert world.told() == [("EppResult", "large", "too_large: 13 bytes, limit 10")]
    world.scanner.apply(Settings(scan_on_access=False))
    world.write("unseen", EICAR)
    assert world.scanner.status()["waiting"] == 0


def test_new_rules_look_at_known_contents_again(world: World) -> None:
    world.write("first", b"late-needle")
    world.until(lambda: world.counts().get("clean") == 1)
    (world.data / "yara" / "late.yar").write_text('rule late { strings: $a = "late-needle" condition: $a }')
    world.scanner._refresh_at = 0.0
    world.until(lambda: world.scanner.status()["rules"] == 3)
    world.until(lambda: world.scanner.status()["known"] == 0)
    world.write("again", b"late-needle")
    world.until(lambda: len(world.events) == 2)
    assert world.told()[0] == ("EppDetect", "again", "late")


def test_more_than_can_wait_is_counted_and_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scanner._queue = ScanQueue(capacity=2)
    world.scanner._running = True
    for number in range(5):
        world.write(f"file{number}", b"harmless %d" % number)
    assert world.counts() == {"busy": 3}
    world.start()
    world.until(lambda: world.counts() == {"busy": 3, "clean": 2})
    world.end()
    assert world.told() == [("EppResult", "file4", "busy: too many files wait")]


def test_before_it_runs_it_takes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("early", EICAR)
    assert (world.scanner.status()["waiting"], world.scanner.drops()) == (0, {})
    assert world.scanner.supported() == ""
