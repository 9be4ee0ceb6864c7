"""Builds the scanner process and runs it: one object after another, in a process of its own with bounded memory."""

import logging
import os
import resource
import signal
import threading
import time
from pathlib import Path

from vedette.central.layout import Layout
from vedette.central.scanner import verdicts
from vedette.central.scanner.ruleset import ruleset
from vedette.central.settings import load, state_url
from vedette.engines.objects import About, Reason, Verdict, not_scanned
from vedette.engines.yara.apart import compile_apart
from vedette.engines.yara.engine import NAME, YaraEngine
from vedette.engines.yara.ruleset import RuleSet
from vedette.runtime.clock import now
from vedette.runtime.errors import NotFoundError, StoreError, VedetteError
from vedette.runtime.files import write_atomic
from vedette.schema.objects import StoredObject
from vedette.schema.rules import RuleKind
from vedette.store.objects import ObjectFiles
from vedette.store.state import State, findings, objects, open_state, rules, versions

PAUSE_SECONDS = 1.0
"""Between looks while nothing waits."""
LARGEST = 256 << 20
"""Bytes of an object that is scanned: it is in memory as a whole."""
MEMORY = 4 << 30
"""Address space of the process."""
ORPHAN_SECONDS = 3600.0
"""After which the file of an object that nobody has is removed."""
SWEEP_SECONDS = 600.0

log = logging.getLogger(__name__)


class Scanner:
    """Scans what waits, with the rules of the moment; keeps Storage within its size."""

    def __init__(self, state: State, files: ObjectFiles, *, most: int) -> None:
        self._state, self._files, self._most = state, files, most
        self._changes = -1
        self._ruleset = RuleSet()
        self._engine: YaraEngine | None = None
        self._swept = 0.0

    def step(self) -> bool:
        """Scan one object; False when none waits. Raises StoreError."""
        self._refresh()
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            self.tidy()
        with self._state.read() as db:
            about = objects.waiting(db, self._ruleset.version)
        if about is None:
            return False
        told = verdicts.noted(about, self._scan(about), rules=self._ruleset.version)
        with self._state.write() as db:
            objects.scanned(db, told, now=now())
            findings.keep(db, verdicts.findings(told, now=now()), now=now())
        log.info("object=%s status=%s findings=%d", told.sha256, told.status, len(told.findings))
        return True

    def tidy(self) -> None:
        """Remove the oldest objects until the rest has room, and files that no row speaks of any more."""
        while True:
            with self._state.write() as db:
                oldest = objects.oldest(db)
                if oldest is None or objects.taken(db) <= self._most:
                    break
                objects.remove(db, oldest, self._files.remove)
            log.warning("removed the oldest object=%s bytes=%d: Storage is full", oldest.sha256, oldest.size)
        for sha256, put in list(self._files.present()):
            if time.time() - put > ORPHAN_SECONDS:
                with self._state.write() as db:
                    if not objects.is_held(db, sha256):
                        self._files.remove(sha256)

    def _refresh(self) -> None:
        """Read the rules again when they have changed; they are compiled when an object waits for them."""
        with self._state.read() as db:
            changes = versions.current(db).get(rules.version_name(RuleKind.YARA), 0)
            if changes == self._changes:
                return
            self._ruleset = ruleset(rules.enabled(db, RuleKind.YARA))
        self._changes, self._engine = changes, None

    def _scan(self, about: StoredObject) -> Verdict:
        if about.size > LARGEST:
            return not_scanned(NAME, Reason.TOO_LARGE, f"{about.size} of at most {LARGEST} bytes")
        try:
            if self._engine is None:
                self._engine = YaraEngine(compile_apart(self._ruleset))
            data = self._files.read(about.sha256)
        except NotFoundError as error:
            return not_scanned(NAME, Reason.VANISHED, str(error))
        except (VedetteError, OSError, MemoryError) as error:
            log.warning("object=%s cannot be scanned: %s", about.sha256, error)
            return not_scanned(NAME, Reason.ENGINE_FAILED, str(error)[:500])
        extension = Path(about.name).suffix
        return self._engine.scan(data, About(path=about.name, name=Path(about.name).name, extension=extension))


def run(data: Path) -> None:
    """Scan until SIGTERM. Raises ConfigError or StoreError when it cannot begin."""
    layout = Layout(data)
    chosen = load(layout)
    os.nice(max(0, 10 - os.getpriority(os.PRIO_PROCESS, 0)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    state = open_state(state_url(layout, chosen))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    files = ObjectFiles(layout.objects, layout.objects_key.read_bytes())
    scanner = Scanner(state, files, most=chosen.storage_bytes)
    write_atomic(layout.ready("scanner"), b"0\n")
    try:
        while not stop.is_set():
            try:
                busy = scanner.step()
            except StoreError as error:
                log.warning("will try again: %s", error)
                busy = False
            if not busy:
                stop.wait(PAUSE_SECONDS)
    finally:
        state.close()
