"""The line: first come, first called, and a place is kept."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.central.ingest.line import KEPT, LONGEST_TURN, Line
from vedette.runtime.clock import SECOND

SPEED = 100.0
MANY = 10**9


def test_waits_grow_with_what_is_before_and_asking_again_changes_no_place() -> None:
    line = Line()
    assert [line.stand(agent, 1_000, 0, speed=SPEED) for agent in "abc"] == [1, 11, 21]
    assert line.stand("b", 1_000, SECOND, speed=SPEED) == 11
    line.call(1, MANY, SECOND)
    assert [line.is_called(agent) for agent in "abc"] == [True, False, False]
    assert line.stand("c", 1_000, SECOND, speed=SPEED) == 11


def test_who_was_let_in_stands_at_the_end() -> None:
    line = Line()
    for agent in "ab":
        line.stand(agent, 1_000, 0, speed=SPEED)
    line.call(1, MANY, 0)
    line.leave("a")
    assert line.stand("a", 1_000, 0, speed=SPEED) == 11
    line.call(1, MANY, 0)
    assert (line.is_called("b"), line.is_called("a")) == (True, False)


def test_one_that_was_called_may_come_late_but_not_for_ever() -> None:
    line = Line()
    line.stand("a", 1_000, 0, speed=SPEED)
    line.call(1, MANY, 0)
    line.call(0, MANY, KEPT)
    assert line.is_called("a")
    line.call(0, MANY, KEPT + 10 * SECOND)
    assert not line.is_called("a")


def test_no_more_are_called_than_can_be_let_in_until_they_had_time_to_come() -> None:
    line = Line()
    for agent in "abc":
        line.stand(agent, 1_000, 0, speed=10_000)
    line.call(MANY, 1_500, 0)
    assert [line.is_called(agent) for agent in "abc"] == [True, True, False]
    line.call(MANY, 1_500, SECOND)
    assert not line.is_called("c")
    line.call(MANY, 1_500, 5 * SECOND)
    assert line.is_called("c")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5_000)), max_size=100), st.integers(1, 20_000))
def test_everybody_is_called_in_the_order_of_the_first_visit(visits: list[tuple[int, int]], room: int) -> None:
    line = Line()
    for agent, count in visits:
        assert 1 <= line.stand(str(agent), count, 0, speed=SPEED) <= LONGEST_TURN
    first_visits = list(dict.fromkeys(str(agent) for agent, _ in visits))
    called: list[str] = []
    for _ in range(len(visits) + 1):
        line.call(room, MANY, 0)
        now = [agent for agent in first_visits if line.is_called(agent)]
        called += [agent for agent in now if agent not in called]
    assert called == first_visits
    assert len(line) == 0
