"""Finding records in a chunk of a ring, and reading a real ring."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.probes.loader import Probes, read_object
from vedette.probes.ring import CallbackRing, MappedRing, Ring, _walk

BUSY, DISCARDED = 1 << 31, 1 << 30


def _framed(body: bytes, flags: int = 0) -> bytes:
    padded = body + bytes(-len(body) % 8)
    return (len(body) | flags).to_bytes(4, "little") + bytes(4) + padded


def _found(data: bytes) -> tuple[list[bytes], int]:
    places: list[tuple[int, int]] = []
    end = _walk(data, places)
    return [data[offset : offset + length] for offset, length in places], end


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_all_records_are_found_in_order(bodies: list[bytes]) -> None:
    data = b"".join(map(_framed, bodies))
    assert _found(data) == (bodies, len(data))


def test_reading_stops_before_a_record_that_is_being_written() -> None:
    first = _framed(b"done")
    assert _found(first + _framed(b"busy", BUSY) + _framed(b"later")) == ([b"done"], len(first))


def test_a_discarded_record_is_passed_over() -> None:
    data = _framed(b"one") + _framed(b"gone", DISCARDED) + _framed(b"two")
    assert _found(data) == ([b"one", b"two"], len(data))


def test_a_record_cut_by_the_end_of_the_chunk_is_left_for_the_next() -> None:
    first = _framed(b"whole")
    assert _found(first + _framed(b"x" * 100)[:50]) == ([b"whole"], len(first))


@given(st.binary(max_size=300))
def test_any_bytes_are_walked_without_an_error(data: bytes) -> None:
    found, end = _found(data)
    assert end <= len(data)
    assert all(len(one) <= len(data) for one in found)


@pytest.fixture(scope="module")
def probes() -> Iterator[Probes]:
    probes = Probes(read_object(), rings={"control": 1 << 16, "bulk": 1 << 16}, exclude=[])
    yield probes
    probes.close()


@pytest.mark.root
@pytest.mark.parametrize("kind", [MappedRing, CallbackRing])
def test_both_readers_see_what_this_process_does(probes: Probes, kind: type[Ring], tmp_path: os.PathLike[str]) -> None:
    ring = kind(probes.map_handle("bulk"), 1 << 16)  # type: ignore[call-arg]
    try:
        while ring.read() is not None:
            pass
        seen = b""
        # More than the ring holds, so that it wraps; read as it goes.
        for number in range(300):
            name = os.path.join(tmp_path, f"{kind.__name__}-{number}")  # noqa: PTH118
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
            while (chunk := ring.read()) is not None:
                seen += chunk.data
        missing = [number for number in range(300) if f"{kind.__name__}-{number}\0".encode() not in seen]
        assert missing == []
    finally:
        ring.close()
