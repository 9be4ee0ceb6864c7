"""What asks too much: a partial answer or a problem that says so, and a store that goes on."""

import pytest
from tests.central.api.conftest import START, RealStore
from tests.central.api.test_events import Hunt, hunt, row
from tests.central.api.test_export import fill

from vedette.central.api.parts import Limits
from vedette.schema.access import Role

__all__ = ["hunt"]


@pytest.mark.parametrize("limits", [Limits(search_memory=4_000_000)])
def test_a_query_over_its_memory_is_told_and_the_store_lives(hunt: Hunt, real_store: RealStore) -> None:
    hunt.holds(row(1))
    fill(real_store, hunt.tenant, rows=20_000, command="repeat(hex(sipHash64(number)), 30)")
    found = hunt.caller(Role.OFFICER).post("/events/top", json={"field": "process.command_line"}).json()
    assert (found["complete"], found["reason"]) == (False, "memory")
    assert real_store.events.query("SELECT 1") == [(1,)]


def test_an_expression_that_is_slow_by_design_ends_with_its_time(hunt: Hunt, real_store: RealStore) -> None:
    hunt.holds(row(1))
    fill(real_store, hunt.tenant, rows=60_000, command="repeat(hex(sipHash64(number)), 8)")
    query = "process.command_line:/(a|b|ab)*.{200}q/ NOT user.name:x"
    found = hunt.search(query=query, seconds=0.5, since=START - 10**6)
    assert (found["complete"], found["reason"]) == (False, "time")
    assert real_store.events.query("SELECT 1") == [(1,)]


def test_an_expression_that_would_hold_up_the_store_is_refused(hunt: Hunt) -> None:
    hunt.holds(row(1))
    answer = hunt.caller().post("/events/search", json={"query": "process.command_line:/(a|b|ab)*.{400}q/"})
    assert (answer.status_code, "4,096" in answer.text) == (400, True)
