"""Small batches become one, and every event is still what it was."""

from typing import Any

import pytest

from vedette.runtime.errors import WireError
from vedette.schema.entities import Process, Socket
from vedette.schema.events.base import Event
from vedette.schema.events.network import NetworkConnect
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.wire.batch import BatchHeader, Builder, decode, frame, rows
from vedette.wire.join import join


def read(payload: bytes, count: int) -> list[dict[str, Any]]:
    header = BatchHeader(agent="a" * 32, epoch="b" * 16, first=1, last=count, count=count, sent=1)
    return rows(decode(frame(header, payload)))


def batches() -> list[list[Event]]:
    process = Process(pid=3, args=("a", "b"), env={"A": "b"}, args_truncated=True, command_line="a b")
    return [
        [ProcessStart(time=1, process=process), ProcessStop(time=2, process=process)],
        [NetworkConnect(time=2**50 + n, socket=Socket(remote_port=n, remote_ip=f"::{n}")) for n in range(300)],
        [ProcessStart(time=3, process=Process(args=(), env={})), ProcessStart(time=4)],
        [ProcessStop(time=5)],
    ]


def test_one_batch_holds_what_the_small_ones_held() -> None:
    payloads, first = [], 1
    for events in batches():
        payloads.append(Builder(events).encode(first))
        first += len(events)
    whole = [event for events in batches() for event in events]
    assert read(join(payloads), first - 1) == read(Builder(whole).encode(1), first - 1)


def test_a_joined_batch_can_be_joined_again() -> None:
    payloads = [Builder([ProcessStop(time=n)]).encode(n) for n in range(1, 10)]
    assert join([join(payloads[:4]), join(payloads[4:])]) == join(payloads)


def test_what_does_not_fit_is_refused() -> None:
    payloads = [Builder([ProcessStop(time=n) for n in range(6000)]).encode(first) for first in (1, 6001)]
    with pytest.raises(WireError, match="12000 events"):
        join(payloads)


def test_a_broken_payload_is_refused() -> None:
    with pytest.raises(WireError):
        join([Builder([ProcessStop(time=1)]).encode(1), b"broken"])
