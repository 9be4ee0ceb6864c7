"""The tables of shards that are ClickHouse servers: those of the embedded engine under another engine.

Vedette asks each shard for its own tables. The tables named `_all` show every shard's rows to other programs; they
place hosts as Vedette does (`shard_of`), where the cluster's shards are in the order of `store_url` and weigh the same.
"""

import re

from vedette.runtime.errors import ConfigError
from vedette.store import event_table, hour_table
from vedette.store.event_table import DATABASE, TABLE
from vedette.store.hour_table import HOURS

PLACE = "CRC32(`host.id`)"
"""What ClickHouse calls `shard_of`, before the division."""

# The default forgets tokens after an hour, and a segment may come again after a longer outage.
_REMEMBERED = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 2592000"


def create_all(cluster: str) -> tuple[str, ...]:
    """Statements that make everything on all servers of `cluster`; again they change nothing. Raises ConfigError."""
    where = _where(cluster)
    on_each = {"where": where, "remembered": _REMEMBERED}
    return (
        f"CREATE DATABASE IF NOT EXISTS {DATABASE}{where}",
        f"USE {DATABASE}",
        event_table.create_table(_replicated("MergeTree", TABLE), **on_each),
        hour_table.create_hours(engine=_replicated("SummingMergeTree", HOURS), **on_each),
        hour_table.create_feed(where),
        *(
            f"CREATE TABLE IF NOT EXISTS {name}_all{where} AS {name}\n"
            f"ENGINE = Distributed('{cluster}', '{DATABASE}', '{name}', {PLACE})"
            for name in (TABLE, HOURS)
        ),
    )


def upgrade_all(cluster: str) -> tuple[str, ...]:
    """Statements that add to the tables of an older version what they lack. Raises ConfigError."""
    where = _where(cluster)
    columns = event_table.add_columns((), where=where)
    shown = re.sub(r", ADD INDEX[^\n]*", "", columns).replace(f"TABLE {TABLE}", f"TABLE {TABLE}_all", 1)
    return f"USE {DATABASE}", columns, shown


def _where(cluster: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", cluster):
        raise ConfigError(f"{cluster!r} is no name of a cluster: letters, digits, _ and - only")
    return f" ON CLUSTER '{cluster}'"


def _replicated(engine: str, table: str) -> str:
    return f"Replicated{engine}('/clickhouse/tables/{{shard}}/{DATABASE}/{table}', '{{replica}}')"
