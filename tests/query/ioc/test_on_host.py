"""Whole files over the items of a host: lists by look-up, rules by evaluation, and which indicator it was."""

from __future__ import annotations

import json
import time

import pytest

from vedette.query.ioc.evaluate import Item
from vedette.query.ioc.file import read
from vedette.query.ioc.on_host import evaluate_file

LIST = (
    "evil.example\nhost=only.example\n10.0.0.0/8\n2001:db8::1\n"
    + "A" * 32
    + "\nhttp://evil.example/x\nfile_name=Bad.exe"
)


def one(kind: str, fact: str, *values: str) -> list[Item]:
    return [Item(kind, {fact: values})]


@pytest.mark.parametrize(
    ("items", "holds", "met"),
    [
        (one("DnsEntryItem", "Host", "fine.example", "www.EVIL.example."), True, "evil.example"),
        (one("DnsEntryItem", "host", "a.only.example"), False, ""),
        (one("dnsentryitem", "Host", "ONLY.example"), True, "only.example"),
        (one("PortItem", "remoteIP", "10.9.9.9"), True, "10.0.0.0/8"),
        (one("PortItem", "remoteIP", "2001:DB8:0::1"), True, "2001:db8::1"),
        (one("PortItem", "remoteIP", "none"), False, ""),
        (one("FileItem", "Md5sum", "a" * 32), True, "a" * 32),
        (one("UrlHistoryItem", "URL", "HTTP://Evil.example:80/x/#y"), True, "http://evil.example/x"),
        (one("FileItem", "FileName", "BAD.EXE"), True, "bad.exe"),
        (one("FileItem", "FileName", "good.exe"), False, ""),
        (one("ServiceItem", "name", "x"), None, ""),
        ([], None, ""),
    ],
)
def test_indicators_are_looked_up(items: list[Item], holds: object, met: str) -> None:
    verdict = evaluate_file(read(LIST.encode(), "list"), items)
    assert verdict.holds is holds
    assert [match.value for match in verdict.matched] == ([met] if met else [])


def test_a_match_names_the_line_of_the_list() -> None:
    verdict = evaluate_file(read(LIST.encode(), "list"), one("FileItem", "Md5sum", "a" * 32))
    assert [match.line for match in verdict.matched] == [5]


def test_rules_and_indicators_of_one_file_are_alternatives() -> None:
    patterns = ["[file:name = 'a' AND file:size > 5]", "[domain-name:value = 'evil.example']"]
    objects = [{"type": "indicator", "id": f"i{n}", "pattern": pattern} for n, pattern in enumerate(patterns)]
    found = read(json.dumps({"type": "bundle", "objects": objects}).encode(), "bundle")
    file = Item("FileItem", {"FileName": ("A",), "SizeInBytes": ("9",)})
    assert evaluate_file(found, [file]).holds is True
    assert evaluate_file(found, one("DnsEntryItem", "Host", "evil.example")).holds is True
    assert evaluate_file(found, one("FileItem", "FileName", "b")).holds is None


def test_a_long_list_over_many_items_takes_linear_time() -> None:
    found = read("\n".join(f"h{n}.example" for n in range(50_000)).encode(), "list")
    items = [Item("DnsEntryItem", {"Host": (f"x.h{n}.other",)}) for n in range(20_000)]
    start = time.process_time()
    assert evaluate_file(found, items).holds is False
    assert time.process_time() - start < 3
