"""Slow bodies, slow heads, connections without requests: each has its time, measured on a moved clock."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.ingest import routes
from vedette.central.ingest.peer import read_peer
from vedette.central.ingest.protocol import sweep
from vedette.central.ingest.refusal import Refused
from vedette.central.ingest.routes import Budget, Request
from vedette.runtime.errors import IdentityError


def request(messages: list[dict[str, Any]], headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    scope = {"path": "/", "method": "POST", "headers": list(headers), "client": ("192.0.2.1", 1), "state": {}}
    return Request(scope, receive, Budget(1000))


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def read(asked: Request, limit: int) -> bytes:
    return asyncio.run(asked.read(limit))


def reason(asked: Request, limit: int) -> str:
    with pytest.raises(Refused) as caught:
        read(asked, limit)
    return caught.value.reason


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=20))
def test_a_body_is_its_parts_in_order(parts: list[bytes]) -> None:
    messages = [part(body, more=True) for body in parts] + [part(b"", more=False)]
    assert read(request(messages), 2000) == b"".join(parts)


def test_a_body_over_its_limit_is_refused_however_it_comes() -> None:
    assert reason(request([part(b"x" * 11, more=False)]), 10) == "request_oversized"
    assert reason(request([part(b"x", more=True)] * 10 + [part(b"x", more=False)]), 10) == "request_oversized"


def test_an_endless_body_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "DRAIN_BYTES", 100)
    assert reason(request([part(b"x" * 60, more=True)] * 1000), 10) == "request_oversized"


def test_an_announced_size_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "DRAIN_BYTES", 100)
    assert reason(request([], ((b"content-length", b"101"),)), 10) == "request_oversized"


def test_a_slow_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.01)
    assert reason(request([part(b"x", more=True)]), 10) == "request_slow"


def test_a_client_that_leaves_is_no_batch() -> None:
    assert reason(request([part(b"x", more=True), {"type": "http.disconnect"}]), 10) == "request_broken"


def test_bodies_held_at_the_same_time_are_bounded_and_released() -> None:
    budget = Budget(100)

    def asked(size: int) -> Request:
        async def receive() -> dict[str, Any]:
            return part(b"x" * size, more=False)

        return Request({"path": "/", "method": "POST", "headers": [], "state": {}}, receive, budget)

    first = asked(60)
    read(first, 100)
    second = asked(60)
    assert reason(second, 100) == "overloaded"
    second.release()
    first.release()
    assert len(read(asked(100), 100)) == 100


class Connection:
    def __init__(self, deadline: float | None) -> None:
        self.deadline, self.expired = deadline, False

    def expire(self) -> None:
        self.expired = True


def test_connections_past_their_deadline_are_ended_and_no_others() -> None:
    late, early, resting = Connection(10.0), Connection(10.1), Connection(None)
    sweep({late, early, resting}, 10.0)
    assert [one.expired for one in (late, early, resting)] == [True, False, False]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_are_no_identity(der: bytes) -> None:
    with pytest.raises(IdentityError) as caught:
        read_peer(der)
    assert caught.value.reason == "certificate_malformed"
