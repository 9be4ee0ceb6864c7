"""Connections that are slow, endless or many do not keep the API from others."""

import socket
import time
from contextlib import suppress
from typing import Any

import pytest
from tests.central.api.conftest import Api

from vedette.central.api import connection
from vedette.query.statement import Statement

HEAD = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"


def connected(api: Api) -> socket.socket:
    """Open a raw connection."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def is_closed(peer: socket.socket) -> bool:
    """Whether the server closes without an answer; waits for it."""
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("limit", "sent"),
    [("HEAD_SECONDS", b""), ("HEAD_SECONDS", b"GET / HTTP/1.1\r\nHost:"), ("BODY_SECONDS", HEAD + b"\r\n{")],
    ids=["nothing", "half a head", "half a body"],
)
def test_what_does_not_come_in_time_is_closed(
    api: Api, monkeypatch: pytest.MonkeyPatch, limit: str, sent: bytes
) -> None:
    monkeypatch.setattr(connection, limit, 0.2)
    with connected(api) as peer:
        peer.sendall(sent)
        assert is_closed(peer)
    monkeypatch.undo()
    assert api.client().get("/health").status_code == 200


def test_a_head_without_end_is_closed(api: Api) -> None:
    with connected(api) as peer, suppress(ConnectionError):
        peer.sendall(b"GET /api/v1/health HTTP/1.1\r\n")
        for _ in range(2 * connection.HEAD_BYTES // 1000):
            peer.sendall(b"X-Filling: " + b"x" * 1000 + b"\r\n")
        assert is_closed(peer)


def test_an_answer_may_take_longer_than_its_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)

    def slow(_statement: Statement) -> list[tuple[Any, ...]]:
        time.sleep(0.5)
        return []

    api.store.answer = slow
    assert api.client().get("/ready").status_code == 200


def test_one_address_has_only_so_many_connections(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ADDRESS_CONNECTIONS", 5)
    peers = [connected(api) for _ in range(6)]
    assert is_closed(peers[-1])
    for peer in peers:
        peer.close()
