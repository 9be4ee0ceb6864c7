"""A rule says the same as SQL on the store, as a predicate on a row, and in the engine on the stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engines.taa.made import batch_of
from tests.engines.taa.oracle import Oracle

from vedette.engines.taa import Taa, load, read_folder
from vedette.normalise import windows
from vedette.query import sql
from vedette.query.statement import Window
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.columns import arrow_table, ipc_stream

if TYPE_CHECKING:
    from tests.query.conftest import Store

    from vedette.query.sigma import Rule
    from vedette.wire.merge import Batch

WINDOW = Window(0, 4_000_000_000_000_000)
TENANT = "recorded"
SCOPE = Scope(tenants=frozenset({TENANT}), rights=RIGHTS[Role.ADMINISTRATOR])


@pytest.fixture(scope="module")
def recorded(shared_data: Path, store: Store) -> Batch:
    """SigmaHQ's recorded events, in the store's table as well."""
    files = sorted((shared_data / "sigma" / "regression_data").rglob("*.evtx"))
    batch = batch_of([event for path in files for event in windows.read(path)], tenant=TENANT)
    store.events.insert(ipc_stream(arrow_table(batch)), token="recorded")
    return batch


@pytest.fixture(scope="module")
def rules(shared_data: Path) -> tuple[Rule, ...]:
    """The rules of the recorded events, and every sixtieth of the others."""
    cases = {path.stem for path in (shared_data / "sigma" / "regression_data").rglob("*.evtx")}
    wanted = [f"id: {case}".encode() for case in cases]
    folders = sorted((shared_data / "sigma").glob("rules*"))
    texts = [text for folder in folders for text in read_folder(folder)]
    chosen = [one for at, one in enumerate(texts) if at % 60 == 0 or any(line in one.text for line in wanted)]
    return load(chosen).compiled.rules


def by_sql(store: Store, rule: Rule) -> set[int]:
    statement = sql.compile_events(rule.node(), SCOPE, WINDOW, limit=10_000, columns=("event.sequence",))
    at = statement.columns.index("event.sequence")
    return {int(row[at]) for row in store.ask(statement)}


def test_stream_sql_and_predicate_find_the_same_events(store: Store, recorded: Batch, rules: tuple[Rule, ...]) -> None:
    from vedette.engines.taa.compiled import Compiled

    sequence = recorded.numbers["event.sequence"]
    streamed: dict[str, set[int]] = {rule.id: set() for rule in rules}
    named: dict[str, set[int]] = {rule.id: set() for rule in rules}
    for one in Taa(Compiled(rules)).inspect(recorded):
        streamed[one.rule].add(int(sequence[one.row]))
    for rule, row in Oracle(rules).find(recorded):
        named[rule].add(int(sequence[row]))
    assert streamed == named
    assert sum(map(len, streamed.values())) > 120
    assert {rule.id: by_sql(store, rule) for rule in rules} == streamed
