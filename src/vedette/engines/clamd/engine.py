"""Asks clamd over its Unix socket; objects travel as bytes, so clamd needs no right to read files."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable

from vedette.engines.clamd.protocol import (
    INSTREAM,
    LONGEST_ANSWER,
    NAME,
    VERSION,
    chunks,
    database_time,
    verdict,
)
from vedette.engines.objects import About, Reason, Verdict, not_scanned
from vedette.schema.fields import Micros

VERSION_KEPT = 60.0
"""Seconds until clamd is asked for its databases' release time again."""


class ClamdEngine:
    """Asks the daemon behind `path`; `seconds` for one object."""

    def __init__(self, path: str, *, seconds: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._seconds, self._clock = path, seconds, clock
        self._db_time: Micros | None = None
        self._asked_at: float | None = None

    @property
    def name(self) -> str:
        """Stable name."""
        return NAME

    def scan(self, data: bytes, about: About) -> Verdict:
        """Look at a whole object; clamd that is away or refuses gives `not_scanned`."""
        del about
        try:
            self._refresh_version()
            answer = self._ask(INSTREAM, chunks(data))
        except TimeoutError:
            return not_scanned(NAME, Reason.TIMED_OUT, db_time=self._db_time)
        except OSError as error:
            return not_scanned(NAME, Reason.ENGINE_FAILED, f"{self._path}: {error.strerror or error}")
        return verdict(answer, db_time=self._db_time)

    def _refresh_version(self) -> None:
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > VERSION_KEPT:
            self._db_time = database_time(self._ask(VERSION, ()))
            self._asked_at = now

    def _ask(self, command: bytes, body: Iterable[bytes]) -> bytes:
        """Give the answer; clamd may give it, and close, before it has heard all. Raises OSError."""
        deadline = self._clock() + self._seconds
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(self._seconds)
            channel.connect(self._path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                channel.sendall(command)
                for piece in body:
                    channel.settimeout(max(0.01, deadline - self._clock()))
                    channel.sendall(piece)
            return self._answer(channel, deadline)

    def _answer(self, channel: socket.socket, deadline: float) -> bytes:
        answer = b""
        while len(answer) < LONGEST_ANSWER and not answer.endswith(b"\0"):
            channel.settimeout(max(0.01, deadline - self._clock()))
            try:
                part = channel.recv(LONGEST_ANSWER)
            except ConnectionResetError:
                break
            if not part:
                break
            answer += part
        return answer
