"""Alembic's scripts: one file a revision, applied by `vedette.store.state.migrate`."""
