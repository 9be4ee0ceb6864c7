"""Files become an engine; a restart finds the table again, and a damaged one is made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vedette.engines.ioc.engine import Ioc
from vedette.engines.ioc.loading import IocText, load
from vedette.wire.batch import BatchHeader, RawBatch, RawColumns
from vedette.wire.merge import Arrival, Batch, merge

LIST = IocText("list", "list.txt", b"evil.example")
STIX = IocText("stix", "s.json", json.dumps({
    "type": "bundle", "objects": [
        {"type": "indicator", "id": "i1", "pattern": "[domain-name:value LIKE 'a%' AND domain-name:value LIKE '%z']"},
        {"type": "indicator", "id": "i2", "pattern": "[domain-name:value = 'only.example']"},
    ],
}).encode())  # fmt: skip
BAD = IocText("bad", "bad.txt", b"0" * 40)


def batch(*names: str) -> Batch:
    rows = len(names)
    columns: dict[str, Any] = {
        "event.sequence": (list(range(rows)), bytes(range(rows))),
        "dns.query": (list(names), bytes(range(rows))),
    }
    header = BatchHeader(agent="a" * 32, epoch="e" * 16, first=0, last=rows - 1, count=rows, sent=1)
    raw = RawBatch(header, {"dns_query": RawColumns(rows, columns)})
    return merge([Arrival(batch=raw, host="a" * 32, tenant="t", epoch="e" * 16, received=1)])


def found(engine: Ioc) -> list[tuple[str, int]]:
    names = ("www.evil.example", "a.z", "only.example", "x.only.example")
    return sorted((one.rule, one.row) for one in engine.inspect(batch(*names)))


EXPECTED = [("list", 0), ("stix", 1), ("stix", 2)]


def test_rules_and_lists_of_several_files_work_together(tmp_path: Path) -> None:
    engine = load([LIST, BAD, STIX], tmp_path / "t")
    assert found(engine) == EXPECTED
    assert {engine.facts(rule).title for rule, _row in EXPECTED} == {"list.txt", "s.json"}


def test_a_restart_finds_the_table_again_and_other_files_make_another(tmp_path: Path) -> None:
    path = tmp_path / "t"
    load([LIST, STIX], path)
    before = path.read_bytes()
    assert found(load([LIST, STIX], path)) == EXPECTED
    assert path.read_bytes() == before
    assert found(load([STIX], path)) == EXPECTED[1:]
    assert path.read_bytes() != before


@pytest.mark.parametrize("damage", [b"", b"VDTIOC1\n", b"x" * 5_000])
def test_a_damaged_table_is_made_again(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "t"
    load([LIST, STIX], path)
    path.write_bytes(damage or path.read_bytes()[:-1])
    assert found(load([LIST, STIX], path)) == EXPECTED
