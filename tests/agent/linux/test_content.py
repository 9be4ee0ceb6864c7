"""Kinds of content."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.content import HEAD, content_kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (b"#!/bin/sh -e\necho", "script text /bin/sh"),
        (b"#!", "script text"),
        (b"hello\n", "text"),
        ("grüße\n".encode(), "text"),
        (("x" * (HEAD - 1) + "ü").encode()[:HEAD], "text"),
        (b"\0\1\2", "data"),
        (b"\xff\xfe\xfd", "data"),
        (b"MZ\x90\0", "PE or DOS executable"),
        (b"PK\x03\x04", "zip archive"),
        (b"%PDF-1.7", "PDF document"),
        (b"\x1f\x8b\x08", "gzip data"),
        (bytes(257) + b"ustar", "tar archive"),
        (b"SQLite format 3\0", "SQLite database"),
    ],
)
def test_content_is_told_from_its_beginning(head: bytes, kind: str) -> None:
    assert content_kind(head) == kind


def test_programs_and_libraries_of_this_host_are_told_apart() -> None:
    program = Path("/proc/self/exe").resolve()
    assert content_kind(program.read_bytes()[:HEAD]) == "ELF executable"
    libraries = [path for path in Path("/usr/lib").glob("*/libz.so.1*") if not path.is_symlink()]
    for library in libraries:
        assert content_kind(library.read_bytes()[:HEAD]) == "ELF shared object"


@given(st.binary(max_size=HEAD))
def test_any_bytes_have_a_kind(head: bytes) -> None:
    assert content_kind(head)


@given(st.binary(max_size=HEAD))
def test_any_elf_has_a_kind(rest: bytes) -> None:
    assert content_kind(b"\x7fELF" + rest)
