"""XML of Windows -> records: the same record as from EVTX; entities, depth and size refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.normalise.windows.evtx_writer import Element, event, evtx
from tests.normalise.windows.made import SECURITY

from vedette.normalise.windows import Tally, event_xml, records
from vedette.normalise.windows.record import Record

LOGON = event(SECURITY, 4624, {"TargetUserName": "алиса & <co>", "LogonType": "3", "ProcessID": "0x240", "Empty": ""})
CLEARED = event("Microsoft-Windows-Eventlog", 1102, user_data=(
    "LogFileCleared", {"xmlns": "x"}, [("SubjectUserName", {}, "eve")]))  # fmt: skip


def xml(element: Element) -> str:
    name, attributes, content = element
    inner = escape(content) if isinstance(content, str) else "".join(map(xml, content))
    return f"<{name}{_attributes(attributes)}>{inner}</{name}>"


def system_of(parts: object) -> Element:
    """Give the header among the parts of a record."""
    assert isinstance(parts, list)
    header: Element = parts[0]
    return header


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())


def read(tmp_path: Path, content: bytes) -> tuple[list[Record], Tally]:
    path, tally = tmp_path / "log.xml", Tally()
    path.write_bytes(content)
    return list(records(path, tally)), tally


@pytest.mark.parametrize("element", [LOGON, CLEARED])
def test_xml_and_evtx_give_the_same_record(element: Element, tmp_path: Path) -> None:
    (from_evtx,), _ = read(tmp_path, evtx(element))
    assert event_xml.parse(xml(element)) == from_evtx


@pytest.mark.parametrize(("encoding", "root"), [("utf-8", "Events"), ("utf-16", "Events"), ("utf-8", "")])
def test_exported_files_are_read_with_and_without_a_root(root: str, encoding: str, tmp_path: Path) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?>' if root else ""
    text = f"{head}<{root}>{xml(LOGON)}\n{xml(CLEARED)}</{root}>" if root else f"{xml(LOGON)}\r\n{xml(CLEARED)}"
    found, tally = read(tmp_path, text.encode(encoding))
    assert [one.system.event_id for one in found] == [4624, 1102]
    assert (tally.records, tally.skipped) == (2, {})
    assert found[1].data == {"SubjectUserName": "eve"}


def test_unnamed_items_are_lines() -> None:
    body: Element = ("EventData", {}, [("Data", {}, "Available"), ("Data", {}, "None"), ("Binary", {}, "00FF")])
    _, attributes, parts = LOGON
    made = event_xml.parse(xml(("Event", attributes, [system_of(parts), body])))
    assert made is not None
    assert made.data == {"Data": "Available\nNone", "Binary": "00FF"}


LAUGHS = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f'<?xml version="1.0"?>{LAUGHS}<Events><Event>&b;</Event></Events>', "document type in XML"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><Event/>', "broken XML"),
        ("<Event>&undefined;</Event>", "broken XML"),
        ("<Event>" + "<a>" * 100_000, "XML too deep"),
        ("<Event><a>" + "x" * (5 << 20) + "</a></Event>", "record too large"),
        ("<Event>" + "<a/>" * 100_000, "record too large"),
        ("<Events><Event>", "broken XML"),
        ("<Events><Event></Event></Events>", "record without header"),
    ],
)
def test_hostile_and_broken_xml_is_refused_and_counted(content: str, reason: str, tmp_path: Path) -> None:
    found, tally = read(tmp_path, content.encode())
    assert (found, tally.skipped) == ([], {reason: 1})
    assert event_xml.parse(content) is None


def test_what_comes_before_the_damage_is_read(tmp_path: Path) -> None:
    found, tally = read(tmp_path, (xml(LOGON) * 200 + "<broken").encode())
    assert (len(found), tally.skipped) == (200, {"broken XML": 1})


@given(st.text(alphabet="<>/&;!\"'= aEventSystemData[]x", max_size=120))
def test_no_text_raises(text: str) -> None:
    event_xml.parse(text)
