"""Alerts and what was done about them; agents that stopped in order; what left an agent's buffer, by type."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text, time_or_null

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, add the columns."""
    op.create_table(
        "alert",
        key("id"),
        text("tenant", None),
        text("technology", None),
        text("rule", None),
        text("title", None),
        text("severity", None),
        text("status", None),
        text("host"),
        text("chain"),
        text("why", "{}"),
        number("first", None),
        number("last", None),
        number("count", "1"),
        number("raised", None),
        number("changed", None),
    )
    op.create_index("alert_by_time", "alert", ["tenant", "raised", "id"])
    op.create_index("alert_by_host", "alert", ["host", "rule", "first"])
    # Two findings of the same thing at the same moment: one makes the alert, the other joins it.
    op.create_index(
        "alert_open",
        "alert",
        ["tenant", "technology", "rule", "host", "chain"],
        unique=True,
        sqlite_where=sa.text("status <> 'closed'"),
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.create_table(
        "alert_step",
        sa.Column("alert", sa.Text, sa.ForeignKey("alert.id"), primary_key=True, nullable=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        number("time", None),
        text("actor"),
        text("status", None),
        text("note"),
    )
    op.add_column("agent", time_or_null("stopped"))
    op.add_column("stream", text("aged", "{}"))
    op.add_column("stream", text("overflowed", "{}"))
