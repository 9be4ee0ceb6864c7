"""Keeps the processes of a Central Node running: starts, watches, restarts and stops them.

One thread and no polling of processes: a child's end is a signal that is waited for. Children that are not
ready yet are looked at a few times a second, until their `.ready` file gives their port.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from vedette.central.layout import Layout
from vedette.runtime.files import write_atomic

FIRST_DELAY = 0.2
LONGEST_DELAY = 30.0
LONGEST_AFTER_READY = 2.0
"""What has been ready is likely to be so again, and agents wait for it."""
SETTLED_SECONDS = 30.0
"""A child that ran so long starts again at once, however often it failed before."""
STOP_SECONDS = 6.0
"""From SIGTERM to SIGKILL."""
READY_SECONDS = 60.0
"""After so long the operator is told what there is, even if a part still fails."""
READY_LOOK = 0.1
IDLE_LOOK = 5.0

_SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
_PR_SET_PDEATHSIG = 1

_LOG = logging.getLogger(__name__)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the Central Node."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    """May hold `{port}`."""
    port: int = 0
    """Asked for at the first start; later starts get the port that was bound."""
    after: tuple[str, ...] = ()
    """Parts that must have been ready before the first start."""
    last: bool = False
    """Stopped after the others, which still need it."""


def restart_delay(failures: int) -> float:
    """Give the seconds to wait before start number `failures` + 1 after as many failures in a row."""
    return 0.0 if failures == 0 else min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 20))


class Child:
    """One part and the process that is it at the moment."""

    def __init__(self, part: Part, layout: Layout, inherited: int) -> None:
        self.part, self._layout, self._inherited = part, layout, inherited
        self.process: subprocess.Popen[bytes] | None = None
        self.port = part.port
        self.ready = False
        self.was_ready = False
        self.due = 0.0
        self._failures = 0
        self._started = 0.0

    def start(self, now: float) -> None:
        """Start the process. Raises OSError."""
        self._layout.ready(self.part.name).unlink(missing_ok=True)
        arguments = [argument.format(port=self.port) for argument in self.part.arguments]
        command = [sys.executable, "-m", self.part.module, "--data", str(self._layout.data), *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=(self._inherited,),
            process_group=0,  # Ctrl-C in a terminal is for the supervisor alone
            preexec_fn=_bind_to_parent(os.getpid()),  # noqa: PLW1509 - the supervisor has one thread
        )
        self._started, self.ready = now, False
        _note(self._layout.run / f"{self.part.name}.pid", b"%d\n" % self.process.pid)

    def look(self, now: float) -> bool:
        """Notice an end and becoming ready; gives whether anything changed."""
        if self.process is None:
            return False
        code = self.process.poll()
        if code is not None:
            self._ended(code, now)
            return True
        if not self.ready and (port := self._read_ready()) is not None:
            self.port, self.ready, self.was_ready = port, True, True
            _LOG.info("%s is ready after %.1f s port=%d", self.part.name, now - self._started, port)
            return True
        return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def _ended(self, code: int, now: float) -> None:
        ran = now - self._started
        self._failures = 1 if ran >= SETTLED_SECONDS else self._failures + 1
        was_ready = self.ready or self._read_ready() is not None
        delay = min(restart_delay(self._failures), LONGEST_AFTER_READY if was_ready else LONGEST_DELAY)
        what = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        _LOG.warning("%s %s after %.1f s, starts again in %.1f s", self.part.name, what, ran, delay)
        self.process, self.ready, self.due = None, False, now + delay

    def _read_ready(self) -> int | None:
        try:
            return int(self._layout.ready(self.part.name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None


class Supervisor:
    """Runs parts until SIGTERM or SIGINT."""

    def __init__(
        self, layout: Layout, parts: Sequence[Part], *, inherited: int, on_ready: Callable[[dict[str, int]], None]
    ) -> None:
        self._layout = layout
        self._children = {part.name: Child(part, layout, inherited) for part in parts}
        self._on_ready = on_ready
        self._told = False
        self._began = time.monotonic()

    @property
    def ports(self) -> dict[str, int]:
        """The ports of the parts that have one and have been ready."""
        return {name: child.port for name, child in self._children.items() if child.was_ready and child.port}

    def run(self, *, every: float = 3600.0, chore: Callable[[], Sequence[str]] = tuple) -> None:
        """Keep the parts running; `chore` is done every so many seconds and names parts to start anew."""
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        next_chore = time.monotonic() + every
        try:
            while True:
                now = time.monotonic()
                self._step(now)
                if now >= next_chore:
                    next_chore = now + every
                    self._restart(chore())
                caught = signal.sigtimedwait(_SIGNALS, self._patience(now, next_chore))
                if caught is not None and caught.si_signo != signal.SIGCHLD:
                    _LOG.info("stopping on %s", signal.Signals(caught.si_signo).name)
                    return
        finally:
            self._stop()
            if not self._told:
                self._on_ready(self.ports)
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def _step(self, now: float) -> None:
        changed = [child.look(now) for child in self._children.values()]
        if any(changed):
            _note(self._layout.ports, msgspec.json.encode(self.ports))
        for child in self._children.values():
            if child.process is None and now >= child.due and self._may_start(child):
                self._start(child, now)
        if not self._told and (self._is_ready() or now - self._began > READY_SECONDS):
            self._told = True
            self._on_ready(self.ports)

    def _is_ready(self) -> bool:
        return all(child.ready for child in self._children.values())

    def _may_start(self, child: Child) -> bool:
        return all(self._children[name].was_ready for name in child.part.after)

    def _start(self, child: Child, now: float) -> None:
        try:
            child.start(now)
        except OSError as error:
            _LOG.error("%s cannot be started: %s", child.part.name, error)
            child.due = now + LONGEST_DELAY

    def _patience(self, now: float, next_chore: float) -> float:
        """Give the seconds until there is something to do without a signal."""
        if any(child.process is not None and not child.ready for child in self._children.values()):
            return READY_LOOK
        dues = [child.due - now for child in self._children.values() if child.process is None]
        return max(0.01, min([IDLE_LOOK, next_chore - now, *dues]))

    def _restart(self, names: Sequence[str]) -> None:
        for name in names:
            self._children[name].send(signal.SIGTERM)

    def _stop(self) -> None:
        """End all: the store after those that use it."""
        for last in (False, True):
            group = [child for child in self._children.values() if child.part.last is last]
            for child in group:
                child.send(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for child in group:
                _wait(child, deadline)
        self._layout.ports.unlink(missing_ok=True)


def _note(path: Path, data: bytes) -> None:
    """Write what others may want to know; a full disk must not end the supervisor."""
    try:
        write_atomic(path, data)
    except OSError as error:
        _LOG.error("%s cannot be written: %s", path, error)


def _wait(child: Child, deadline: float) -> None:
    if child.process is None:
        return
    try:
        child.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _LOG.warning("%s did not stop in time and is killed", child.part.name)
        child.process.kill()
        child.process.wait()


def _bind_to_parent(parent: int) -> Callable[[], None]:
    """Give what a child does before its program: die with the supervisor, and take signals again."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    return prepare
