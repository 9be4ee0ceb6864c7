"""What a request runs in the event store, so that it can be stopped when nobody waits for it any more."""

import secrets
import threading
import time
from collections.abc import Callable

import msgspec

from vedette.central.api.problems import ProblemError
from vedette.query.search import Ask, Rows
from vedette.query.statement import Statement

_AGAIN_SECONDS = 0.2
"""Between attempts: a statement that still waits for its turn cannot be stopped before it runs."""
_ATTEMPTS = 150

Stop = Callable[[str], None]
"""Stops the statement of this id in the event store."""


class Statements:
    """The statements of one request; `stop` may be called from another thread."""

    def __init__(self, ask: Ask, stop: Stop) -> None:
        self._ask, self._stop = ask, stop
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._gone = False

    def __call__(self, statement: Statement) -> Rows:
        """Run a statement. Raises StoreError, and ProblemError when the caller has gone."""
        name = secrets.token_hex(16)
        with self._lock:
            if self._gone:
                raise ProblemError("gone", 503, "the caller has gone")
            self._running.add(name)
        try:
            return self._ask(msgspec.structs.replace(statement, settings=statement.settings | {"query_id": name}))
        finally:
            with self._lock:
                self._running.discard(name)

    @property
    def gone(self) -> bool:
        """Whether the caller has gone: nothing needs to be asked for it any more."""
        return self._gone

    def stop(self) -> None:
        """Let nothing begin any more, and end what runs. Raises StoreError when the store cannot be told."""
        self._gone = True
        for _attempt in range(_ATTEMPTS):
            with self._lock:
                running = tuple(self._running)
            if not running:
                return
            for name in running:
                self._stop(name)
            time.sleep(_AGAIN_SECONDS)
