"""What is in Storage is scanned, again when rules change, and never called clean when it was not looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.central.scanner import app
from vedette.central.scanner.app import Scanner
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.objects import StoredObject
from vedette.schema.rules import RuleCheck, RuleKind, RuleText
from vedette.store.objects import ObjectFiles
from vedette.store.state import State, alerts, migrate, objects, open_state, rules, sqlite_url
from vedette.store.state.rules import Saved

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@pytest.fixture
def files(tmp_path: Path) -> ObjectFiles:
    folder = tmp_path / "objects"
    folder.mkdir()
    return ObjectFiles(folder, b"k" * 32)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    url = sqlite_url(tmp_path / "state.sqlite")
    migrate(url)
    opened = open_state(url)
    yield opened
    opened.close()


@pytest.fixture
def everything() -> Scope:
    return Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


def put(state: State, files: ObjectFiles, data: bytes, **more: Any) -> str:
    with files.writing() as writer:
        writer.write(data)
        written = writer.finish()
        values: dict[str, Any] = {
            "tenant": "default", "sha256": written.sha256, "md5": written.md5, "name": "a.bin", "size": written.size,
            "source": "upload", "host": "", "added_by": "ann", "added": 1, "status": "", "reason": "", "findings": [],
            "rules": "", "scanned": None,
        }  # fmt: skip
        with state.write() as db:
            files.keep(written)
            objects.add(db, StoredObject(**values | more))
    return written.sha256


def save(state: State, text: str, tenant: str = "default") -> None:
    rule = RuleText(kind=RuleKind.YARA, name="mine", text=text)
    with state.write() as db:
        rules.put(db, Saved(rule=rule, check=RuleCheck(rules=("x",)), tenant=tenant, author="ann"), now=1)


def test_objects_are_scanned_once_and_again_when_rules_change(
    state: State, files: ObjectFiles, everything: Scope
) -> None:
    bad, good = put(state, files, EICAR), put(state, files, b"harmless marker-77")
    scanner = Scanner(state, files, most=1 << 30)

    def all_of_it() -> dict[str, tuple[str, list[str]]]:
        while scanner.step():
            pass
        with state.read() as db:
            return {
                one.sha256: (one.status, [finding.category for finding in one.findings])
                for one in objects.page(db, everything)
            }

    assert all_of_it()[good] == ("clean", [])
    assert all_of_it()[bad][0] == "detected"
    save(state, 'rule Marker { strings: $a = "marker-77" condition: $a }')
    save(state, 'rule Foreign { strings: $a = "marker-77" condition: $a }', tenant="other")
    assert all_of_it()[good] == ("detected", ["Marker"])
    with state.write() as db:
        objects.rescan(db, objects.get(db, good, everything))
    assert all_of_it()[good] == ("detected", ["Marker"])
    with state.read() as db:
        raised = {one.rule: one for one in alerts.page(db, everything)}
    marker = raised["default/mine:Marker"]
    assert (marker.technology, marker.count, marker.why["file.sha256"]) == ("yara", 1, good)
    assert b"marker-77".hex() in marker.why["$a"]
    assert len(raised) == 2


def test_what_was_not_looked_at_is_not_clean(
    state: State, files: ObjectFiles, everything: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LARGEST", 100)
    large, gone = put(state, files, b"x" * 101), put(state, files, b"y")
    files.remove(gone)
    scanner = Scanner(state, files, most=1 << 30)
    while scanner.step():
        pass
    with state.read() as db:
        told = {one: objects.get(db, one, everything) for one in (large, gone)}
    assert (told[large].status, told[large].reason.partition(":")[0]) == ("not_scanned", "too_large")
    assert (told[gone].status, told[gone].reason.partition(":")[0]) == ("not_scanned", "vanished")


def test_the_oldest_go_when_storage_is_full_and_what_another_tenant_has_stays(
    state: State, files: ObjectFiles, everything: Scope
) -> None:
    first, second = put(state, files, b"a" * 60, added=1), put(state, files, b"b" * 60, added=2)
    put(state, files, b"a" * 60, added=3, tenant="other")
    Scanner(state, files, most=130).tidy()
    with state.read() as db:
        assert [one.sha256 for one in objects.page(db, everything)] == [second]
    assert {name for name, _ in files.present()} == {first, second}
    Scanner(state, files, most=0).tidy()
    assert list(files.present()) == []
