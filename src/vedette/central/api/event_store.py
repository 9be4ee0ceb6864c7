"""The event store as searches ask it. It restarts on its own; then the next search finds it again."""

from vedette.central.store_link import StoreAddress, open_at
from vedette.query.search import Rows
from vedette.query.statement import Statement
from vedette.store.events import EventStore, EventStoreError


class Asking:
    """Runs statements in the store at an address; connects anew when it has another port or password."""

    def __init__(self, address: StoreAddress) -> None:
        self._found = address
        self._address: tuple[str, str] | None = None
        self._store: EventStore | None = None

    def __call__(self, statement: Statement) -> Rows:
        """Run a statement."""
        store = self._connected()
        try:
            return _run(store, statement)
        except EventStoreError as error:
            if error.code:
                raise
            # Not an answer: the store was restarted under a connection that was kept.
            store.forget()
            return _run(self._connected(), statement)

    def stop(self, query_id: str) -> None:
        """Stop a statement that was given this setting `query_id`."""
        self._connected().stop(query_id)

    def _connected(self) -> EventStore:
        address = self._found.find()
        if self._store is None or self._address != address:
            if self._store is not None:
                self._store.close()
            self._store, self._address = open_at(*address), address
        return self._store


def _run(store: EventStore, statement: Statement) -> Rows:
    asked = statement.sql, statement.parameters, statement.settings
    return store.query(*asked, merge=statement.merge, partial=statement.partial)
