"""The audit log shows whatever was done to it."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from vedette.runtime.errors import AccessDenied
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import State, audit
from vedette.store.state.rows import keepable

KEY = b"audit key"
TEXT = st.text(st.characters(), max_size=5)
ENTRIES = st.builds(
    audit.NewEntry,
    actor=TEXT,
    action=TEXT,
    target=TEXT,
    detail=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)


def write(state: State, count: int = 5) -> None:
    """Add numbered entries."""
    with state.write() as db:
        for number in range(1, count + 1):
            audit.append(db, KEY, audit.NewEntry(actor="ann", action="test", target=str(number)), now=number)


def verify(state: State, key: bytes = KEY) -> audit.Verification:
    """Check the log."""
    with state.read() as db:
        return audit.verify(db, key)


def tamper(state: State, *statements: str) -> None:
    """Do to the tables what an intruder could."""
    with state.write() as db:
        for statement in statements:
            db.execute(text(statement))


def test_an_untouched_log_is_whole(state: State) -> None:
    write(state)
    found = verify(state)
    assert (found.whole, found.entries, found.problem) == (True, 5, "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_any_text_goes_in_and_comes_back(state: State, entries: Sequence[audit.NewEntry]) -> None:
    with state.write() as db:
        kept = [audit.append(db, KEY, entry, now=1) for entry in entries]
        assert [entry.target for entry in kept] == [keepable(entry.target) for entry in entries]
        assert [audit.get(db, entry.sequence) for entry in kept] == kept
    assert verify(state).whole


@pytest.mark.parametrize(
    "column", ["time", "tenant", "actor", "via", "address", "action", "target", "outcome", "detail", "hash"]
)
def test_a_changed_column_names_its_entry(state: State, column: str) -> None:
    write(state)
    value = "77" if column == "time" else "'changed'"
    tamper(state, f"UPDATE audit SET {column} = {value} WHERE sequence = 3")
    found = verify(state)
    assert (found.whole, found.bad) == (False, 3)


@pytest.mark.parametrize(
    ("statements", "bad"),
    [
        (["DELETE FROM audit WHERE sequence = 1"], 1),
        (["DELETE FROM audit WHERE sequence = 3"], 3),
        (["DELETE FROM audit WHERE sequence = 5"], 5),
        (["DELETE FROM audit WHERE sequence = 3", "UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3"], 3),
        (["DELETE FROM audit WHERE sequence > 3",
          "UPDATE audit_head SET sequence = 3, hash = (SELECT hash FROM audit WHERE sequence = 3)"], 4),
        (["DELETE FROM audit", "DELETE FROM audit_head"], 1),
        (["DELETE FROM audit"], 1),
        (["CREATE TABLE c AS SELECT * FROM audit WHERE sequence = 5", "UPDATE c SET sequence = 6",
          "INSERT INTO audit SELECT * FROM c"], 6),
        (["UPDATE audit SET sequence = 9 WHERE sequence = 2", "UPDATE audit SET sequence = 2 WHERE sequence = 3",
          "UPDATE audit SET sequence = 3 WHERE sequence = 9"], 2),
    ],
    ids=["first", "middle", "last", "closed gap", "cut with head", "all", "all but head", "added", "swapped"],
)  # fmt: skip
def test_removed_added_and_moved_entries_are_found(state: State, statements: list[str], bad: int) -> None:
    write(state)
    tamper(state, *statements)
    found = verify(state)
    assert (found.whole, found.bad) == (False, bad)
    assert found.problem


def test_another_key_verifies_nothing(state: State) -> None:
    write(state)
    assert verify(state, b"other").bad == 1


def test_entry_and_deed_share_one_transaction(state: State) -> None:
    write(state, 1)
    with suppress(ZeroDivisionError), state.write() as db:
        audit.append(db, KEY, audit.NewEntry(actor="ann", action="test"), now=2)
        raise ZeroDivisionError
    assert verify(state).entries == 1


def test_pages_go_back_in_time_within_the_tenant(state: State, everything: Scope) -> None:
    write(state)
    with state.write() as db:
        audit.append(db, KEY, audit.NewEntry(actor="bob", action="test", tenant="other"), now=9)
        page = audit.page(db, everything, audit.Filter(), limit=2)
        assert [entry.sequence for entry in page] == [5, 4]
        page = audit.page(db, everything, audit.Filter(before=4, since=2, actor="ann", action="test"))
        assert [entry.sequence for entry in page] == [3, 2]
        officer = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.OFFICER])
        with pytest.raises(AccessDenied):
            audit.page(db, officer, audit.Filter())
