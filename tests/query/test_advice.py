"""Advice about queries that are right but will hardly find what was meant."""

from __future__ import annotations

import pytest

from vedette.query import hunt
from vedette.query.advice import advise

NOW = 1_795_000_000_000_000


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "process.file.path:curl",
            "process.file.path is a whole path; for a part of it write process.file.path:*curl*",
        ),
        ("Image in (cmd.exe, powershell.exe)", "for a name process.file.name:cmd.exe"),
        ('process.file.path:"C:\\\\Windows\\\\cmd.exe"', "two backslashes in a row"),
        ("file.path:*C:\\\\Temp*", "two backslashes in a row"),
        ("event.type:dns_query registry.key:*Run*", "registry.key: not in events of type dns_query"),
        ("event.type:process AND (RegistryKey:a OR TargetFilename:b)", "so nothing can match"),
        ("module.file.path:*x* AND event.type in (process, connection)", "file.path: not in events"),
        ("event.type:process event.type:module", "no event has all of these types"),
    ],
)
def test_it_says_what_cannot_match(query: str, says: str) -> None:
    found = advise(hunt.parse(query, now=NOW))
    assert any(says in sentence for sentence in found), found


@pytest.mark.parametrize(
    "query",
    [
        "process.file.path:/usr/bin/curl",
        "process.file.path:*curl*",
        "file.path:\\\\server\\share\\x",
        "event.type:process CommandLine:*x* NOT registry.key:*",
        "event.type:filechange FileName:a curl",
        "event.type:process or registry.key:*Run*",
        "",
        "event.type:process host.name:a process.args:b event.time>now-1h",
    ],
)
def test_it_is_silent_where_all_is_well(query: str) -> None:
    assert advise(hunt.parse(query, now=NOW)) == ()
