"""Findings and what an alert says of itself; exclusions; what engines remember between segments."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text, time_or_null

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, add the columns."""
    for name in ("assignee", "resolution", "advice"):
        op.add_column("alert", text(name))
    for name in ("tactics", "techniques", "users"):
        op.add_column("alert", text(name, "[]"))
    # slot 0: what is found again joins; another: too old for that, and open all the same.
    for name in ("vip", "slot", "kept"):
        op.add_column("alert", number(name))
    op.drop_index("alert_open", "alert")
    op.create_index(
        "alert_open",
        "alert",
        ["tenant", "technology", "rule", "host", "chain", "slot"],
        unique=True,
        sqlite_where=sa.text("status <> 'closed'"),
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.create_index("alert_by_change", "alert", ["changed", "id"])
    op.execute("UPDATE alert SET status = 'in_progress' WHERE status = 'acknowledged'")
    op.execute("UPDATE alert_step SET status = 'in_progress' WHERE status = 'acknowledged'")
    op.execute("UPDATE alert SET resolution = 'resolved' WHERE status = 'closed'")
    op.create_table(
        "finding",
        key("technology"),
        key("rule"),
        key("event"),
        sa.Column("alert", sa.Text, sa.ForeignKey("alert.id"), nullable=False),
        text("tenant", None),
        text("host", None),
        number("time", None),
        text("because", "{}"),
    )
    op.create_index("finding_of_alert", "finding", ["alert", "time", "event"])
    op.create_index("finding_by_event", "finding", ["event"])
    _exclusions()
    op.create_table(
        "engine_state",
        key("engine"),
        sa.Column("share", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        number("segment", None),
    )


def _exclusions() -> None:
    op.create_table(
        "exclusion",
        key("id"),
        text("tenant", None),
        *(text(name) for name in ("rule", "host", "user", "sha256", "path", "note", "created_by")),
        number("created", None),
        time_or_null("expires"),
        number("hits"),
        time_or_null("last_hit"),
    )
    op.create_index("exclusion_by_tenant", "exclusion", ["tenant", "created", "id"])
