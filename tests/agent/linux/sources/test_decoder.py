"""What the decoder does when it is behind."""

import os
import time
from collections.abc import Iterator

import pytest

from vedette.agent.linux.hashing import Hasher
from vedette.agent.linux.sources.decoder import Decoder
from vedette.probes import records
from vedette.probes.ring import Chunk
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart
from vedette.schema.policies import Settings

SECOND = 1_000_000_000


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    hasher = Hasher(largest=1 << 20)
    yield hasher
    hasher.stop()


def forked(pid: int, at: int) -> Chunk:
    """The record of a fork as the kernel writes it; nothing of it exists here."""
    header = (records.FORK, 0, 0, at, at, pid, pid, 0, 0, 0, 0, records.NO_ID, records.NO_ID, 0, 0, 0)
    data = records._HEADER.pack(*header)
    return Chunk(data, [(0, len(data))])


def test_a_fork_is_not_told_before_what_waits_was_read(hasher: Hasher) -> None:
    told: list[Event] = []
    decoder = Decoder("0" * 32, Settings(), told.append, hasher)
    long_ago = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 5 * SECOND
    decoder.decode(forked(os.getpid() ^ 1 << 21, long_ago))
    decoder.tick(behind=True)
    assert told == []  # the start of its program may be among what waits
    decoder.decode(forked(os.getpid() ^ 1 << 22, long_ago + 2 * SECOND))
    decoder.tick(behind=True)
    assert len(told) == 1  # two seconds on, and no program
    decoder.tick()
    assert [type(event) for event in told] == [ProcessStart, ProcessStart]
