"""Storage in the state: whose an object is, and which of them wait to be scanned."""

from typing import Any

import pytest
from msgspec.structs import replace

from vedette.runtime.errors import AccessDenied, NotFoundError
from vedette.schema.access import RIGHTS, Right, Role, Scope
from vedette.schema.objects import ObjectFinding, StoredObject
from vedette.store.state import State, objects


def new(digit: str, **changes: Any) -> StoredObject:
    values: dict[str, Any] = {
        "tenant": "default", "sha256": digit * 64, "md5": "m", "name": "n\0", "size": 60, "source": "upload",
        "host": "", "added_by": "ann", "added": 1, "status": "", "reason": "", "findings": [], "rules": "",
        "scanned": None,
    }  # fmt: skip
    return StoredObject(**values | changes)


def test_objects_wait_until_they_were_scanned_with_the_rules_of_now(state: State, everything: Scope) -> None:
    with state.write() as db:
        for one in (new("a", added=2), new("b", added=1)):
            objects.add(db, one)
        first = objects.waiting(db, "v1")
        assert first is not None
        assert (first.sha256[0], first.name) == ("b", "n\ufffd")
        finding = ObjectFinding(rule="r", category="c", because={"$a": "\0"})
        objects.scanned(db, replace(first, status="detected", findings=[finding], rules="v1"), now=9)
        second = objects.waiting(db, "v1")
        assert second is not None
        assert second.sha256[0] == "a"
        objects.scanned(db, replace(second, status="clean", rules="v1"), now=9)
        assert objects.waiting(db, "v1") is None
        objects.rescan(db, second)
        assert objects.waiting(db, "v1") is not None
        assert objects.waiting(db, "v2") is not None
        told = objects.page(db, everything, status="detected")
        assert [(one.sha256[0], one.findings[0].category, one.scanned) for one in told] == [("b", "c", 9)]


def test_a_file_goes_with_the_last_row_that_speaks_of_it(state: State, everything: Scope) -> None:
    gone: list[str] = []
    with state.write() as db:
        for one in (new("a"), new("a", tenant="b"), new("c", added=5)):
            objects.add(db, one)
        objects.add(db, new("a", name="again", added=3))
        assert objects.taken(db) == 180
        assert [one.name for one in objects.page(db, everything)] == ["n\ufffd", "again"]
        objects.remove(db, objects.get(db, "a" * 64, everything), gone.append)
        assert (gone, objects.is_held(db, "a" * 64)) == ([], True)
        oldest = objects.oldest(db)
        assert oldest is not None
        objects.remove(db, oldest, gone.append)
        assert (gone, oldest.tenant) == (["a" * 64], "b")
        with pytest.raises(NotFoundError):
            objects.get(db, "a" * 64, everything)
        with pytest.raises(AccessDenied):
            objects.page(db, Scope(tenants=frozenset({"default"}), rights=frozenset({Right.ALERTS_READ})))
        assert objects.page(db, Scope(tenants=frozenset({"b"}), rights=RIGHTS[Role.AUDITOR])) == []
