"""HTTPS to the Central Node, over real sockets."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.runtime.clock import now
from vedette.runtime.errors import ConfigError
from vedette.wire.csr import make_key
from vedette.wire.messages import Receipt, encode_message
from vedette.wire.tls import client_context

Start = Callable[..., Any]


def connect(server: Any, *, ca: str | None = None, client: Path | None = None) -> Transport:
    return Transport(server.url, client_context(ca or server.authority.pem, client=client))


def test_a_receipt_comes_back(start_server: Start, answer: Any) -> None:
    server = start_server()
    receipt = Receipt(ranges=[(1, 5)], settings_version=3, rate=100, hints=["x"])
    server.answer("/agent/v1/batch", answer(200, encode_message(receipt)))
    transport = connect(server)
    assert transport.send(b"frame") == receipt
    assert server.asked[0].body == b"frame"
    transport.close()


def test_one_connection_serves_many_requests_and_is_made_anew_when_it_broke(start_server: Start, answer: Any) -> None:
    server = start_server()
    server.answer(
        "/agent/v1/batch", answer(200, b"{}"), answer(200, b"{}", {"Connection": "close"}), answer(200, b"{}")
    )
    transport = connect(server)
    for _ in range(4):
        assert transport.send(b"") == Receipt()
    transport.close()


def test_our_certificate_is_shown(start_server: Start, answer: Any, tmp_path: Path) -> None:
    server = start_server()
    key = make_key()
    public: Any = load_pem_private_key(key, None).public_key()
    issued = server.authority.issue_agent(public, tenant="default", agent="a" * 32, now=now())
    (tmp_path / "client.pem").write_bytes(key + issued.pem.encode())
    server.answer("/agent/v1/batch", answer(200, b"{}"))
    transport = connect(server, client=tmp_path / "client.pem")
    transport.send(b"")
    transport.close()
    assert server.asked[0].client == x509.load_pem_x509_certificate(issued.pem.encode()).public_bytes(Encoding.DER)


def test_a_server_of_another_ca_is_not_spoken_to(start_server: Start) -> None:
    server, other = start_server(), start_server("other")
    transport = connect(server, ca=other.authority.pem)
    with pytest.raises(UnreachableError, match="the pinned CA does not vouch for"):
        transport.send(b"secret")
    transport.close()
    assert server.asked == []


def test_a_certificate_for_another_name_is_not_accepted(start_server: Start) -> None:
    server = start_server()
    port = server.server.server_address[1]
    transport = Transport(f"https://127.0.0.2:{port}", client_context(server.authority.pem))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.2"):
        transport.send(b"")
    transport.close()


def test_tls_below_1_3_is_not_spoken(start_server: Start) -> None:
    server = start_server(version=ssl.TLSVersion.TLSv1_2)
    transport = connect(server)
    with pytest.raises(UnreachableError):
        transport.send(b"")
    transport.close()


def test_a_closed_port_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{unused.getsockname()[1]}"
        transport = Transport(url, client_context(None))
        with pytest.raises(UnreachableError, match=f"{url} cannot be reached: .*refused"):
            transport.send(b"")


@pytest.mark.parametrize(
    ("retry", "seconds"), [("30", 30), (None, 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-1", 0), ("²", 0)]
)
def test_a_refusal_carries_its_reason(start_server: Start, answer: Any, retry: str | None, seconds: int) -> None:
    server = start_server()
    headers = {} if retry is None else {"Retry-After": retry.encode().decode("latin-1")}
    server.answer("/agent/v1/batch", answer(503, b'{"status": 503, "detail": "spool is full"}', headers))
    transport = connect(server)
    with pytest.raises(RefusedError, match="answered 503: spool is full") as caught:
        transport.send(b"")
    transport.close()
    assert (caught.value.status, caught.value.retry_after) == (503, seconds)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"ranges": [[1]]}', b'{"ranges": [[-1, 2]]}', b"\xff", b"[" * 100_000, b"x" * (2 << 20)],
)
def test_an_answer_that_is_no_receipt_is_not_one(start_server: Start, answer: Any, body: bytes) -> None:
    server = start_server()
    server.answer("/agent/v1/batch", answer(200, body))
    transport = connect(server)
    with pytest.raises(UnreachableError, match="does not answer as a Central Node does"):
        transport.send(b"")
    transport.close()


def test_redirects_are_not_followed(start_server: Start, answer: Any) -> None:
    server, other = start_server(), start_server("other")
    server.answer("/agent/v1/batch", answer(307, b"", {"Location": other.url + "/agent/v1/batch"}))
    transport = connect(server)
    with pytest.raises(RefusedError, match="307"):
        transport.send(b"secret")
    transport.close()
    assert other.asked == []


def test_an_answer_that_breaks_off_is_no_answer(start_server: Start, answer: Any) -> None:
    server = start_server()
    server.answer("/agent/v1/batch", answer(200, b"{}", {"Content-Length": "50"}))
    transport = connect(server)
    with pytest.raises(UnreachableError):
        transport.send(b"")
    transport.close()


@pytest.mark.parametrize("url", ["http://x", "central:8441", "https://", "https://x/path", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected https://host:port"):
        Transport(url, client_context(None))
