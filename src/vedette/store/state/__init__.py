"""State that changes: accounts, agents, tokens, the ledger, settings, the audit log. SQLite or PostgreSQL.

One module per subject, one function per question. A function takes a connection from `State.read()` or
`State.write()`, so that a caller decides what is one transaction.
"""

from vedette.store.state.database import State, open_state, sqlite_url
from vedette.store.state.migrate import migrate

__all__ = ["State", "migrate", "open_state", "sqlite_url"]
