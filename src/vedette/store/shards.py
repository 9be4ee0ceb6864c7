"""Several event stores as one: each has the events of some hosts. The one place where a question fans out.

A shard is a store process, a ClickHouse server, or several of those that replicate one another behind one address. An
insert succeeds once every shard has its part; again it stores nothing twice, since each shard knows the token. A
question goes to all, and how their rows become one answer is said by its `Merge`.
"""

import hashlib
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from vedette.query.merge import Merge, Row, Rows, merged
from vedette.store.columns import ipc_stream
from vedette.store.event_table import TABLE
from vedette.store.events import EventStore, EventStoreError, Numbers
from vedette.store.intervals import Intervals

HOST = "host.id"
THREADS = 8
"""Statements on one shard at the same time."""
PATIENCE = 2.0
"""Seconds beyond a statement's time limit after which a partial answer goes without a shard that hangs."""
AWAY_SECONDS = 3.0
"""How long a shard that did not answer is left out of what may be partial: an address that says nothing costs 5 s."""

T = TypeVar("T")


class Shards(EventStore):
    """The event stores in `nodes`, by name. Their order says where hosts are, so it must stay.

    Every method raises EventStoreError; its code is 0 when a shard cannot be reached.
    """

    def __init__(self, nodes: Mapping[str, EventStore]) -> None:
        self._nodes = dict(nodes)
        # Part of each token: with other shards a segment that comes again is cut otherwise, and a shard that knew its
        # token would drop rows that it never had.
        self._placement = hashlib.blake2b("\n".join(nodes).encode(), digest_size=4).hexdigest()
        # One for each: a shard that hangs must not take the threads of the others.
        self._pools = {name: ThreadPoolExecutor(THREADS, thread_name_prefix=name) for name in nodes}
        self._away: dict[str, float] = {}

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        merge: Merge | None = None,
        partial: bool = False,
    ) -> list[Row]:
        """Give the rows of all shards put together; if `partial`, those of the shards that answer."""
        if merge is None:
            raise ValueError(f"how do the rows of several shards become one answer? {sql[:200]}")
        bound = {**(parameters or {}), **(dict([merge.widened]) if merge.widened else {})}
        names = [name for name in self._nodes if not (partial and self._is_away(name))]
        patience = float((settings or {}).get("max_execution_time", 0)) + PATIENCE if partial else None
        found, missing = self._ask(names, lambda node, _: node.query(sql, bound, settings), patience)
        missing = [name for name in self._nodes if name in missing or name not in names]
        if missing and (not partial or not found):
            raise _unavailable(missing)
        cut = merge.widened is not None and any(len(rows) >= merge.widened[1] for rows in found)
        return Rows(merged(found, merge), missing=tuple(missing), cut=cut)

    def insert(self, data: bytes, *, token: str, table: str = TABLE) -> None:
        """Store an Arrow stream of events: each row on its host's shard, under the same token.

        What a shard refuses while another took its part passes for a shard that is away, lest a part be stored and the
        whole be set aside.
        """
        parts = split(data, list(self._nodes))
        refusals: list[EventStoreError] = []

        def insert(node: EventStore, name: str) -> None:
            try:
                node.insert(parts[name], token=f"{token}@{self._placement}", table=table)
            except EventStoreError as error:
                if not error.code:
                    raise
                refusals.append(EventStoreError(f"{name}: {error}", code=error.code))

        _, missing = self._ask(parts, insert)
        if missing:
            raise _unavailable(missing)
        if 0 < len(refusals) < len(parts):
            raise EventStoreError(f"the shards do not agree; this is tried again: {refusals[0]}")
        if refusals:
            raise refusals[0]

    def command(self, sql: str) -> None:
        """Run a statement that changes definitions on every shard."""
        self._all(lambda node, _: node.command(sql))

    def runs(self, numbers: Numbers, *, since: int, until: int) -> list[tuple[int, int]]:
        """Give the runs of these sequence numbers that are stored, on whatever shard."""
        found = self._all(lambda node, _: node.runs(numbers, since=since, until=until))
        return list(Intervals(run for runs in found for run in runs).pairs())

    def forget(self) -> None:
        """Drop every connection."""
        for node in self._nodes.values():
            node.forget()

    def close(self) -> None:
        """Drop every connection and end the threads."""
        for pool in self._pools.values():
            pool.shutdown(wait=False)
        self.forget()

    def _client(self) -> Any:
        raise TypeError("this is for the store of one node")

    def _all(self, call: Callable[[EventStore, str], T]) -> list[T]:
        """Give what every shard gives."""
        found, missing = self._ask(self._nodes, call)
        if missing:
            raise _unavailable(missing)
        return found

    def _ask(
        self, names: Iterable[str], call: Callable[[EventStore, str], T], patience: float | None = None
    ) -> tuple[list[T], list[str]]:
        """Ask shards at the same time; gives what they give, and which did not answer, within `patience` seconds."""
        running = {name: self._pools[name].submit(call, self._nodes[name], name) for name in names}
        deadline = None if patience is None else time.monotonic() + patience
        found: list[T] = []
        missing: list[str] = []
        failures: list[EventStoreError] = []
        for name, one in running.items():
            try:
                found.append(one.result(None if deadline is None else max(0, deadline - time.monotonic())))
                self._away.pop(name, None)
            except (EventStoreError, TimeoutError) as error:
                if isinstance(error, EventStoreError) and error.code:
                    failures.append(error)
                else:
                    missing.append(name)
                    self._away[name] = time.monotonic()
                    self._nodes[name].forget()
        if failures:
            raise failures[0]
        return found, missing

    def _is_away(self, name: str) -> bool:
        return time.monotonic() - self._away.get(name, -AWAY_SECONDS) < AWAY_SECONDS


def shard_of(host: str, count: int) -> int:
    """Say which of `count` shards has a host's events. As ClickHouse can say it too (`cluster_tables`)."""
    return zlib.crc32(host.encode()) % count


def split(data: bytes, names: Sequence[str]) -> dict[str, bytes]:
    """Cut an Arrow stream of events into one for each shard that gets any."""
    table = pa.ipc.open_stream(data).read_all()
    hosts: Any = table.column(HOST).combine_chunks()
    if not pa.types.is_dictionary(hosts.type):
        hosts = hosts.dictionary_encode()
    places = np.array([shard_of(host, len(names)) for host in hosts.dictionary.to_pylist()], dtype=np.int64)
    wanted = places[hosts.indices.to_numpy(zero_copy_only=False)]
    present = np.unique(wanted)
    if len(present) == 1:
        return {names[present[0]]: data}
    return {names[place]: ipc_stream(table.take(np.flatnonzero(wanted == place))) for place in present}


def _unavailable(missing: Sequence[str]) -> EventStoreError:
    return EventStoreError(f"the event store on {', '.join(missing)} cannot be reached")
