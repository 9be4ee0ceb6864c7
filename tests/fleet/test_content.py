"""Bodies with new numbers and times are batches as agents send them."""

import pytest

from vedette.fleet.content import USES, Content
from vedette.fleet.endpoint import Endpoint
from vedette.wire.batch import BatchHeader, decode, frame, rows

NOW = 1_800_000_000_000_000


@pytest.mark.parametrize("count", [1, 3, 200])
def test_every_number_comes_once_and_every_time_is_new(count: int) -> None:
    content = Content(count, clock=lambda: NOW - 10**12)
    first = 1
    for turn in range(USES + 2):
        newest = NOW + turn
        header = BatchHeader(
            agent="a" * 32, epoch="1" * 16, first=first, last=first + count - 1, count=count, sent=newest
        )
        events = rows(decode(frame(header, content.body(first=first, newest=newest))))
        assert [event["event.sequence"] for event in events] == list(range(first, first + count))
        assert max(event["event.time"] for event in events) == newest
        assert all(newest - event["event.time"] < 60_000_000 for event in events)
        assert all(event.get("process.start_time", newest) <= newest for event in events)
        first += count


def test_a_batch_is_used_a_few_times_only() -> None:
    content = Content(5, clock=lambda: NOW)
    bodies = [content.body(first=1, newest=NOW) for _ in range(2 * USES)]
    assert len(set(bodies[:USES])) == 1
    assert bodies[0] != bodies[USES]


def test_replayed_events_come_in_their_order_and_again() -> None:
    events = Endpoint(1).events(3)
    content = Content(4, clock=lambda: NOW, replayed=events)
    header = BatchHeader(agent="a" * 32, epoch="1" * 16, first=1, last=4, count=4, sent=NOW)
    found = [event["event.type"] for event in rows(decode(frame(header, content.body(first=1, newest=NOW))))]
    types = [event.__struct_config__.tag for event in events]
    assert found == [*types, types[0]]
