"""fanotify: what the kernel writes, read with bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux import fanotify
from vedette.agent.linux.fanotify import Entry, Notice, parse
from vedette.runtime.errors import ProbeError

SYSTEM = b"12345678"


def _info(kind: int, handle: bytes, name: bytes = b"") -> bytes:
    body = SYSTEM + struct.pack("=Ii", len(handle), 1) + handle + (name + b"\0" if name else b"")
    body += bytes(-(4 + len(body)) % 4)
    return struct.pack("=BBH", kind, 0, 4 + len(body)) + body


def _event(mask: int, pid: int, *infos: bytes, version: int = 3) -> bytes:
    body = b"".join(infos)
    return struct.pack("=IBBHQii", 24 + len(body), version, 0, 24, mask, -1, pid) + body


def _key(handle: bytes) -> bytes:
    return SYSTEM + struct.pack("=Ii", len(handle), 1) + handle


def test_a_created_file_has_folder_name_and_target() -> None:
    data = _event(fanotify.CREATE, 7, _info(2, b"folder__", b"a name"), _info(1, b"file____"))
    assert list(parse(data)) == [
        Notice(fanotify.CREATE, 7, Entry(_key(b"folder__"), b"a name"), None, _key(b"file____"))
    ]


def test_a_rename_has_both_names_and_events_follow_each_other() -> None:
    data = _event(fanotify.RENAME, 7, _info(10, b"old_____", b"x"), _info(12, b"new_____", b"y")) + _event(
        fanotify.OVERFLOW, 0
    )
    first, second = parse(data)
    assert (first.entry, first.new) == (Entry(_key(b"old_____"), b"x"), Entry(_key(b"new_____"), b"y"))
    assert second.mask == fanotify.OVERFLOW


def test_another_version_of_the_format_is_refused() -> None:
    with pytest.raises(ProbeError, match="version 4"):
        list(parse(_event(fanotify.CREATE, 7, version=4)))


@given(st.binary(max_size=200))
def test_any_bytes_after_an_event_are_read_without_an_error(data: bytes) -> None:
    begun = _event(fanotify.CREATE, 7, data)
    assert [notice.pid for notice in parse(begun)] == [7]
    list(parse(begun[:-1]))
