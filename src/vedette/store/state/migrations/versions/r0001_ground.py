"""Accounts, agents, tokens, the ledger, settings and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the first release."""
    _accounts()
    _agents()
    _ledger()
    _audit()


def text(name: str, default: str | None = "") -> sa.Column[str]:
    """Declare a text column; no `default` means that every insert gives a value."""
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def number(name: str, default: str | None = "0") -> sa.Column[int]:
    """Declare a 64-bit integer: a count, or microseconds UTC."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


def time_or_null(name: str) -> sa.Column[int]:
    """Declare microseconds UTC, null until it happens."""
    return sa.Column(name, sa.BigInteger, nullable=True)


def key(name: str) -> sa.Column[str]:
    """Declare a text primary key."""
    return sa.Column(name, sa.Text, primary_key=True, nullable=False)


def _accounts() -> None:
    op.create_table(
        "account",
        key("id"),
        text("tenant", None),
        text("name", None),
        text("role", None),
        text("tenants", None),
        text("password_hash", None),
        number("must_change"),
        number("created", None),
        time_or_null("disabled"),
        time_or_null("last_login"),
        number("failures"),
        number("locked_until"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "session",
        key("id"),
        text("tenant", None),
        sa.Column("account", sa.Text, sa.ForeignKey("account.id"), nullable=False),
        text("sha256", None),
        number("created", None),
        number("last_used", None),
        number("expires", None),
        text("address"),
        text("user_agent"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_table(
        "api_token",
        key("id"),
        text("tenant", None),
        sa.Column("account", sa.Text, sa.ForeignKey("account.id"), nullable=False),
        text("name", None),
        text("sha256", None),
        text("rights", None),
        number("created", None),
        number("expires", None),
        time_or_null("last_used"),
        time_or_null("revoked"),
        sa.UniqueConstraint("sha256"),
    )


def _agents() -> None:
    op.create_table("host_group", key("tenant"), key("name"), text("description"), number("created", None))
    op.create_table(
        "enrolment_token",
        key("id"),
        text("tenant", None),
        text("group_name", None),
        text("sha256", None),
        text("note"),
        number("uses", None),
        number("used"),
        number("created", None),
        text("created_by"),
        number("expires", None),
        time_or_null("revoked"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_table(
        "agent",
        key("id"),
        text("tenant", None),
        text("group_name", None),
        text("token", None),
        text("hostname"),
        text("os"),
        text("version"),
        text("mode"),
        text("address"),
        number("enrolled", None),
        time_or_null("last_seen"),
        text("serial"),
        text("next_serial"),
        time_or_null("certificate_expires"),
        time_or_null("revoked"),
        number("settings_version"),
        number("spool_events"),
        time_or_null("spool_oldest"),
    )
    op.create_index("agent_by_tenant", "agent", ["tenant", "hostname"])
    op.create_table("version", key("name"), number("number", None))
    op.create_table(
        "settings_document",
        key("tenant"),
        key("group_name"),
        sa.Column("version", sa.BigInteger, primary_key=True, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        text("key_id", None),
        number("created", None),
        text("created_by"),
    )


def _ledger() -> None:
    op.create_table(
        "stream",
        key("agent"),
        key("epoch"),
        text("tenant", None),
        number("first_seen"),
        number("updated"),
        text("ranges", "[]"),
        number("received"),
        number("sent_last"),
        number("duplicates"),
        number("refused"),
        text("drops", "{}"),
        text("throttled", "{}"),
        number("expired"),
        number("spool_events"),
        time_or_null("spool_oldest"),
        number("stored"),
        number("dead_letter"),
        number("unknown_fields"),
        number("clock_corrected"),
    )
    op.create_table(
        "segment",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        number("settled", None),
        number("stored", None),
        number("dead_letter", None),
    )
    op.create_table("refusal", key("reason"), key("agent"), text("tenant", None), number("count"), number("last", None))


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        number("time", None),
        text("tenant", None),
        text("actor", None),
        text("via", None),
        text("address", None),
        text("action", None),
        text("target", None),
        text("outcome", None),
        text("detail", None),
        text("hash", None),
    )
    op.create_index("audit_by_time", "audit", ["time"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        number("sequence", None),
        text("hash", None),
        text("seal", None),
    )
