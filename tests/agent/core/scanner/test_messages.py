"""What the agent and its scanning process say to each other."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.core.scanner.messages import LARGEST, OUTCOMES, REQUESTS, Load, Outcome, Scan, receive, send
from vedette.engines.objects import About, Finding, Status, Verdict


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_request_brings_its_handle(channel: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    request = Scan(about=About(path="/x", owner="root"), largest=10, sha256="d")
    with path.open("rb") as file:
        send(channel[0], request, file.fileno())
    received, handle = receive(channel[1], REQUESTS)
    assert handle is not None
    assert (received, os.pread(handle, 100, 0)) == (request, b"content")
    os.close(handle)


def test_an_answer_comes_back_whole(channel: tuple[socket.socket, socket.socket]) -> None:
    finding = Finding(record_id="r", category="c", because={"$a": "x" * 1000})
    outcome = Outcome(verdicts=(Verdict(engine="yara", status=Status.DETECTED, findings=(finding,) * 50),), md5="m")
    send(channel[0], outcome)
    assert receive(channel[1], OUTCOMES) == (outcome, None)


def test_messages_do_not_run_into_each_other(channel: tuple[socket.socket, socket.socket]) -> None:
    send(channel[0], Load(seconds=1.0))
    send(channel[0], Scan(about=About(), largest=1))
    kinds = [type(receive(channel[1], REQUESTS)[0]) for _ in range(2)]
    assert kinds == [Load, Scan]


def test_the_end_is_an_error_of_its_own(channel: tuple[socket.socket, socket.socket]) -> None:
    channel[0].close()
    with pytest.raises(EOFError, match=r"^ended$"):
        receive(channel[1], REQUESTS)


def test_a_message_that_is_too_long_is_refused(channel: tuple[socket.socket, socket.socket]) -> None:
    channel[0].sendall((LARGEST + 1).to_bytes(4, "little"))
    with pytest.raises(OSError, match="a message of"):
        receive(channel[1], OUTCOMES)


@given(st.binary(max_size=100))
def test_any_bytes_end_in_an_error_that_the_reader_expects(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.close()
        with contextlib.suppress(EOFError, OSError, msgspec.MsgspecError):
            receive(theirs, OUTCOMES)
