"""What a host refuses to its agent, and why."""

from alembic import op

from vedette.store.state.migrations.versions.r0001_ground import text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("agent", text("refused", "{}"))
