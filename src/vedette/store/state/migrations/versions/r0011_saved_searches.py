"""Searches that people keep."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "saved_search",
        key("id"),
        text("tenant", None),
        text("owner", None),
        text("owner_name", None),
        text("name", None),
        text("language", None),
        text("query", None),
        text("since"),
        text("until"),
        text("columns", "[]"),
        number("shared"),
        number("version", None),
        number("created", None),
        number("changed", None),
        sa.UniqueConstraint("tenant", "owner", "name"),
    )
    op.create_index("saved_search_by_name", "saved_search", ["tenant", "name", "id"])
