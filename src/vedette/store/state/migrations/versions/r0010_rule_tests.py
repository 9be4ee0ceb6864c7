"""Rule files have test events of their own, and tell which types of events they look at."""

from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("rule", text("tests", "{}"))
    op.add_column("rule", text("types", "[]"))
