"""What ingest tells the state, and when."""

from typing import Any

import pytest

from vedette.central.ingest import bookkeeping as module
from vedette.central.ingest.bookkeeping import Bookkeeping
from vedette.central.ingest.refusal import Refused
from vedette.runtime.clock import MINUTE, SECOND
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
    book.hear(header(20, drops={"file_change": 1}, expired=4), address="192.0.2.1", at=NOW)
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
    book.hear(header(20), address="", at=NOW)
    book.hear(header(5), address="", at=NOW)
    assert book.take(NOW).streams[0].sent_last == 20


def test_an_agent_is_noted_once_a_minute() -> None:
    book = Bookkeeping()
    book.hear(header(1), address="192.0.2.1", at=NOW)
    assert [seen.address for seen in book.take(NOW).seen] == ["192.0.2.1"]
    book.hear(header(2), address="192.0.2.2", at=NOW + SECOND)
    assert book.take(NOW + SECOND).seen == []
    assert [seen.at for seen in book.take(NOW + MINUTE).seen] == [NOW + SECOND]
    assert book.take(NOW + 3 * MINUTE).seen == []


def test_rows_beyond_one_transaction_wait_for_the_next() -> None:
    book = Bookkeeping()
    keys = [StreamKey(f"{number:032x}", KEY.epoch) for number in range(module.ROWS + 7)]
    book.keep(durable(1, key) for key in keys)
    first, second = book.take(NOW).streams, book.take(NOW).streams
    assert (len(first), len(second)) == (module.ROWS, 7)
    assert {row.agent for row in first + second} == {key.agent for key in keys}


def test_what_could_not_be_written_is_told_again() -> None:
    book = Bookkeeping()
    book.hear(header(10), address="", at=NOW)
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


def test_senders_are_those_heard_in_the_last_minute() -> None:
    book = Bookkeeping()
    book.hear(header(1), address="", at=NOW)
    book.hear(header(1, agent="b" * 32), address="", at=NOW + MINUTE)
    assert book.senders(NOW + MINUTE) == 1


def test_an_agent_cannot_begin_streams_without_end() -> None:
    book = Bookkeeping()
    for number in range(module.EPOCHS):
        book.hear(header(1, epoch=f"{number:016x}"), address="", at=NOW)
    with pytest.raises(Refused) as caught:
        book.hear(header(1, epoch="f" * 16), address="", at=NOW)
    assert caught.value.reason == "batch_scattered"
    book.hear(header(2, epoch=f"{0:016x}"), address="", at=NOW)
    assert len(book._headers) <= module.HEADERS + 1
