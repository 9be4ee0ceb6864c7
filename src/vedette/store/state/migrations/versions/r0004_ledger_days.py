"""The ledger by day of receipt and by day of the events, and what a comparison with the store found."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text, time_or_null

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "stream_day",
        key("agent"),
        key("epoch"),
        key("day"),
        text("tenant", None),
        *map(number, ("sent_from", "sent_to", "received", "duplicates", "refused", "expired")),
        *map(number, ("stored", "dead_letter")),
        *(text(name, "{}") for name in ("drops", "throttled", "aged", "overflowed")),
    )
    op.create_table(
        "event_day",
        key("agent"),
        key("epoch"),
        key("day"),
        text("tenant", None),
        *map(number, ("stored", "first", "last", "updated", "removed")),
        time_or_null("checked"),
        *map(number, ("held", "missing", "extra", "doubled")),
        text("places", "[]"),
    )
    op.create_index("event_day_by_day", "event_day", ["tenant", "day"])
    op.create_index("event_day_by_check", "event_day", [sa.text("COALESCE(checked, 0)")])
