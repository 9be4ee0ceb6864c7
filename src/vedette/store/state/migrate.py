"""Bringing the state database to the revision of this code. Only the Central Node's supervisor calls it."""

import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from vedette.runtime.errors import StoreError
from vedette.store.state.database import connect

_SCRIPTS = Path(__file__).with_name("migrations")


def migrate(url: str) -> None:
    """Create or upgrade the tables, all in one transaction. Raises StoreError, or ConfigError as `connect`."""
    from alembic import command
    from alembic.config import Config

    engine = connect(url)
    address = engine.url
    if address.get_backend_name() == "sqlite" and address.database:
        _create_private(Path(address.database))
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.connect() as db, db.begin():
            config.attributes["connection"] = db
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise StoreError(f"the state database cannot be upgraded: {error}") from error
    finally:
        engine.dispose()


def _create_private(path: Path) -> None:
    """Make the file readable by its owner only; SQLite gives its side files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
