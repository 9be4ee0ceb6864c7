"""The event store's process: the ClickHouse HTTP interface over an embedded ClickHouse engine (chDB)."""
