"""Each form of a computed field says the same as SQL and as Python, for every combination of its inputs."""

from __future__ import annotations

import inspect
import itertools
from typing import TYPE_CHECKING

import pytest

from vedette.schema.views import FORMS

if TYPE_CHECKING:
    from tests.query.conftest import Store

VALUES = (
    None, "", "a", "AB", "inbound", "outbound", "set_value", "rename", "create", "ok", "unsigned", "NOERROR",
    "REG_DWORD", "REG_QWORD", "REG_BINARY", "1", "4294967297", "999999999999999999", "x'\\y",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORMS))
def test_sql_says_the_same(store: Store, name: str) -> None:
    form = FORMS[name]
    count = len(inspect.signature(form.value).parameters) if name != "first" else 2
    some = VALUES if count < 3 else VALUES[:8]
    rows = list(itertools.product(some, repeat=count))
    names = [f"i{number}" for number in range(count)]
    columns = ", ".join(f"arrayElement(row, {number + 1}) AS {one}" for number, one in enumerate(names))
    sql = (
        f"SELECT {form.sql(names)} FROM (SELECT {columns} FROM (SELECT arrayJoin(rows) AS row FROM "
        "(SELECT {rows:Array(Array(Nullable(String)))} AS rows)))"
    )
    found = [row[0] for row in store.events.query(sql, {"rows": [list(row) for row in rows]})]
    assert found == [form.value(*row) for row in rows]
