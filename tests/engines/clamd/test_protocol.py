"""What clamd says, read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.engines.clamd.protocol import CHUNK, chunks, database_time, verdict
from vedette.engines.objects import Status


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (b"stream: OK\0", Status.CLEAN, ""),
        (b"stream: Eicar-Signature FOUND\0", Status.DETECTED, "Eicar-Signature"),
        (b"stream: Name with blanks FOUND\n", Status.DETECTED, "Name with blanks"),
        (b"stream: Heuristics.Encrypted.Zip FOUND\0", Status.NOT_SCANNED, "encrypted: Heuristics.Encrypted.Zip"),
        (
            b"stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND\0",
            Status.NOT_SCANNED,
            "too_large: Heuristics.Limits.Exceeded.MaxScanSize",
        ),
        (b"INSTREAM size limit exceeded. ERROR\0", Status.NOT_SCANNED, "too_large: StreamMaxLength of clamd"),
        (b"stream: Can't allocate memory ERROR\0", Status.NOT_SCANNED, "engine_failed: Can't allocate memory ERROR"),
        (b"", Status.NOT_SCANNED, "engine_failed: clamd gave no answer"),
    ],
)
def test_each_answer_has_its_verdict(answer: bytes, status: Status, told: str) -> None:
    read = verdict(answer, db_time=5)
    assert (read.status, read.engine, read.db_time) == (status, "clamav", 5)
    assert (read.findings[0].record_id if read.findings else read.reason) == told


@given(st.binary(max_size=100))
def test_only_ok_is_clean(answer: bytes) -> None:
    assert (verdict(answer, db_time=None).status == Status.CLEAN) <= (b"OK" in answer)


@pytest.mark.parametrize(
    ("answer", "time"),
    [
        (b"ClamAV 1.4.6/27500/Thu Jan  1 00:00:02 1970\0", 2_000_000),
        (b"ClamAV 1.4.6\0", None),
        (b"ClamAV 1.4.6/1/yesterday\0", None),
        (b"", None),
    ],
)
def test_the_release_time_of_the_databases_is_read(answer: bytes, time: int | None) -> None:
    assert database_time(answer) == time


@given(st.integers(0, 3 * CHUNK))
def test_an_object_is_sent_in_pieces_that_end_with_an_empty_one(size: int) -> None:
    pieces = list(chunks(b"x" * size))
    assert pieces[-1] == b"\0\0\0\0"
    assert sum(len(piece) - 4 for piece in pieces) == size
    assert all(int.from_bytes(piece[:4], "big") == len(piece) - 4 <= CHUNK for piece in pieces)
