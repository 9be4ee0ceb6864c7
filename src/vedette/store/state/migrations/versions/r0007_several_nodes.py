"""Several ingest and pipeline nodes: who has which number, what each received, what was taken from the bus."""

import sqlalchemy as sa
from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import key, number, text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "ingest_node",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        text("identity", None),
        number("registered", None),
    )
    op.create_table(
        "stream_at_node",
        key("agent"),
        key("epoch"),
        sa.Column("node", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        text("ranges", None),
        number("duplicates", None),
        number("refused", None),
    )
    op.create_table("claimed_stream", key("agent"), key("epoch"), text("ranges", None))
    op.create_table(
        "claim",
        sa.Column("segment", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        text("fates", None),
    )
