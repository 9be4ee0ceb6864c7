"""What the store lacks, has twice or has beyond the ledger is told, with the numbers that are missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.central.upkeep.conftest import NOW, Kept

from vedette.central.upkeep import ledger_check as module
from vedette.central.upkeep.ledger_check import LedgerCheck, within, without
from vedette.runtime.clock import DAY, MINUTE
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.retention import Drop, day_of
from vedette.store.state import agents, ledger, ledger_check, retention, tokens
from vedette.store.state.ledger_check import Difference
from vedette.store.state.ledger_days import DayCount

SCOPE = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.AUDITOR])
EPOCH = "e" * 16


def enrol(kept: Kept) -> str:
    with kept.state.write() as db:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(uses=9), now=NOW)
        return agents.enrol(db, tokens.sha256(secret), hostname="web", os="linux", now=NOW).id


def count(kept: Kept, agent: str, number: int, *, first: int, rows: int, back: int = 1, at: int = NOW - DAY) -> None:
    """Settle a segment that stored `rows` events of `back` days ago."""
    day = DayCount(day=day_of(NOW - back * DAY), stored=rows, first=first, last=first + rows - 1)
    counts = [ledger.StreamCount(agent=agent, epoch=EPOCH, stored=rows, received=at, days=(day,))]
    with kept.state.write() as db:
        ledger.settle_segment(db, number, counts, now=at)


def receive(kept: Kept, agent: str, *ranges: tuple[int, int]) -> None:
    with kept.state.write() as db:
        ledger.record_streams(db, [ledger.StreamReceived(agent=agent, epoch=EPOCH, ranges=ranges)], now=NOW)


def found(kept: Kept, *, at: int = NOW) -> list[Difference]:
    LedgerCheck(kept.do, kept.state, clock=lambda: at).run()
    with kept.state.read() as db:
        return ledger_check.differences(db, SCOPE, limit=100)


def test_what_agrees_is_no_difference_and_is_counted(kept: Kept) -> None:
    agent = enrol(kept)
    kept.insert("default", back=1, host=agent, first=1, rows=10)
    kept.insert("default", back=0, host=agent, first=11, rows=5)
    count(kept, agent, 1, first=1, rows=10)
    count(kept, agent, 2, first=11, rows=5, back=0)
    assert found(kept) == []
    with kept.state.read() as db:
        progress = ledger_check.progress(db, SCOPE)
    assert (progress.checked, progress.waiting, progress.oldest) == (2, 0, NOW)


def test_missing_numbers_are_named(kept: Kept) -> None:
    agent = enrol(kept)
    receive(kept, agent, (1, 110), (200, 300))
    kept.insert("default", back=1, host=agent, first=1, rows=40)
    kept.insert("default", back=2, host=agent, first=51, rows=10)  # of another day, but there
    kept.insert("default", back=1, host=agent, first=91, rows=10)
    count(kept, agent, 1, first=1, rows=110)
    (one,) = found(kept)
    assert (one.hostname, one.stored, one.held, one.missing, one.doubled) == ("web", 110, 50, 60, 0)
    assert one.places == [(41, 50), (61, 90), (101, 110)]


def test_doubled_rows_are_told_and_extra_ones_once_nothing_is_on_its_way(kept: Kept) -> None:
    agent = enrol(kept)
    for _ in range(2):
        kept.insert("default", back=1, host=agent, first=1, rows=10)
    kept.insert("default", back=1, host=agent, first=11, rows=3)
    count(kept, agent, 1, first=1, rows=10, at=NOW - MINUTE)
    (one,) = found(kept)
    assert (one.doubled, one.extra, one.missing) == (10, 0, 0)
    (one,) = found(kept, at=NOW + 2 * DAY)
    assert (one.doubled, one.extra, one.missing) == (10, 3, 0)


def test_a_removed_day_is_no_difference_and_a_mended_one_is_forgotten(kept: Kept) -> None:
    agent = enrol(kept)
    count(kept, agent, 1, first=1, rows=10)
    assert len(found(kept)) == 1
    kept.insert("default", back=1, host=agent, first=1, rows=10)
    assert len(found(kept)) == 1, "looked at again too soon"
    assert found(kept, at=NOW + 2 * DAY) == []
    with kept.state.write() as db:
        drop = Drop(tenant="default", day=day_of(NOW - DAY), rows=10, size=1, reason="days")
        retention.end_removal(db, retention.begin_removal(db, drop, now=NOW), now=NOW)
    kept.store.drop_day("default", day_of(NOW - DAY))
    assert found(kept, at=NOW + 9 * DAY) == []
    with kept.state.read() as db:
        assert ledger_check.progress(db, SCOPE).removed == 1


def test_a_run_is_bounded_and_the_next_goes_on(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKS", 1)
    monkeypatch.setattr(module, "EVENTS", 25)
    for number in range(4):
        agent = enrol(kept)
        kept.insert("default", back=1, host=agent, rows=10)
        count(kept, agent, number, first=1, rows=10)
    waiting = []
    for _ in range(2):
        assert found(kept) == []
        with kept.state.read() as db:
            waiting.append(ledger_check.progress(db, SCOPE).waiting)
    assert waiting == [2, 0]


NUMBERS = st.sets(st.integers(1, 40))


def ranges(numbers: set[int]) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if made and made[-1][1] == number - 1:
            made[-1] = (made[-1][0], number)
        else:
            made.append((number, number))
    return made


@given(NUMBERS, NUMBERS, st.integers(1, 40), st.integers(1, 40))
def test_ranges_are_sets(left: set[int], taken: set[int], first: int, last: int) -> None:
    assert without(ranges(left), ranges(taken)) == ranges(left - taken)
    assert within(ranges(left), first, last) == ranges({number for number in left if first <= number <= last})
