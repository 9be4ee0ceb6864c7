"""What a batch costs however few events it has: python bench/small_batches.py.

A host makes an event every few seconds, and agents send soon after one; so most batches of a fleet have one to three
events, and what is paid for each batch and each stream counts for more than what is paid for an event. Measured apart,
CPU time of one thread: receiving (bench/receive.py with batches of 3), decoding and joining a segment of 2,000 small
batches against the same events in few, and the state's rows for them (SQLite): the ledger of ingest, the settling of a
segment, the claim that several nodes need.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import receive  # type: ignore[import-not-found] # beside this file
from vedette.central.pipeline.prepare import Prepared, prepare
from vedette.fleet.endpoint import Endpoint
from vedette.runtime.clock import now
from vedette.store.columns import arrow_table, ipc_stream
from vedette.store.segment import Record
from vedette.store.state import claims, ledger, migrate, open_state, sqlite_url
from vedette.store.state.ledger import StreamReceived
from vedette.wire.batch import BatchHeader, Builder, frame

BATCHES, SIZE, ROUNDS = 2_000, 3, 5
EPOCH = "e" * 16


def main() -> None:
    """Measure and print one JSON line each."""
    small = records(BATCHES, SIZE)
    large = records(BATCHES * SIZE // 1_000, 1_000)
    joined = cpu(lambda _: rows_of(small)) - cpu(lambda _: rows_of(large))
    with tempfile.TemporaryDirectory(prefix="vedette-small-", dir="/var/tmp") as folder:
        told = receive.measure(Path(folder) / "receive", 8_000 * SIZE, SIZE, 16)
        tell("small_batch_receive", float(told["value"]) * SIZE, "ingest, 16 connections")
        tell("small_batch_join", joined / BATCHES * 1e6, f"{BATCHES} batches of {SIZE} against batches of 1000")
        size = sum(len(one.body) for one in small) / BATCHES
        print(json.dumps(line("small_batch_bytes", size, "bytes a batch", f"frames of {SIZE} events")))
        for name, seconds in state_costs(Path(folder), small).items():
            tell(name, seconds / BATCHES * 1e6, f"{BATCHES} streams, SQLite")


def records(count: int, size: int) -> list[Record]:
    """Make a segment of so many batches, each of another agent."""
    endpoints = [Endpoint(number) for number in range(20)]
    made = []
    for number in range(count):
        agent = f"{number:032x}"
        body = Builder(endpoints[number % len(endpoints)].events(size)).encode(1)
        header = BatchHeader(agent=agent, epoch=EPOCH, first=1, last=size, count=size, sent=now())
        made.append(
            Record(agent=agent, epoch=EPOCH, first=1, last=size, count=size, received=now(), body=frame(header, body))
        )
    return made


def rows_of(segment: Sequence[Record]) -> Prepared:
    """Do what the pipeline does with a segment before it inserts."""
    prepared = prepare(segment, {record.agent: "default" for record in segment})
    ipc_stream(arrow_table(prepared.batch))
    return prepared


def state_costs(folder: Path, segment: Sequence[Record]) -> dict[str, float]:
    """Give the CPU seconds of the state's transactions for one segment."""
    migrate(sqlite_url(folder / "state.sqlite"))
    state = open_state(sqlite_url(folder / "state.sqlite"))
    counts = rows_of(segment).counts

    def settle(number: int) -> None:
        with state.write() as db:
            ledger.settle_segment(db, number, counts, now=now())

    def claim(number: int) -> None:
        with state.write() as db:
            claims.claim(db, BATCHES + number, segment)

    def record(number: int) -> None:
        for start in range(0, BATCHES, 500):
            streams = [
                StreamReceived(agent=one.agent, epoch=EPOCH, ranges=[(1, number + 3)], sent_last=number + 3, drops={})
                for one in segment[start : start + 500]
            ]
            with state.write() as db:
                ledger.record_streams(db, streams, now=now())

    try:
        return {
            "small_batch_ledger": cpu(record),
            "small_batch_settle": cpu(settle),
            "small_batch_claim": cpu(claim),
        }
    finally:
        state.close()


def cpu(work: Callable[[int], object]) -> float:
    """Give the CPU seconds of one round, the median of some; the first warms up."""
    spent = []
    for number in range(ROUNDS + 1):
        before = time.process_time()
        work(number)
        spent.append(time.process_time() - before)
    return sorted(spent[1:])[ROUNDS // 2]


def tell(name: str, value: float, how: str) -> None:
    """Print one line."""
    print(json.dumps(line(name, value, "us of CPU a batch", how)), flush=True)


def line(name: str, value: float, unit: str, how: str) -> dict[str, object]:
    """Give one line."""
    return {"name": name, "value": round(value, 1), "unit": unit, "how": f"bench/small_batches.py: {how}"}


if __name__ == "__main__":
    main()
