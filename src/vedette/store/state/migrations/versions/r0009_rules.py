"""Rule files with their versions; objects in Storage and what engines said of them."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text, time_or_null

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "rule",
        key("tenant"),
        key("kind"),
        key("name"),
        text("text", None),
        number("version", None),
        number("enabled", None),
        text("author"),
        number("created", None),
        number("changed", None),
        text("rules", "[]"),
        text("problems", "[]"),
    )
    op.create_table(
        "rule_version",
        key("tenant"),
        key("kind"),
        key("name"),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        text("author"),
        number("time", None),
        text("note"),
        text("text", None),
    )
    op.create_table(
        "object",
        key("tenant"),
        key("sha256"),
        text("md5", None),
        text("name"),
        text("source"),
        text("host"),
        text("added_by"),
        number("size", None),
        number("added", None),
        text("status"),
        text("reason"),
        text("findings", "[]"),
        text("rules"),
        time_or_null("scanned"),
    )
    op.create_index("object_by_time", "object", ["tenant", "added", "sha256"])
    op.create_index("object_by_digest", "object", ["sha256"])
    op.create_index("object_by_rules", "object", ["rules", "added"])
