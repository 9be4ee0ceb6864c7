"""Every example of docs/hunting.md is a query of the language it is shown for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.query import hunt, kata, sql
from vedette.query.statement import Window
from vedette.runtime.errors import QueryError
from vedette.schema.access import RIGHTS, Role, Scope

NOW = 1_795_000_000_000_000
PAGE = (Path(__file__).parents[2] / "docs" / "hunting.md").read_text(encoding="utf-8")
HUNT_PART, KATA_PART = PAGE.split("## KATA's source mode")
SCOPE = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def examples(part: str) -> list[str]:
    """Give the last cell of each row of the tables, and `field:value` texts in the prose."""
    rows = [line for line in part.splitlines() if line.startswith("| ") and not line.startswith("|--")]
    cells = [row.rstrip("| ").rsplit(" | ", 1)[-1].replace("\\|", "|") for row in rows]
    return [found.group(1) for cell in cells if (found := re.fullmatch(r"`([^`]+)`", cell))]


PROSE = [
    text
    for text in re.findall(
        r"`([^`\n]+)`", "\n".join(line for line in HUNT_PART.splitlines() if not line.startswith("|"))
    )
    if re.match(r"[A-Za-z@][\w.]*(?:[:=<>]|!=| in | not )\S", text)
]


@pytest.mark.parametrize("query", [*blocks("hunt"), *examples(HUNT_PART), *PROSE])
def test_hunt_example_is_accepted(query: str) -> None:
    if query.startswith("blocked.hash_type"):
        pytest.fail("not searchable")
    node = hunt.parse(query, now=NOW)
    assert sql.compile_events(node, SCOPE, Window(0, NOW), limit=1).parameters


@pytest.mark.parametrize("query", [*blocks("kata"), *examples(KATA_PART)])
def test_kata_example_is_accepted(query: str) -> None:
    assert sql.compile_events(kata.parse(query, now=NOW), SCOPE, Window(0, NOW), limit=1).parameters


def test_the_page_has_examples() -> None:
    assert len(examples(HUNT_PART)) > 20
    assert len(PROSE) > 15
    assert len(examples(KATA_PART)) >= 7


def test_the_refusal_is_as_shown() -> None:
    with pytest.raises(QueryError, match=r"there is no field “process\.file\.nmae”") as caught:
        hunt.parse("process.file.nmae:curl", now=NOW)
    assert "process.file.name" in caught.value.suggestions
