"""Numbers that grow whenever something changes, for those who keep a copy of it."""

from sqlalchemy import Connection, text

BUMP = text("""
INSERT INTO version (name, number) VALUES (:name, 1)
ON CONFLICT (name) DO UPDATE SET number = version.number + 1
""")

VERSIONS = text("SELECT name, number FROM version")


def changed(db: Connection, name: str) -> None:
    """Tell those who keep a copy of what is called `name`."""
    db.execute(BUMP, {"name": name})


def current(db: Connection) -> dict[str, int]:
    """Give the number of everything that has ever changed."""
    return {row.name: row.number for row in db.execute(VERSIONS)}
