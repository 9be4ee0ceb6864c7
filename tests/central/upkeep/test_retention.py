"""Old events go, whatever is killed meanwhile, on a full disk too, and nothing goes without being counted."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.central.upkeep.conftest import KEY, NOW, Kept

from vedette.central.exclusive import exclusively
from vedette.central.upkeep.reserve import Reserve
from vedette.central.upkeep.retention import Retention
from vedette.runtime.errors import StoreError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.events import EventStore, EventStoreError
from vedette.store.retention import Policy, Rule
from vedette.store.state import retention

SCOPE = Scope(tenants=frozenset({"a", "b", "it's"}), rights=RIGHTS[Role.ADMINISTRATOR])
TWO_DAYS = Policy(default=Rule(days=2))


def chore(
    kept: Kept, policy: Policy, do: Callable[[Callable[[EventStore], Any]], Any] | None = None, *, reserve: int = 4096
) -> Retention:
    held = Reserve(kept.process.data / "reserve", reserve)
    return Retention(do or kept.do, kept.state, held, audit_key=KEY, policy=policy, clock=lambda: NOW)


def removals(kept: Kept) -> list[tuple[str, int, bool]]:
    """Give (tenant, rows, done) of what was removed, newest first."""
    with kept.state.read() as db:
        found = retention.removals(db, SCOPE, before=2**62, limit=100)
    return [(one.tenant, one.rows, one.done is not None) for one in found]


def test_old_days_go_are_counted_and_audited_once(kept: Kept) -> None:
    for tenant in ("a", "it's"):
        for back in range(4):
            kept.insert(tenant, back=back, rows=10 + back)
    with kept.state.write() as db:
        retention.set_rule(db, "it's", Rule(days=3), now=NOW, changed_by="ann")
    for _ in range(2):
        chore(kept, TWO_DAYS).run()
    assert kept.days() == {("a", 0): 10, ("a", 1): 11, ("it's", 0): 10, ("it's", 1): 11, ("it's", 2): 12}
    assert removals(kept) == [("a", 12, True), ("it's", 13, True), ("a", 13, True)]
    assert kept.audited() == [
        ("storage.remove", "a", "2024-10-01", "days"),
        ("storage.remove", "it's", "2024-10-01", "days"),
        ("storage.remove", "a", "2024-10-02", "days"),
    ]
    with kept.state.read() as db:
        assert retention.removed(db, SCOPE)["a"].rows == 25


def test_the_oldest_go_until_the_bytes_fit(kept: Kept) -> None:
    for back in range(5):
        kept.insert("a", back=back, rows=2_000)
    each = max(part.size for part in kept.store.parts())
    chore(kept, Policy(size=3 * each)).run()
    assert sorted(back for _, back in kept.days()) == [0, 1, 2]


def test_what_was_begun_before_a_crash_is_finished_and_counted_once(kept: Kept) -> None:
    for back in range(3):
        kept.insert("a", back=back)

    def dying(work: Callable[[EventStore], Any]) -> Any:
        done = work(kept.store)
        if done is None:  # it has just removed a day
            raise StoreError("killed")
        return done

    with pytest.raises(StoreError, match="killed"):
        chore(kept, TWO_DAYS, dying).run()
    assert removals(kept) == [("a", 10, False)]
    chore(kept, Policy()).run()
    assert removals(kept) == [("a", 10, True)]
    assert len(kept.audited()) == 1


def test_nobody_removes_while_another_holds_the_lock(tmp_path: Path) -> None:
    with exclusively(tmp_path / "lock") as first, exclusively(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with exclusively(tmp_path / "lock") as again:
        assert again


@pytest.mark.root
def test_room_is_made_on_a_full_disk(small_disk: Path, kept: Kept, store_at: Any) -> None:
    kept.process.stop()
    kept.process = store_at(small_disk)
    kept.store = kept.process.start()
    chore(kept, Policy(), reserve=2 << 20).run()
    for back in range(59, 0, -1):
        kept.insert("a", back=back, rows=4_000)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(small_disk).f_bavail == 0
    with pytest.raises(EventStoreError):
        kept.insert("a", back=0)
    chore(kept, Policy(default=Rule(days=3)), reserve=2 << 20).run()
    assert os.statvfs(small_disk).f_bavail > 0
    assert kept.days() == {("a", 2): 4_000, ("a", 1): 4_000}
    kept.insert("a", back=0, rows=10)
    assert kept.days()["a", 0] == 10
