"""How long events of each tenant stay, and what was removed."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text, time_or_null

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "retention_rule",
        key("tenant"),
        number("days", None),
        number("size", None),
        number("changed", None),
        text("changed_by", None),
    )
    op.create_table(
        "retention_removal",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        text("tenant", None),
        text("day", None),
        number("rows", None),
        number("size", None),
        text("reason", None),
        number("begun", None),
        time_or_null("done"),
    )
