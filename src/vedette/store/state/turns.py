"""Reading in order to write: one at a time, also on PostgreSQL, whose transactions run side by side."""

from enum import IntEnum

from sqlalchemy import Connection, text


class Turn(IntEnum):
    """What must not be done by two at once; the numbers are those of PostgreSQL's advisory locks."""

    LEDGER = 7_001
    CLAIMS = 7_002


_WAIT = text("SELECT pg_advisory_xact_lock(:number)")


def wait_for_turn(db: Connection, turn: Turn) -> None:
    """Wait until no other transaction has this turn; it ends with the transaction. SQLite has one writer anyway."""
    if db.dialect.name == "postgresql":
        db.execute(_WAIT, {"number": int(turn)})
