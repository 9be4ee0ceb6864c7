"""Releases of the agent, roll-outs, and tasks of hosts."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text, time_or_null

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "release",
        key("tenant"),
        key("version"),
        key("platform"),
        key("python"),
        text("sha256", None),
        number("size", None),
        number("unpacked", None),
        number("added", None),
        text("added_by"),
    )
    op.create_table(
        "rollout",
        key("id"),
        text("tenant", None),
        text("group_name", None),
        text("version", None),
        *(number(name, None) for name in ("percent", "pause_above", "hours", "minutes", "starts", "allow_older")),
        text("state", None),
        text("reason"),
        number("created", None),
        text("created_by"),
        number("updated", None),
    )
    op.create_table(
        "task",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        text("id", None),
        text("tenant", None),
        text("agent", None),
        text("type", None),
        text("rollout"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        text("key_id", None),
        number("created", None),
        number("expires", None),
        text("state", None),
        text("step"),
        time_or_null("progress"),
        time_or_null("total"),
        text("error"),
        time_or_null("updated"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("task_by_agent", "task", ["agent", "state"])
    op.create_index("task_by_rollout", "task", ["rollout"])
