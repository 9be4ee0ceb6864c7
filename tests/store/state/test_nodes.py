"""Ingest nodes beside each other: numbers that are given once, streams added up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.errors import ConfigError
from vedette.store.state import State, ledger, nodes
from vedette.store.state.ledger import StreamReceived
from vedette.store.state.nodes import Share, Whole, union

AGENT, EPOCH = "a" * 32, "e" * 16


def share(*ranges: tuple[int, int], duplicates: int = 0, refused: int = 0) -> Share:
    return Share(agent=AGENT, epoch=EPOCH, ranges=ranges, duplicates=duplicates, refused=refused)


def test_a_number_is_one_spools_for_ever(state: State) -> None:
    for _ in range(2):
        with state.write() as db:
            nodes.register(db, 1, "x" * 32, now=1)
    with state.write() as db:
        nodes.register(db, 2, "y" * 32, now=1)
    with pytest.raises(ConfigError, match="node 1 is or was another spool"), state.write() as db:
        nodes.register(db, 1, "y" * 32, now=2)


def test_what_two_nodes_have_is_received_once_and_a_duplicate_once() -> None:
    assert union([share((1, 10), duplicates=3), share((8, 20), refused=2)]) == Whole(((1, 20),), 3 + 3, 2)


@given(st.lists(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=6), max_size=4))
def test_a_union_is_that_of_the_numbers(drawn: list[list[tuple[int, int]]]) -> None:
    sets = [{number for first, more in one for number in range(first, first + more + 1)} for one in drawn]
    shares = [share(*((number, number) for number in sorted(one))) for one in sets]
    whole = union(shares)
    numbers = [number for first, last in whole.ranges for number in range(first, last + 1)]
    assert numbers == sorted(set().union(*sets))
    assert whole.duplicates == sum(map(len, sets)) - len(numbers)


def test_the_ledger_has_what_all_nodes_have(state: State) -> None:
    def tell(node: int, first: int, last: int, **more: Any) -> None:
        told = StreamReceived(
            agent=AGENT, epoch=EPOCH, ranges=[(first, last)], sent_last=last, drops={"os_log": last}, **more
        )
        with state.write() as db:
            ledger.record_streams(db, [told], now=10, node=node)

    tell(1, 1, 10, duplicates=2)
    tell(2, 10, 30, expired=4)
    tell(1, 1, 10, duplicates=2)  # what this node heard is older
    with state.read() as db:
        row = db.exec_driver_sql("SELECT received, duplicates, sent_last, drops, expired, ranges FROM stream").one()
    assert tuple(row) == (30, 3, 30, '{"os_log":30}', 4, "[[1,30]]")
