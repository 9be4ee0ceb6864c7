"""KATA's source mode means what the same hunt means."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.query import hunt, kata
from vedette.query.predicate import compile_predicate
from vedette.runtime.errors import QueryError

NOW = 1_795_000_000_000_000


@pytest.mark.parametrize(
    ("query", "same"),
    [
        # The example of the help up to 6.x, and of that for 7.0 (shortened).
        (
            'EventType = "filechange"\nAND (\n  FileName CONTAINS "example"\n  OR UserName = "example"\n)',
            "event.type:filechange AND (FileName:*example* OR UserName:example)",
        ),
        (
            "EventType == 'filechange' AND\n((FileName == '*example*' OR DllName == '*e*')\nOR UserName == '*x*')",
            "event.type:filechange AND (FileName:*example* OR DllName:*e* OR UserName:*x*)",
        ),
        (
            "EventType=='threatdetect' OR EventType=='threatprocessingresult'",
            "event.type:epp_detect OR event.type:epp_result",
        ),
        ("EventType in ('process', 'module')", "event.type in (process, module)"),
        ("EventType IN ['process', 'module']", "event.type in (process, module)"),
        ("in(EventType, 'process', 'module')", "event.type in (process, module)"),
        ("UserName NOT IN ('a', 'b')", "not UserName in (a, b)"),
        ("FileSize > 16", "FileSize>16"),
        ("FileSize >= 0x10 AND FileSize <= 20", "FileSize>=16 FileSize<=20"),
        ("UserName !CONTAINS 'a'", "not UserName:*a*"),
        ("UserName NOT CONTAINS 'a'", "not UserName:*a*"),
        ("UserName STARTS 'a' AND UserName ENDS 'b'", "UserName:a* UserName:*b"),
        ("NOT (UserName == 'a*')", "not UserName:a*"),
        ("UserName != 'a'", "UserName!=a"),
        ("UserName == 'a\\*\\?'", "UserName:a[*][?]"),
        ("FilePath == 'C:\\\\Windows\\\\*'", "FilePath:C:\\Windows\\*"),
        ("FilePath == 'C:\\Windows'", "FilePath:C:\\Windows"),
        ("UserName == 'it\\'s'", 'UserName:"it\'s"'),
        ("UserName == '*'", "UserName:*"),
        ("ProcessName == 'a' and not ParentName == 'b'", "ProcessName:a not ParentName:b"),
        ("FileName CONTAINS '*'", "FileName contains *"),
    ],
)
def test_it_means_the_same_as_this_hunt(query: str, same: str) -> None:
    assert kata.parse(query, now=NOW) == hunt.parse(same, now=NOW)


def test_nothing_means_every_event() -> None:
    assert compile_predicate(kata.parse(" ", now=NOW))({})


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "(",
                ")",
                " AND ",
                " or ",
                "NOT ",
                "FileName",
                " == ",
                "'a*'",
                '"x',
                " IN ",
                "[",
                "]",
                ",",
                " CONTAINS ",
                "5",
                "!",
                "EventType",
                "\\'",
                "true",
            ]
        ),
        max_size=25,
    ).map("".join)
)
def test_any_text_gives_a_tree_or_a_query_error(text: str) -> None:
    with suppress(QueryError):
        compile_predicate(kata.parse(text, now=NOW))({})


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "NOT " * 50_000,
        "UserName == '" + "x" * 900_000,
        "a" * 1_000_000,
        "UserName == '" + "\\" * 100_001,
        "UserName in ('a'" + ",'a'" * 50_000 + ")",
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        kata.parse(text, now=NOW)
