"""Answers about sockets, read with bytes."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.sock_diag import LISTEN, Sock, owners, parse, sockets


def _answer(local: bytes, port: int, number: int) -> bytes:
    body = struct.pack("=BBBB", socket.AF_INET, LISTEN, 0, 0) + port.to_bytes(2, "big") + bytes(2)
    body += local.ljust(16, b"\0") + bytes(16) + bytes(12) + struct.pack("=IIIII", 0, 0, 0, 0, number)
    return struct.pack("=IHHII", 16 + len(body), 20, 0, 1, 0) + body


def test_a_listening_socket_is_read_and_the_end_is_seen() -> None:
    data = _answer(bytes([127, 0, 0, 1]), 8080, 77) + struct.pack("=IHHIII", 20, 3, 0, 1, 0, 0)
    local = bytes([127, 0, 0, 1]).ljust(16, b"\0")
    assert parse(data, 6) == ([Sock(2, 6, LISTEN, local, 8080, bytes(16), 0, 77)], True)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    parse(data, 6)


def test_a_socket_of_this_process_is_found_with_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = next(one for one in sockets() if one.local_port == port and one.state == LISTEN)
        assert found.number in owners()
