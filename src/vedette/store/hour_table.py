"""Counts by hour, tenant, event type and host: a table that the engine fills as events are inserted.

Exact whatever is replayed: a segment that comes again is dropped in both tables by its token, and one that got
into the event table only (a crash, a full disk) gets into this one when it comes again (test_hour_table.py).
"""

from vedette.store.event_table import REMEMBERED, TABLE

HOURS = "event_hour"
FEED = "event_hour_feed"
BUILDING = "event_hour_new"
ENGINE = "SummingMergeTree"

_SELECT = f"""SELECT tenant, toStartOfHour(`event.time`) AS hour, `event.type`, `host.id`, count() AS events
FROM {TABLE} GROUP BY tenant, hour, `event.type`, `host.id`"""  # noqa: S608 - the text is a constant

# As of the event table: the spool segment goes once the insert has answered, and may come again after a crash.
_SETTINGS = """min_bytes_for_wide_part = 134217728, fsync_after_insert = 1, fsync_part_directory = 1,
    auto_statistics_types = ''"""


def create_hours(name: str = HOURS, engine: str = ENGINE, *, where: str = "", remembered: str = REMEMBERED) -> str:
    """Statement that makes the table; days are partitions, as of events, so that both go together."""
    return f"""CREATE TABLE IF NOT EXISTS {name}{where} (
    tenant LowCardinality(String),
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `event.type` LowCardinality(String),
    `host.id` LowCardinality(String),
    events UInt64 CODEC(ZSTD(1))
) ENGINE = {engine}
PARTITION BY (tenant, toDate(hour))
ORDER BY (tenant, hour, `event.type`, `host.id`)
SETTINGS {remembered}, {_SETTINGS}"""


def create_feed(where: str = "") -> str:
    """Statement that lets inserts into the event table count."""
    return f"CREATE MATERIALIZED VIEW IF NOT EXISTS {FEED}{where} TO {HOURS} AS {_SELECT}"


def build() -> tuple[str, ...]:
    """Statements that count the events of a store that has none by hour yet; cut off, they are all done again."""
    return (
        f"DROP TABLE IF EXISTS {BUILDING}",
        create_hours(BUILDING),
        f"INSERT INTO {BUILDING} {_SELECT} SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 0",
        f"RENAME TABLE {BUILDING} TO {HOURS}",
    )
