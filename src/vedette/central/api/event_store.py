"""The event store as searches ask it. It restarts on its own; then the next search finds it again."""

from vedette.central.layout import Layout
from vedette.query.search import Ask, Rows
from vedette.query.statement import Statement
from vedette.runtime.errors import StoreError
from vedette.store.events import EventStore, EventStoreError


def ask_of(layout: Layout) -> Ask:
    """Give what runs statements in the store of this data directory."""
    return _Asking(layout)


class _Asking:
    """Connects at the first statement, and anew when the store has another port or password."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._address: tuple[str, str] | None = None
        self._store: EventStore | None = None

    def __call__(self, statement: Statement) -> Rows:
        """Run a statement."""
        store = self._connected()
        try:
            return store.query(statement.sql, statement.parameters, statement.settings)
        except EventStoreError as error:
            if error.code:
                raise
            # Not an answer: the store was restarted under a connection that was kept.
            store.forget()
            return self._connected().query(statement.sql, statement.parameters, statement.settings)

    def _connected(self) -> EventStore:
        try:
            port = self._layout.ready("store").read_text(encoding="utf-8").strip()
            password = self._layout.store_password.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StoreError("the event store is not ready") from error
        address = (f"http://127.0.0.1:{port}", password)
        if self._store is None or self._address != address:
            self._store, self._address = EventStore(*address), address
        return self._store
