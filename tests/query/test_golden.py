"""Queries, how they are understood, and the SQL they become; and what wrong ones are told. `--regold` rewrites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.query import hunt, kata, sql
from vedette.query.explain import describe
from vedette.query.statement import Window
from vedette.runtime.errors import QueryError
from vedette.schema.access import RIGHTS, Role, Scope

NOW = 1_795_000_000_000_000
WINDOW = Window(NOW - 86_400_000_000, NOW)
SCOPE = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
GOLDEN = Path(__file__).parent.parent / "golden" / "query"
CASES = sorted(GOLDEN.iterdir())
PARSE = {".hunt": hunt.parse, ".kata": kata.parse}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_query_gives_the_recorded_answer(case: Path, *, regold: bool) -> None:
    (source,) = (path for path in case.iterdir() if path.suffix in PARSE)
    given = answers(source.read_text(encoding="utf-8").removesuffix("\n"), source.suffix)
    if regold:
        for stale in case.glob("*.txt"):
            stale.unlink()
        for name, text in given.items():
            (case / name).write_text(text, encoding="utf-8")
    assert given == {path.name: path.read_text(encoding="utf-8") for path in case.glob("*.txt")}


def answers(text: str, language: str) -> dict[str, str]:
    """Give the files that a case should hold beside its query."""
    try:
        node = PARSE[language](text, now=NOW)
    except QueryError as error:
        line = text.split("\n")[error.line - 1]
        mark = " " * (error.column - 1) + "^"
        hints = "".join(f"did you mean {name}\n" for name in error.suggestions)
        return {"error.txt": f"{error.line}:{error.column} @{error.offset}\n{line}\n{mark}\n{error.problem}\n{hints}"}
    statement = sql.compile_events(node, SCOPE, WINDOW, limit=100, columns=("event.type",))
    values = "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in statement.parameters.items()
    )
    return {"tree.txt": describe(node) + "\n", "sql.txt": f"{statement.sql}\n\n{values}"}
