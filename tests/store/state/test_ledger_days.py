"""The ledger by day: what ingest tells absolutely becomes what each day brought."""

from vedette.runtime.clock import DAY
from vedette.schema.access import Scope
from vedette.store.retention import day_of
from vedette.store.state import State, ledger, ledger_days
from vedette.store.state.ledger import StreamReceived

UNIDENTIFIED = Scope(tenants=frozenset({""}), rights=frozenset({"ledger.read"}))  # type: ignore[arg-type]
FIRST = 20_000 * DAY + DAY // 2


def days(state: State) -> list[ledger_days.Arrived]:
    with state.read() as db:
        return ledger_days.arrived(db, UNIDENTIFIED, "a", before=("9", ""), limit=100)


def tell(state: State, at: int, *ranges: tuple[int, int], **more: object) -> None:
    told = StreamReceived(agent="a", epoch="e1", ranges=ranges, **more)  # type: ignore[arg-type]
    with state.write() as db:
        ledger.record_streams(db, [told], now=at)


def test_each_day_has_what_it_brought(state: State) -> None:
    tell(state, FIRST, (1, 10), sent_last=12, throttled={"file_change/budget.cpu": 5}, drops={"dns_query": 1})
    tell(state, FIRST, (1, 12), sent_last=15, throttled={"file_change/budget.cpu": 7}, drops={"dns_query": 1})
    tell(state, FIRST + DAY, (1, 12), (16, 20), sent_last=20, duplicates=3, expired=3, aged={"os_log": 3})
    tell(state, FIRST + DAY, (1, 12), (16, 20), throttled={"file_change/budget.cpu": 8, "os_log/rate": 2})
    new, old = days(state)
    assert (old.day, new.day) == (day_of(FIRST), day_of(FIRST + DAY))
    assert (old.sent_from, old.sent_to, old.received, old.duplicates, old.expired) == (0, 15, 12, 0, 0)
    assert (old.throttled, old.drops) == ({"file_change/budget.cpu": 7}, {"dns_query": 1})
    assert (new.sent_from, new.sent_to, new.received, new.duplicates, new.expired) == (15, 20, 5, 3, 3)
    assert (new.throttled, new.drops, new.aged) == ({"file_change/budget.cpu": 1, "os_log/rate": 2}, {}, {"os_log": 3})


def test_the_same_told_again_brings_nothing(state: State) -> None:
    for at in (FIRST, FIRST, FIRST + DAY):
        tell(state, at, (1, 10), sent_last=10, throttled={"x": 2})
    tell(state, FIRST + 2 * DAY, (1, 10))  # ingest has started again and knows of no header yet
    (only,) = days(state)
    assert (only.received, only.sent_to, only.throttled) == (10, 10, {"x": 2})


def test_segments_count_on_the_day_of_their_receipt(state: State) -> None:
    counts = [
        ledger.StreamCount(agent="a", epoch="e1", stored=4, dead_letter=1, received=FIRST),
        ledger.StreamCount(agent="a", epoch="e1", stored=2, received=FIRST + DAY),
    ]
    with state.write() as db:
        for _ in range(2):
            ledger.settle_segment(db, 7, counts, now=FIRST + 3 * DAY)
    assert [(one.day, one.stored, one.dead_letter) for one in days(state)] == [
        (day_of(FIRST + DAY), 2, 0), (day_of(FIRST), 4, 1),
    ]  # fmt: skip
