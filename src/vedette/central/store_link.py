"""The connection to the event store of this Central Node, found again when the store restarts."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vedette.central.layout import Layout
from vedette.runtime.errors import StoreError
from vedette.store.events import EventStore, EventStoreError

AUTHENTICATION_FAILED = 516
T = TypeVar("T")


class StoreLink:
    """Does work with the store. After a failure the next work reads the store's port and password again."""

    def __init__(self, layout: Layout) -> None:
        self._port: Path = layout.ready("store")
        self._password: Path = layout.store_password
        self._store: EventStore | None = None

    def insert(self, data: bytes, token: str) -> None:
        """Insert an Arrow stream; the same token again stores nothing. Raises StoreError."""
        self.do(lambda store: store.insert(data, token=token))

    def do(self, work: Callable[[EventStore], T]) -> T:
        """Give what `work` gives. Raises StoreError."""
        if self._store is None:
            self._store = self._connect()
        try:
            return work(self._store)
        except EventStoreError as error:
            if error.code in {0, AUTHENTICATION_FAILED}:
                self._store = None
            raise

    def _connect(self) -> EventStore:
        try:
            port = int(self._port.read_bytes())
            password = self._password.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise StoreError("the event store has not started yet") from error
        return EventStore(f"http://127.0.0.1:{port}", password)
