"""Records of the kernel: real ones, captured, and any bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vedette.probes import records

CASES = sorted((Path(__file__).parents[1] / "golden" / "probes").iterdir())


def _raw(case: Path) -> bytes:
    return bytes.fromhex((case / "record.hex").read_text(encoding="ascii"))


def _shown(record: records.Record | None) -> dict[str, Any]:
    """A record as JSON-able values, bytes as they read."""
    assert record is not None

    def show(value: object) -> object:
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, list | tuple):
            return [show(one) for one in value]
        if isinstance(value, msgspec.Struct):
            return {name: show(getattr(value, name)) for name in value.__struct_fields__}
        return value

    return {"record": type(record).__name__} | {name: show(getattr(record, name)) for name in record.__struct_fields__}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_captured_record_reads_as_it_did(case: Path, *, regold: bool) -> None:
    raw = _raw(case)
    shown = json.dumps(_shown(records.decode(raw, 0, len(raw))), indent=1, sort_keys=True) + "\n"
    expected = case / "expected.json"
    if regold:
        expected.write_text(shown, encoding="utf-8")
    assert shown == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_record_that_is_cut_is_refused_or_read_but_never_breaks(case: Path) -> None:
    raw = _raw(case)
    for length in range(len(raw)):
        records.decode(raw[:length], 0, length)


@given(st.binary(max_size=2048), st.integers(0, 64), st.integers(0, 2048))
@example(b"\x01\x00" + b"\xff" * 400, 0, 402)
def test_any_bytes_are_read_without_an_error(data: bytes, offset: int, length: int) -> None:
    records.decode(data, offset, length)


@given(st.integers(1, 11), st.binary(max_size=600))
def test_any_body_of_any_kind_is_read_without_an_error(kind: int, body: bytes) -> None:
    data = kind.to_bytes(2, "little") + body
    record = records.decode(data, 0, len(data))
    assert record is None or record.kind == kind


def test_a_record_beyond_its_chunk_is_refused() -> None:
    raw = _raw(CASES[0])
    assert records.decode(raw, 8, len(raw)) is None


def test_an_unknown_kind_is_refused() -> None:
    assert records.decode(b"\x63\x00" + bytes(200), 0, 202) is None


@pytest.mark.parametrize(
    ("walk", "path"),
    [(b"", b"/"), (b"bash\0bin\0usr\0", b"/usr/bin/bash"), (b"tmp\0", b"/tmp"), (b"memfd:x\0", b"/memfd:x")],
)
def test_a_walk_is_turned_round(walk: bytes, path: bytes) -> None:
    assert records.walked_path(walk) == path


def test_a_cut_walk_shows_that_its_beginning_is_missing() -> None:
    assert records.walked_path(b"c\0b\0", cut=True) == b".../b/c"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"f", b"/home/u/f"),
        (b"./f", b"/home/u/f"),
        (b"../f", b"/home/f"),
        (b"a//b/./c/", b"/home/u/a/b/c"),
        (b"../../../../f", b"/f"),
        (b"", b"/home/u"),
    ],
)
def test_a_name_is_joined_to_its_folder(name: bytes, path: bytes) -> None:
    assert records.joined_path(b"u\0home\0", name) == path


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_name_joined_to_any_folder_is_an_absolute_path(base: bytes, name: bytes) -> None:
    assert records.joined_path(base, name).startswith(b"/")


def test_text_that_is_not_utf8_stays_visible() -> None:
    assert records.text(b"a\xffb") == r"a\xffb"
