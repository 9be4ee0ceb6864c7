"""What engines remember between segments: written with the segment's number, so that a restart goes on from there."""

from collections.abc import Mapping

from sqlalchemy import Connection, text

KEEP = text("""
INSERT INTO engine_state (engine, share, state, segment) VALUES (:engine, :share, :state, :segment)
ON CONFLICT (engine, share) DO UPDATE SET state = excluded.state, segment = excluded.segment
""")

OF_SHARE = text("SELECT engine, state FROM engine_state WHERE share = :share")


def keep(db: Connection, states: Mapping[str, bytes], *, share: int, segment: int) -> None:
    """Write what the engines of a share remember after `segment`."""
    if states:
        values = [
            {"engine": name, "share": share, "state": state, "segment": segment} for name, state in states.items()
        ]
        db.execute(KEEP, values)


def of_share(db: Connection, share: int) -> dict[str, bytes]:
    """Give what each engine of a share remembered last."""
    return {row.engine: bytes(row.state) for row in db.execute(OF_SHARE, {"share": share})}
