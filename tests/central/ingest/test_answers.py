"""The routes as an ASGI application, with the spool and the state played by fakes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.central.ingest import routes as module
from vedette.central.ingest.bookkeeping import Bookkeeping
from vedette.central.ingest.directory import Directory
from vedette.central.ingest.pace import EAGER, FIRST_GUESS, LEAST_DEPTH, Pace
from vedette.central.ingest.peer import Peer
from vedette.central.ingest.release_routes import ReleaseRoutes
from vedette.central.ingest.routes import AgentRoutes
from vedette.runtime.errors import StoreError
from vedette.store.releases import ReleaseFiles
from vedette.store.spool import Backlog, Outcome, Record
from vedette.store.state.agents import AgentIdentity
from vedette.wire.frame import frame
from vedette.wire.header import BatchHeader
from vedette.wire.messages import Problem, Receipt

NOW = 1_800_000_000_000_000
AGENT = "a" * 32
PEER = Peer(agent=AGENT, tenant="default", serial="1f", begins=NOW - 1, ends=NOW + 1)


class FakeCommitter:
    def __init__(self) -> None:
        self.outcome = Outcome.STORED
        self.kept: list[Record] = []

    async def put(self, record: Record) -> Outcome:
        self.kept.append(record)
        return self.outcome


class FakeState:
    """A state that refuses everything."""

    async def promote(self, *_: object) -> None:
        raise StoreError("database is locked")


class Door:
    """An ingest in miniature."""

    def __init__(self, **identity: Any) -> None:
        self.directory = Directory()
        wanted: dict[str, Any] = {"serial": "1f", "next_serial": "", "revoked": False, **identity}
        self.directory.replace_identities([AgentIdentity(id=AGENT, tenant="default", group="web", **wanted)])
        self.directory.freshen(NOW)
        self.committer, self.book, self.pace = FakeCommitter(), Bookkeeping(), Pace(lambda: NOW)
        self.app = AgentRoutes(
            directory=self.directory,
            state=FakeState(),  # type: ignore[arg-type]
            committer=self.committer,  # type: ignore[arg-type]
            book=self.book,
            pace=self.pace,
            ca="ca",
            settings_key="key",
            keys={},
            releases=ReleaseRoutes(ReleaseFiles(Path("/nowhere")), ThreadPoolExecutor(1)),
            clock=lambda: NOW,
        )

    def post(self, body: bytes, **state: Any) -> tuple[int, dict[bytes, bytes], bytes]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "path": "/agent/v1/batch",
            "method": "POST",
            "headers": [],
            "client": ("192.0.2.1", 1),
            "state": {"peer": PEER, **state},
        }
        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def batch(size: int = 10, *, oldest: int = NOW) -> bytes:
    header = BatchHeader(agent=AGENT, epoch="1" * 16, first=1, last=5, count=5, sent=NOW, spool_oldest=oldest)
    return frame(header, b"z" * size)


def backlog(events: int) -> Backlog:
    return Backlog(segments=1, events=events, size=events, drained=0)


def test_a_receipt_names_what_is_durable_and_how_fast_to_send() -> None:
    door = Door()
    door.pace.look(backlog(LEAST_DEPTH - 5))
    status, _, body = door.post(batch(oldest=1))
    assert status == 200
    assert msgspec.json.decode(body, type=Receipt) == Receipt(
        ranges=[(1, 5)], time=NOW, rate=round(EAGER * FIRST_GUESS)
    )
    (kept,) = door.committer.kept
    assert (kept.agent, kept.first, kept.last, kept.count, kept.received) == (AGENT, 1, 5, 5, NOW)


@pytest.mark.parametrize(
    ("outcome", "status", "reason", "again"),
    [
        (Outcome.FULL, 503, "spool_full", True),
        (Outcome.OVERLAP, 409, "batch_overlap", False),
        (Outcome.SCATTERED, 409, "batch_scattered", False),
    ],
)
def test_what_is_not_durable_gets_no_receipt(outcome: Outcome, status: int, reason: str, again: bool) -> None:  # noqa: FBT001
    door = Door()
    door.committer.outcome = outcome
    answered, headers, body = door.post(batch())
    assert answered == status
    assert (b"retry-after" in headers) is again
    assert msgspec.json.decode(body, type=Problem).type.endswith(reason)
    assert door.book.take(NOW).refused == {(reason, AGENT): 1}


def test_a_backlog_waits_its_turn_while_too_much_waits() -> None:
    door = Door()
    door.pace.look(backlog(LEAST_DEPTH + 1))
    status, headers, body = door.post(batch(oldest=1))
    assert (status, msgspec.json.decode(body, type=Problem).type) == (503, "urn:vedette:problem:spool_deep")
    assert int(headers[b"retry-after"]) >= 1
    assert door.committer.kept == []
    assert door.post(batch())[0] == 200


def test_a_state_that_cannot_be_asked_is_503() -> None:
    door = Door(serial="0", next_serial="1f")
    status, headers, _ = door.post(batch())
    assert (status, b"retry-after" in headers) == (503, True)
    assert door.committer.kept == []


def test_in_a_crowd_a_connection_with_large_buffers_is_closed_after_its_answer() -> None:
    door, large = Door(), batch(module.LARGE_BYTES)
    assert door.post(large, connections=module.CROWD + 1)[1][b"connection"] == b"close"
    assert b"connection" not in door.post(large, connections=module.CROWD)[1]
    assert b"connection" not in door.post(batch(), connections=module.CROWD + 1)[1]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    status, _, answer = Door().post(body)
    assert (status, msgspec.json.decode(answer, type=Problem).status) == (400, 400)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 400))
def test_a_spoiled_batch_is_kept_as_its_own_agents_or_refused(at: int, value: int, cut: int) -> None:
    door, body = Door(), bytearray(batch())
    if at < len(body):
        body[at] = value
    status, _, _ = door.post(bytes(body[: len(body) - cut] if cut < len(body) else body))
    assert status in {200, 400, 403}
    assert all(kept.agent == AGENT for kept in door.committer.kept)
    assert len(door.committer.kept) <= (status == 200)
