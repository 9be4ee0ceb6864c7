"""What ingest tells the state, and when."""

from typing import Any

import pytest

from vedette.central.ingest import bookkeeping as module
from vedette.central.ingest.bookkeeping import Bookkeeping
from vedette.central.ingest.refusal import Refused
from vedette.runtime.clock import MINUTE, SECOND
from vedette.store.spool import Outcome
from vedette.store.streams import StreamKey, StreamState
from vedette.wire.header import BatchHeader

NOW = 1_800_000_000_000_000
KEY = StreamKey("a" * 32, "1" * 16)


def header(last: int, **changes: Any) -> BatchHeader:
    wanted: dict[str, Any] = {"agent": KEY.agent, "epoch": KEY.epoch, "first": 1, "count": last, "sent": NOW}
    return BatchHeader(last=last, **{**wanted, **changes})


def durable(last: int, key: StreamKey = KEY) -> StreamState:
    return StreamState(key=key, ranges=((1, last),), duplicates=2, refused=3)


def test_a_row_has_what_is_durable_and_what_the_header_said() -> None:
    book = Bookkeeping()
    book.hear(header(20, drops={"file_change": 1}, expired=4), Outcome.FULL, address="192.0.2.1", at=NOW)
    book.keep([durable(10)])
    (row,) = book.take(NOW).streams
    assert (row.ranges, row.sent_last, row.duplicates, row.refused) == (((1, 10),), 20, 2, 3)
    assert (row.drops, row.expired) == ({"file_change": 1}, 4)
    assert not book.take(NOW)


def test_without_a_header_what_the_state_has_is_left_alone() -> None:
    book = Bookkeeping()
    book.keep([durable(10)])
    (row,) = book.take(NOW).streams
    assert (row.sent_last, row.drops, row.throttled, row.expired, row.spool_events) == (None,) * 5


def test_the_highest_number_reported_stays() -> None:
    book = Bookkeeping()
    book.hear(header(20), Outcome.FULL, address="", at=NOW)
    book.hear(header(5), Outcome.FULL, address="", at=NOW)
    assert book.take(NOW).streams[0].sent_last == 20


def test_an_agent_is_noted_once_a_minute() -> None:
    book = Bookkeeping()
    book.hear(header(1), Outcome.FULL, address="192.0.2.1", at=NOW)
    assert [seen.address for seen in book.take(NOW).seen] == ["192.0.2.1"]
    book.hear(header(2), Outcome.FULL, address="192.0.2.1", at=NOW + SECOND)
    assert book.take(NOW + SECOND).seen == []
    assert [seen.at for seen in book.take(NOW + MINUTE).seen] == [NOW + SECOND]
    assert book.take(NOW + 3 * MINUTE).seen == []


def test_an_agent_that_says_something_else_of_itself_is_noted_at_once() -> None:
    book = Bookkeeping()
    book.hear(header(1), Outcome.FULL, address="192.0.2.1", at=NOW)
    book.take(NOW)
    book.hear(header(2, mode="kernel:tracepoint"), Outcome.FULL, address="192.0.2.1", at=NOW + SECOND)
    assert [seen.mode for seen in book.take(NOW + SECOND).seen] == ["kernel:tracepoint"]


def test_a_receipt_counts_before_its_segment_is_sealed() -> None:
    book = Bookkeeping()
    book.hear(header(10), Outcome.STORED, address="", at=NOW)
    book.hear(header(20, first=11, count=10), Outcome.STORED, address="", at=NOW)
    book.hear(header(30, first=21, count=10), Outcome.FULL, address="", at=NOW)
    book.hear(header(10), Outcome.DUPLICATE, address="", at=NOW)
    book.hear(header(15), Outcome.OVERLAP, address="", at=NOW)
    (row,) = book.take(NOW).streams
    assert (row.ranges, row.sent_last, row.duplicates, row.refused) == (((1, 20),), 30, 10, 15)


def test_rows_beyond_one_transaction_wait_for_the_next() -> None:
    book = Bookkeeping()
    keys = [StreamKey(f"{number:032x}", KEY.epoch) for number in range(module.ROWS + 7)]
    book.keep(durable(1, key) for key in keys)
    first, second = book.take(NOW).streams, book.take(NOW).streams
    assert (len(first), len(second)) == (module.ROWS, 7)
    assert {row.agent for row in first + second} == {key.agent for key in keys}


def test_what_could_not_be_written_is_told_again() -> None:
    book = Bookkeeping()
    book.hear(header(10), Outcome.FULL, address="", at=NOW)
    book.keep([durable(10)])
    book.refuse("batch_broken", KEY.agent)
    entries = book.take(NOW)
    book.put_back(entries)
    again = book.take(NOW)
    assert (again.streams, again.seen, again.refused) == (entries.streams, entries.seen, entries.refused)


def test_refusals_are_counted_by_reason_and_agent() -> None:
    book = Bookkeeping()
    for _ in range(3):
        book.refuse("batch_broken", KEY.agent)
    book.refuse("token_used")
    assert book.take(NOW).refused == {("batch_broken", KEY.agent): 3, ("token_used", ""): 1}
    assert not book.take(NOW)


def test_refusals_of_very_many_agents_are_counted_together() -> None:
    book = Bookkeeping()
    for number in range(module.REFUSED_AGENTS + 50):
        book.refuse("agent_unknown", f"{number:032x}")
    refused = book.take(NOW).refused
    assert refused["agent_unknown", ""] == 50
    assert sum(refused.values()) == module.REFUSED_AGENTS + 50


def test_an_agent_cannot_begin_streams_without_end() -> None:
    book = Bookkeeping()
    for number in range(module.EPOCHS):
        book.admit(StreamKey(KEY.agent, f"{number:016x}"))
        book.hear(header(1, epoch=f"{number:016x}"), Outcome.FULL, address="", at=NOW)
    with pytest.raises(Refused) as caught:
        book.admit(StreamKey(KEY.agent, "f" * 16))
    assert caught.value.reason == "batch_scattered"
    book.admit(StreamKey(KEY.agent, f"{0:016x}"))
    assert len(book._headers) <= module.HEADERS + 1
