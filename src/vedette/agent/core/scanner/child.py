"""The agent's end of the scanning process: started when it is needed, ended when it does not answer."""

import contextlib
import logging
import socket
import subprocess
import sys
import tempfile

import msgspec

from vedette.agent.core.scanner.messages import OUTCOMES, Load, Outcome, Scan, receive, send
from vedette.engines.objects import Reason, not_scanned
from vedette.engines.yara.compiled import Compiled
from vedette.runtime.errors import ConfigError

log = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds beyond its own time limit after which a scanning process counts as hung."""
LOADING = 60.0
"""Seconds that the loading of rules may take."""
LEAVING = 2.0
"""Seconds that an idle process has to end when the agent closes its end."""
ENDING = 0.5
"""Seconds within which a process that closed its end must have ended."""


class ScanChild:
    """One scanning process. Used by one thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self.restarts = 0
        self._cpu_before = self._cpu = 0.0
        self._seconds = 0.0

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that scanning processes have used."""
        return self._cpu_before + self._cpu

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    def load(self, compiled: Compiled, *, seconds: float, clamd: str = "") -> None:
        """Have engines made of a compiled set, in a new process when there is none. Raises ConfigError."""
        if self._process is None:
            self._start()
        self._seconds = seconds * (2 if clamd else 1)
        with tempfile.TemporaryFile() as file:
            file.write(msgspec.msgpack.encode(compiled))
            file.seek(0)
            try:
                outcome = self._ask(Load(seconds=seconds, clamd=clamd), file.fileno(), LOADING)
            except (OSError, EOFError, msgspec.MsgspecError) as error:
                raise ConfigError(f"the scanning process does not load the rules: {self._failed(error)}") from error
        if outcome.problem:
            raise ConfigError(outcome.problem)

    def scan(self, request: Scan, handle: int) -> Outcome:
        """Have a file looked at. A process that fails or hangs over it is ended: `is_running` tells."""
        try:
            return self._ask(request, handle, self._seconds + GRACE)
        except TimeoutError as error:
            return Outcome(verdicts=(not_scanned("yara", Reason.TIMED_OUT, self._failed(error)),))
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            return Outcome(verdicts=(not_scanned("yara", Reason.ENGINE_FAILED, self._failed(error)),))

    def is_running(self) -> bool:
        """Whether engines are ready."""
        return self._process is not None

    def stop(self) -> None:
        """End the process."""
        if self._channel is not None:
            self._channel.close()
        process = self._process
        if process is not None:
            try:
                process.wait(LEAVING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._process = self._channel = None
        self._cpu_before, self._cpu = self.cpu, 0.0

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vedette.agent.core.scanner.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise ConfigError(f"the scanning process does not start: {error}") from error
        finally:
            theirs.close()
        self._channel = ours

    def _ask(self, request: Load | Scan, handle: int, seconds: float) -> Outcome:
        channel = self._channel
        if channel is None:
            raise EOFError("it does not run")
        channel.settimeout(seconds)
        send(channel, request, handle)
        outcome, _ = receive(channel, OUTCOMES)
        self._cpu = outcome.cpu
        return outcome

    def _failed(self, error: Exception) -> str:
        """End the process and say what became of it."""
        process, code = self._process, None
        if process is not None:
            if not isinstance(error, TimeoutError):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(ENDING)
            if code is None:
                process.kill()
        self.stop()
        self.restarts += 1
        told = str(error) or type(error).__name__
        log.warning("scanning process failed problem=%s exit=%s", told, code)
        return told if code is None else f"{told} (exit {code})"
