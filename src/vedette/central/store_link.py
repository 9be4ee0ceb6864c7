"""The connection to the event store of this Central Node, found again when the store restarts."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from vedette.central.layout import Layout
from vedette.central.settings import shard_urls
from vedette.runtime.errors import StoreError
from vedette.store.events import EventStore, EventStoreError

AUTHENTICATION_FAILED = 516
T = TypeVar("T")


def open_at(url: str, password: str) -> EventStore:
    """Give the event store at `url`, or the shards where it names several. Connects to nothing yet."""
    urls = shard_urls(url)
    if len(urls) == 1:
        return EventStore(urls[0], password)
    from vedette.store.shards import Shards

    return Shards({urlsplit(one).netloc: EventStore(one, password) for one in urls})


class StoreAddress:
    """Where the event store is: this node's own, wherever that listens now, or what `url` names."""

    def __init__(self, layout: Layout, url: str = "") -> None:
        self._url = url
        self._port: Path = layout.ready("store")
        self._password: Path = layout.remote_password if url else layout.store_password

    def find(self) -> tuple[str, str]:
        """Give URL and password. Raises StoreError."""
        try:
            url = self._url or f"http://127.0.0.1:{int(self._port.read_bytes())}"
            return url, self._password.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            if self._url:
                raise StoreError(f"the password of {self._url} must be in {self._password}: {error}") from error
            raise StoreError("the event store has not started yet") from error


class StoreLink:
    """Does work with the store. After a failure the next work reads the store's port and password again."""

    def __init__(self, address: StoreAddress) -> None:
        self._address = address
        self._store: EventStore | None = None

    def insert(self, data: bytes, token: str) -> None:
        """Insert an Arrow stream; the same token again stores nothing. Raises StoreError."""
        self.do(lambda store: store.insert(data, token=token))

    def do(self, work: Callable[[EventStore], T]) -> T:
        """Give what `work` gives. Raises StoreError."""
        if self._store is None:
            self._store = open_at(*self._address.find())
        try:
            return work(self._store)
        except EventStoreError as error:
            if error.code in {0, AUTHENTICATION_FAILED}:
                self._store.close()
                self._store = None
            raise
