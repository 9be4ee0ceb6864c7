"""Processes by looking at /proc once a second -> starts and ends. What lives shorter is not seen."""

import time
from pathlib import Path
from typing import Final

from vedette.agent.linux import inventory
from vedette.agent.linux.inventory import Found
from vedette.agent.linux.sources.decoder import Decoder
from vedette.probes.records import EXIT, NO_ID, Exit, text
from vedette.schema.entities import File

EVERY: Final = 1.0
SHARE: Final = 20
"""A look is done at most so often that it takes one part in this many of the CPU's time."""


class ScanFeed:
    """Compares /proc with the process table. `starts`: False where another feed tells them."""

    handle: int | None = None
    urgent = False

    def __init__(self, decoder: Decoder, *, starts: bool = True, proc: Path = inventory.PROC) -> None:
        self._decoder, self._starts, self._proc = decoder, starts, proc
        self._known = {(found.pid, found.start) for found in self._here().values()}
        self._next = 0.0
        self._due = False
        self.refused: dict[str, str] = {}
        self.looks = 0

    def read(self) -> None:
        """Note whether it is time to look."""
        self._due = time.monotonic() >= self._next

    def tell(self) -> None:
        """Look; end what is gone, start what is new."""
        if not self._due:
            return
        began, at = time.thread_time(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        here = self._here()
        for life in list(self._decoder.model.processes):
            found = here.get(life.pid)
            if not life.ended and (found is None or found.ended or found.start != life.start):
                self._decoder.take(Exit(EXIT, 0, at, life.started, life.pid, life.ids, NO_ID, 0, 0, 0, None))
        if self._starts:
            for found in sorted(here.values(), key=lambda one: (one.start, one.pid)):
                self._compare(found, at)
            self._known = {(found.pid, found.start) for found in here.values()}
        self.looks += 1
        self._next = time.monotonic() + max(EVERY, (time.thread_time() - began) * SHARE)

    def _here(self) -> dict[int, Found]:
        found = {}
        for entry in self._proc.iterdir():
            if entry.name.isdigit():
                try:
                    one = inventory.parse_stat(inventory.read(entry / "stat"))
                except OSError:
                    continue
                if one is not None:
                    found[one.pid] = one
        return found

    def _compare(self, found: Found, at: int) -> None:
        is_new = (found.pid, found.start) not in self._known
        if found.kernel_thread or found.ended or not (is_new or self._may_be_other(found)):
            return
        whole = inventory.look(found.pid, self._proc)
        if whole is None or whole.ended or whole.start != found.start:
            return
        if is_new:
            self._decoder.processes.replaced(whole, whole.start)
        elif not self._is_same_program(whole):
            self._decoder.processes.replaced(whole, at)

    def _may_be_other(self, found: Found) -> bool:
        """Whether another program may have taken over: the kernel then gives the process its name."""
        file = self._file_of(found)
        return file is not None and file.name is not None and not file.name.encode().startswith(found.name)

    def _is_same_program(self, found: Found) -> bool:
        file = self._file_of(found)
        return file is None or file.path == text(found.path)

    def _file_of(self, found: Found) -> File | None:
        life = self._decoder.model.processes.get(found.pid, found.start)
        process = None if life is None or life.image is None else life.image.process
        return None if process is None else process.file

    def waits(self) -> bool:
        """Whether something is due with the next round: nothing is told late."""
        return False

    def drops(self) -> dict[str, int]:
        """Nothing that could be counted."""
        return {}

    def status(self) -> dict[str, object]:
        """How often it looked."""
        return {"looks": self.looks}

    def close(self) -> None:
        """Nothing is held."""
