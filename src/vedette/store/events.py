"""The event store as the other processes use it: ClickHouse SQL over HTTP, embedded or cluster alike."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from vedette.query.merge import Merge
from vedette.runtime.errors import StoreError
from vedette.store.event_table import DATABASE, TABLE
from vedette.store.hour_table import HOURS
from vedette.store.parts import Parts

USER = "vedette"
"""The embedded store looks at the password only; a cluster needs a user of this name."""

CONNECT_SECONDS, ANSWER_SECONDS = 5, 330
"""How long to wait for a connection, and for any answer: above the longest time limit of a statement."""


class EventStoreError(StoreError):
    """The event store refused or cannot be reached; `code` is ClickHouse's number, 0 when it gave none."""

    def __init__(self, problem: str, *, code: int = 0) -> None:
        self.code = code
        super().__init__(problem)


class Held(NamedTuple):
    """What the store has of one stream: rows, and different sequence numbers."""

    host: str
    epoch: str
    rows: int
    numbers: int


class Numbers(NamedTuple):
    """Sequence numbers of one stream, both ends included."""

    tenant: str
    host: str
    epoch: str
    first: int
    last: int


class Part(NamedTuple):
    """A part by the name of its folder, which begins with the id of its partition."""

    table: str
    partition: str
    name: str


class EventStore:
    """One store; may be used by several threads. Connects at the first use, again after `forget`.

    Every method raises EventStoreError.
    """

    def __init__(self, url: str, password: str) -> None:
        self._address = urlsplit(url)
        self._password = password
        self._lock = threading.Lock()
        self._made: Any = None

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        merge: Merge | None = None,  # noqa: ARG002 - one store has nothing to merge; `Shards` has
        partial: bool = False,  # noqa: ARG002 - one store answers or fails
    ) -> list[tuple[Any, ...]]:
        """Give all rows. `settings`: limits of time, memory and rows; the statement cannot change anything."""
        with _told():
            result = self._client().query(sql, parameters=dict(parameters or {}), settings=_reading(settings))
            return [tuple(row) for row in result.result_rows]

    def stream(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Give rows as they come; memory stays bounded however many there are."""
        with _told():
            client = self._client()
            with client.query_rows_stream(sql, parameters=dict(parameters or {}), settings=_reading(settings)) as rows:
                for row in rows:
                    yield tuple(row)

    def insert(self, data: bytes, *, token: str, table: str = TABLE) -> None:
        """Store an Arrow stream. The same token again stores nothing, whatever the data: never use one twice."""
        settings = {"insert_deduplication_token": token, **_INSERTING}
        with _told():
            self._client().raw_insert(table, insert_block=data, fmt="ArrowStream", settings=settings)

    def stop(self, query_id: str) -> None:
        """Stop the statement that another thread runs with the setting `query_id`; no matter if it has ended."""
        self.command(f"KILL QUERY WHERE query_id = {_text(query_id)} ASYNC")

    def command(self, sql: str) -> None:
        """Run a statement that changes definitions."""
        with _told():
            self._client().command(sql)

    def columns(self, table: str = TABLE) -> Sequence[str]:
        """Names of the columns that a table has."""
        statement = "SELECT name FROM system.columns WHERE table = {table:String} AND database = currentDatabase()"
        return [str(row[0]) for row in self.query(statement, {"table": table}, merge=Merge(fold=("key",)))]

    def parts(self, table: str = TABLE) -> list[Parts]:
        """Rows and bytes of each tenant and day, oldest first."""
        return [Parts(*row) for row in self.query(PARTS, {"table": table}, merge=PARTS_MERGED)]

    def held(self, tenant: str, hosts: Sequence[str], *, since: int, until: int) -> list[Held]:
        """Count rows and different sequence numbers of each stream of some hosts, by event time [since, until)."""
        bound = {"tenant": tenant, "hosts": list(hosts), "since": since, "until": until}
        return [Held(*row) for row in self.query(_HELD, bound, _COMPARING, merge=_HELD_MERGED)]

    def runs(self, numbers: Numbers, *, since: int, until: int) -> list[tuple[int, int]]:
        """Give the runs of these sequence numbers that are stored, ascending, at most 10,000."""
        rows = self.query(_RUNS, numbers._asdict() | {"since": since, "until": until}, _COMPARING)
        return [(int(low), int(high)) for low, high in rows]

    def drop_day(self, tenant: str, day: str) -> None:
        """Remove a day (2026-11-24) of a tenant; nothing happens when there is none."""
        partition = f"({_text(tenant)}, {_text(day)})"
        # The engine refuses to drop more than 50 GB at once unless told otherwise.
        for table in (TABLE, HOURS):
            self.command(f"ALTER TABLE {table} DROP PARTITION {partition} SETTINGS max_partition_size_to_drop = 0")

    def active_parts(self) -> list[Part]:
        """Give the parts that events and hours consist of at this moment."""
        return [Part(*row) for row in self.query(_ACTIVE, {"tables": [TABLE, HOURS]})]

    def freeze(self, table: str, partition: str, name: str) -> None:
        """Hard-link the parts of one partition under `shadow/<name>` of the engine's directory, where they stay."""
        self.command(f"ALTER TABLE {table} FREEZE PARTITION ID {_text(partition)} WITH NAME {_text(name)}")

    def forget(self) -> None:
        """Drop the connection: the store was restarted."""
        with self._lock:
            self._made = None

    def close(self) -> None:
        """Give back what it holds; it is not used any more."""
        self.forget()

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = clickhouse_connect.get_client(
                    interface=self._address.scheme,
                    host=self._address.hostname or "127.0.0.1",
                    port=self._address.port or 8123,
                    username=USER,
                    database=DATABASE,
                    password=self._password,
                    compress=False,  # costs more than it saves on loopback
                    autogenerate_session_id=False,  # a session serves one thread at a time
                    form_encode_query_params=True,  # a pasted list of digests does not fit an address
                    connect_timeout=CONNECT_SECONDS,
                    send_receive_timeout=ANSWER_SECONDS,
                )
            return self._made


_COMPARING = {"max_execution_time": 60, "max_memory_usage": 1_000_000_000}

_TIME = """`event.time` >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
    AND `event.time` < fromUnixTimestamp64Micro({until:Int64}, 'UTC')"""

_HELD = f"""
SELECT `host.id`, `event.epoch`, count(), groupBitmap(toUInt64(`event.sequence`)) FROM event
WHERE tenant = {{tenant:String}} AND `host.id` IN {{hosts:Array(String)}} AND {_TIME}
GROUP BY `host.id`, `event.epoch`
"""  # noqa: S608 - the text is a constant

_HELD_MERGED = Merge(fold=("key", "key", "sum", "sum"))

_RUNS = f"""
SELECT min(number), max(number) FROM (
    SELECT number, number - row_number() OVER (ORDER BY number) AS run FROM (
        SELECT DISTINCT `event.sequence` AS number FROM event
        WHERE tenant = {{tenant:String}} AND `host.id` = {{host:String}} AND `event.epoch` = {{epoch:String}}
            AND {_TIME} AND `event.sequence` BETWEEN {{first:Int64}} AND {{last:Int64}}))
GROUP BY run ORDER BY 1 LIMIT 10000
"""  # noqa: S608 - the text is a constant

_ACTIVE = """
SELECT table, partition_id, name FROM system.parts
WHERE active AND table IN {tables:Array(String)} AND database = currentDatabase()
ORDER BY table, partition_id, name
"""

_INSERTING = {
    # Events may be 21 days late, so a segment may touch many days of many tenants.
    "max_partitions_per_insert_block": "0",
}

PARTS = """
SELECT tupleElement(key, 1), tupleElement(key, 2), sum(rows), sum(bytes_on_disk), count()
FROM (SELECT rows, bytes_on_disk, CAST(partition, 'Tuple(String, String)') AS key FROM system.parts
      WHERE active AND table = {table:String} AND database = currentDatabase())
GROUP BY key ORDER BY tupleElement(key, 2), tupleElement(key, 1)
"""
"""Rows of `Parts` of the table that the parameter `table` names."""

PARTS_MERGED = Merge(fold=("key", "key", "sum", "sum", "sum"), order=((1, False), (0, False)))


def _reading(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**(settings or {}), "readonly": 2}


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _told:  # noqa: N801 - reads as the with statement it is made for
    """Turns the client library's errors into ours."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ClickHouseError):
            code = getattr(error, "code", None) or _code_in(str(error))
            what = "refused" if code else "cannot be reached"
            raise EventStoreError(f"the event store {what}: {_sentence(str(error))}", code=code) from error
        if isinstance(error, OSError):
            raise EventStoreError(f"the event store cannot be reached: {error}") from error


def _code_in(text: str) -> int:
    """Find the number in an error that came amid a result."""
    found = re.search(r"Code: (\d+)\.", text)
    return int(found[1]) if found else 0


def _sentence(text: str) -> str:
    """Cut the library's frame from an engine's message."""
    start = text.find("DB::Exception:")
    text = text[start + len("DB::Exception:") :] if start >= 0 else text
    return text.partition(" (for url ")[0].strip()[:2000]
