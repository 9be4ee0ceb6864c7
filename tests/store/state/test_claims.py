"""Claims: of what comes by two ingest nodes each batch is one segment's, whatever the order and the crashes."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.store.intervals import Intervals
from vedette.store.segment import RecordHead
from vedette.store.state import State, claims, ledger
from vedette.store.state.claims import Claim

EPOCH = "e" * 16
ONE, OTHER = 10**12, 2 * 10**12


def head(first: int, last: int, agent: str = "a" * 32) -> RecordHead:
    count = last - first + 1
    return RecordHead(agent=agent, epoch=EPOCH, first=first, last=last, count=count, received=0)


def claim(state: State, segment: int, *records: RecordHead) -> Claim:
    with state.write() as db:
        return claims.claim(db, segment, records)


def test_a_batch_that_came_by_two_nodes_is_the_first_segments(state: State) -> None:
    assert claim(state, ONE, head(1, 10), head(1, 10, "b" * 32)) == Claim()
    assert claim(state, OTHER, head(11, 20), head(1, 10), head(1, 10, "c" * 32)) == Claim(duplicates=(1,))


def test_the_same_segment_is_told_the_same_until_it_is_settled(state: State) -> None:
    claim(state, ONE, head(1, 10))
    told = claim(state, OTHER, head(1, 10), head(11, 20))
    assert told == claim(state, OTHER, head(1, 10), head(11, 20)) == Claim(duplicates=(0,))
    with state.write() as db:
        ledger.settle_segment(db, OTHER, (), now=5)
        claims.release(db, OTHER)
    assert claim(state, OTHER, head(1, 10), head(11, 20)).settled


def test_a_segment_forgotten_long_ago_gives_nothing_again(state: State) -> None:
    claim(state, ONE, head(1, 10))
    with state.write() as db:
        ledger.settle_segment(db, ONE, (), now=5)
        claims.release(db, ONE)
        assert ledger.forget_old_segments(db, 5) == 0
        assert ledger.forget_old_segments(db, 6) == 1
    assert claim(state, ONE, head(1, 10)) == Claim(duplicates=(0,))


def test_other_boundaries_are_named_with_what_is_new(state: State) -> None:
    claim(state, ONE, head(5, 10))
    assert claim(state, OTHER, head(1, 12), head(13, 14)) == Claim(overlaps=((0, 6),))


def test_more_streams_than_one_question_asks_for(state: State) -> None:
    many = [head(1, 2, f"{number:032x}") for number in range(2 * claims.STREAMS + 200)]
    assert claim(state, ONE, *many) == Claim()
    assert claim(state, OTHER, *many).duplicates == tuple(range(len(many)))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=30))
def test_batches_of_whole_boundaries_are_taken_exactly_once(drawn: list[tuple[int, int]]) -> None:
    held = {(letter * 32, EPOCH): Intervals() for letter in "abc"}
    records = [head(10 * at + 1, 10 * at + 10, "abc"[who] * 32) for at, who in drawn]
    told = claims.place(held, records)
    kept = [(one.agent, one.first) for place, one in enumerate(records) if place not in told.duplicates]
    assert not told.overlaps
    assert len(kept) == len(set(kept)) == len(set(drawn))
