"""What ingest refuses, in words that a person understands, and counts."""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vedette.central import pki
from vedette.central.ingest import refusal
from vedette.runtime.clock import DAY, now
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import agents, tokens
from vedette.wire import limits
from vedette.wire.csr import make_csr, make_key

Enrol = Callable[[], Any]
ADMINISTRATOR = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
CERTIFIED = [
    ("POST", "/agent/v1/batch"),
    ("POST", "/agent/v1/renew"),
    ("GET", "/agent/v1/settings"),
    ("GET", "/agent/v1/ping"),
]


def issue(authority: pki.Authority, *, agent: str, tenant: str = "default", at: int = 0) -> bytes:
    key = make_key()
    public: Any = load_pem_private_key(key, password=None).public_key()
    return key + authority.issue_agent(public, tenant=tenant, agent=agent, now=at or now()).pem.encode()


@pytest.mark.parametrize(("method", "path"), CERTIFIED)
def test_no_certificate(node: Any, method: str, path: str) -> None:
    answer = node.ask(method, path, b"")
    assert (answer.status, answer.reason) == (401, "certificate_missing")
    node.counted("certificate_missing")


def test_a_certificate_of_a_foreign_ca(node: Any, tmp_path: Path) -> None:
    foreign = pki.ensure_authority(tmp_path / "key.pem", tmp_path / "ca.pem", now=now())
    client = tmp_path / "foreign.pem"
    client.write_bytes(issue(foreign, agent="a" * 32))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        node.ask("GET", "/agent/v1/ping", client=client)
    node.counted("certificate_foreign")


def test_the_servers_own_certificate_is_no_agent(node: Any) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        node.ask("GET", "/agent/v1/ping", client=node.layout.server_certificate)
    node.counted("certificate_foreign")


@pytest.mark.parametrize(
    ("agent", "tenant", "reason"),
    [
        ("b" * 32, "default", "agent_unknown"),
        ("", "other", "tenant_mismatch"),
        ("", "default", "certificate_replaced"),
    ],
)
def test_a_certificate_of_our_ca_that_does_not_count(
    node: Any, enrol: Enrol, tmp_path: Path, agent: str, tenant: str, reason: str
) -> None:
    client = tmp_path / "client.pem"
    known = enrol()
    authority = pki.load_authority(node.layout.ca_key)
    client.write_bytes(issue(authority, agent=agent or known.id, tenant=tenant))
    for method, path in CERTIFIED:
        answer = node.ask(method, path, b"", client=client)
        assert (answer.status, answer.reason) == (403, reason)
    node.counted(reason, agent or known.id, at_least=4)


def test_a_certificate_that_names_no_agent(node: Any, tmp_path: Path) -> None:
    client = tmp_path / "client.pem"
    client.write_bytes(issue(pki.load_authority(node.layout.ca_key), agent="x:y:z"))
    for method, path in CERTIFIED:
        assert node.ask(method, path, b"", client=client).reason == "certificate_malformed"
    node.counted("certificate_malformed", at_least=4)


def test_a_certificate_from_the_future(node: Any, enrol: Enrol, wait_for: Any) -> None:
    agent = enrol()
    key = make_key()
    public: Any = load_pem_private_key(key, password=None).public_key()
    early = pki.load_authority(node.layout.ca_key).issue_agent(
        public, tenant="default", agent=agent.id, now=now() + 9 * DAY
    )
    with node.state.write() as db:
        agents.set_certificate(db, agent.id, early.serial, early.not_after)
    client = agent.write("early.pem", key, early.pem)
    wait_for(lambda: node.ask("GET", "/agent/v1/ping", client=client).reason, "certificate_early".__eq__)


def test_a_revoked_agent_within_a_second_and_on_a_connection_that_was_open(
    node: Any, enrol: Enrol, wait_for: Any
) -> None:
    agent = enrol()
    connection = node.connect(agent.certificate)
    assert node.send(connection, "GET", "/agent/v1/ping").status == 200
    with node.state.write() as db:
        agents.revoke(db, agent.id, ADMINISTRATOR, now=now())
    revoked = time.monotonic()
    wait_for(lambda: node.send(connection, "GET", "/agent/v1/ping").status, (403).__eq__)
    assert time.monotonic() - revoked < 1.5
    for method, path in CERTIFIED:
        assert node.send(connection, method, path, b"").reason == "agent_revoked"
    connection.close()
    node.counted("agent_revoked", agent.id, at_least=4)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda node: node.token(valid=-1), "token_expired"),
        (lambda node: node.token(uses=0), "token_used"),
        (lambda _: "vde_" + "x" * 43 + "." + "0" * 32, "token_unknown"),
        (lambda _: "hello", "bad_token"),
    ],
)
def test_a_token_that_does_not_count(node: Any, make: Callable[[Any], str], reason: str) -> None:
    answer = node.ask("POST", "/agent/v1/enrol", node.enrol_body(make(node), make_csr(make_key())))
    assert (answer.status, answer.reason) == (403, reason)
    node.counted(reason)


def test_a_revoked_token(node: Any) -> None:
    token = node.token()
    with node.state.write() as db:
        found = tokens.enrolment(db, token.partition(".")[0])
        tokens.revoke_enrolment(db, found.id, ADMINISTRATOR, now=now())
    answer = node.ask("POST", "/agent/v1/enrol", node.enrol_body(token, make_csr(make_key())))
    assert answer.reason == "token_revoked"


def test_a_bad_certificate_request_does_not_use_up_the_token(node: Any, tmp_path: Path) -> None:
    token = node.token()
    answer = node.ask("POST", "/agent/v1/enrol", node.enrol_body(token, "-----BEGIN nothing"))
    assert (answer.status, answer.reason) == (400, "bad_csr")
    node.enrol(tmp_path / "agent", token)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xff", b'{"token": 1}', b"{" * 50_000])
def test_enrolment_that_cannot_be_read(node: Any, body: bytes) -> None:
    answer = node.ask("POST", "/agent/v1/enrol", body)
    assert (answer.status, answer.reason) == (400, "request_broken")


def test_enrolment_that_is_too_large(node: Any) -> None:
    answer = node.ask("POST", "/agent/v1/enrol", b" " * (limits.MESSAGE_BYTES + 1))
    assert (answer.status, answer.reason) == (413, "request_oversized")


def test_a_batch_of_another_agent(node: Any, enrol: Enrol) -> None:
    agent, other = enrol(), enrol()
    answer = agent.ask("POST", "/agent/v1/batch", other.batch(1, 10))
    assert (answer.status, answer.reason) == (403, "batch_of_another_agent")
    node.counted("batch_of_another_agent", agent.id)
    assert other.send(1, 10).json()["ranges"] == [[1, 10]]
    assert [record.agent for record in node.records()].count(agent.id) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda frame: frame[:3],
        lambda frame: frame[:40],
        lambda frame: b"VDT9" + frame[4:],
        lambda frame: frame[:4] + b"\xff\xff\xff\xff" + frame[8:],
        lambda frame: frame[:8] + b"\xc1" + frame[9:],
        lambda _: b"{" * 1000,
    ],
)
def test_a_broken_batch(node: Any, enrol: Enrol, spoil: Callable[[bytes], bytes]) -> None:
    agent = enrol()
    answer = agent.ask("POST", "/agent/v1/batch", spoil(agent.batch(1, 10)))
    assert (answer.status, answer.reason) == (400, "batch_broken")
    assert answer.json()["detail"]
    node.counted("batch_broken", agent.id)
    assert agent.send(1, 10).status == 200


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (limits.FRAME_BYTES, "batch_broken"),
        (limits.FRAME_BYTES + 1, "request_oversized"),
        (3 * limits.FRAME_BYTES, "request_oversized"),
    ],
)
def test_an_oversized_batch(enrol: Enrol, size: int, reason: str) -> None:
    assert enrol().ask("POST", "/agent/v1/batch", b"x" * size).reason == reason


def test_a_body_announced_far_too_large_is_refused_before_it_is_sent(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    connection: http.client.HTTPSConnection = node.connect(agent.certificate)
    connection.putrequest("POST", "/agent/v1/batch")
    connection.putheader("content-length", str(1 << 40))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    connection.close()
    node.counted("request_oversized", agent.id)


def test_overlapping_ranges(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    agent.send(1, 10)
    answer = agent.send(5, 15)
    assert (answer.status, answer.reason) == (409, "batch_overlap")
    node.counted("batch_overlap", agent.id)


@pytest.mark.slow
def test_a_connection_that_says_nothing_and_a_head_that_never_ends_are_closed(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    context = node.context(agent.certificate)
    with contextlib.ExitStack() as stack:
        held = []
        for sent in (b"", b"GET /agent/v1/ping HTTP/1.1\r\nx: "):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=20))
            connection = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            connection.sendall(sent)
            held.append(connection)
        assert [_receive(connection) for connection in held] == [b"", b""]
    node.counted("request_slow", agent.id, at_least=2)


def test_what_is_no_http_is_answered_and_closed(node: Any) -> None:
    with (
        socket.create_connection(("127.0.0.1", node.port)) as plain,
        node.context().wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"\x00\x01 nothing like it\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"request_broken" in answer
    node.counted("request_broken")


def test_plain_http_is_no_tls(node: Any) -> None:
    with socket.create_connection(("127.0.0.1", node.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert not plain.recv(100).startswith(b"HTTP")
    node.counted("handshake_failed")


def test_a_head_without_end(node: Any) -> None:
    with (
        socket.create_connection(("127.0.0.1", node.port)) as plain,
        node.context().wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\n")
            for _ in range(100):
                connection.sendall(b"x: " + b"y" * 4000 + b"\r\n")
        answer = b"".join(iter(lambda: _receive(connection), b""))
    assert answer == b"" or b"request_oversized" in answer
    node.counted("request_oversized")


def test_too_many_requests_ahead_of_their_answers(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    with (
        socket.create_connection(("127.0.0.1", node.port)) as plain,
        node.context(agent.certificate).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /agent/v1/ping HTTP/1.1\r\nhost: x\r\n\r\n" * 200)
        answer = b"".join(iter(lambda: _receive(connection), b""))
    assert answer.count(b"HTTP/1.1 ") < 200
    node.counted("request_broken", agent.id)


def test_too_many_connections_of_one_agent(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    held = [node.connect(agent.certificate) for _ in range(16)]
    for connection in held:
        assert node.send(connection, "GET", "/agent/v1/ping").status == 200
    with pytest.raises((OSError, http.client.HTTPException, AssertionError)):
        assert node.ask("GET", "/agent/v1/ping", client=agent.certificate).status == 200
    node.counted("connection_limit", agent.id)
    other = enrol()
    assert other.ask("GET", "/agent/v1/ping").status == 200
    for connection in held:
        connection.close()


def _receive(connection: ssl.SSLSocket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def test_every_reason_has_a_status_and_a_sentence() -> None:
    for reason, (status, title) in refusal.REASONS.items():
        refused = refusal.Refused(reason, "why")
        assert 400 <= status < 600
        assert refused.title == title
        problem = msgspec.json.decode(refused.body())
        assert problem == {
            "type": f"urn:vedette:problem:{reason}",
            "title": title,
            "status": status,
            "detail": "why",
        }


def test_every_reason_is_explained_to_operators() -> None:
    page = (Path(__file__).parents[3] / "docs" / "central-node.md").read_text()
    missing = [reason for reason in refusal.REASONS if f"`{reason}`" not in page]
    assert missing == []
