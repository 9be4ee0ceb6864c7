"""Records of the spool with real batches in them."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
import zstandard

from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart
from vedette.store.segment import Record
from vedette.wire.batch import BatchHeader, Builder, frame

AGENT, EPOCH, RECEIVED = "a" * 32, "e" * 16, 1_790_000_000_000_000
Make = Callable[..., Record]


def record(
    first: int = 1,
    count: int = 2,
    *,
    agent: str = AGENT,
    payload: bytes | None = None,
    events: Sequence[Event] = (),
    **fields: Any,
) -> Record:
    """A record of `count` process starts, or of `events`; `payload`: another body, `fields`: another header."""
    count = len(events) or count
    last = first + count - 1
    starts = [ProcessStart(time=RECEIVED, process=Process(pid=number)) for number in range(first, last + 1)]
    header = BatchHeader(agent=agent, epoch=EPOCH, first=first, last=last, count=count, sent=RECEIVED)
    body = Builder(list(events or starts)).encode(first) if payload is None else payload
    return Record(
        agent=agent, epoch=EPOCH, first=first, last=last, count=count, received=RECEIVED,
        body=frame(msgspec.structs.replace(header, **fields), body),
    )  # fmt: skip


def content(types: dict[str, dict[str, Any]]) -> bytes:
    """Body of a batch from {type: {"n": rows, "columns": {...}}}."""
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(types))


@pytest.fixture
def make_record() -> Make:
    return record


@pytest.fixture
def make_content() -> Callable[[dict[str, dict[str, Any]]], bytes]:
    return content
