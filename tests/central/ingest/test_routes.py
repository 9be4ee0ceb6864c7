"""What agents get from ingest, over real TLS: receipts, identities, renewals and settings."""

import http.client
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from vedette.runtime.clock import DAY, MINUTE, now
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.policies import Settings, SignedSettings
from vedette.store.state import agents, ledger
from vedette.wire.csr import make_csr, make_key
from vedette.wire.signature import verify_settings
from vedette.wire.tls import fingerprint
from vedette.wire.token import read_token

Enrol = Callable[[], Any]
ADMINISTRATOR = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


def test_an_agent_enrols_sends_and_gets_a_receipt(enrol: Enrol) -> None:
    agent = enrol()
    answer = agent.send(1, 10)
    assert answer.status == 200
    receipt = answer.json()
    assert abs(receipt.pop("time") - now()) < MINUTE
    assert receipt == {
        "ranges": [[1, 10]],
        "duplicate": False,
        "settings_version": 1,
        "rate": 0,
        "tasks": 0,
        "hints": [],
    }
    assert agent.send(1, 10).json()["duplicate"]


def test_a_batch_is_kept_as_it_was_received(node: Any, enrol: Enrol, wait_for: Any) -> None:
    agent = enrol()
    sent = agent.batch(1, 10, size=5000)
    agent.ask("POST", "/agent/v1/batch", sent)
    (kept,) = wait_for(lambda: [record for record in node.records() if record.agent == agent.id], len)
    assert kept.body == sent
    assert (kept.first, kept.last, kept.count) == (1, 10, 10)
    assert abs(kept.received - now()) < MINUTE


def test_a_batch_sent_again_gets_its_receipt_and_is_counted(node: Any, enrol: Enrol, wait_for: Any) -> None:
    agent = enrol()
    assert agent.send(1, 10).json()["ranges"] == [[1, 10]]
    assert agent.send(1, 10).json()["ranges"] == [[1, 10]]
    agent.send(11, 20)

    def line() -> Any:
        with node.state.read() as db:
            return ledger.streams(db, ADMINISTRATOR, [agent.id])

    (stream,) = wait_for(line, lambda lines: lines and lines[0].received == 20)
    assert (stream.duplicates, stream.sent_last, stream.ranges) == (10, 20, [(1, 20)])
    wait_for(lambda: [record.first for record in node.records() if record.agent == agent.id], [1, 11].__eq__)


def test_the_ledger_holds_what_the_header_said(node: Any, enrol: Enrol, wait_for: Any) -> None:
    agent = enrol()
    agent.send(1, 10, drops={"file_change": 3}, throttled={"file_create": 4}, expired=5, spool_events=6)

    def line() -> Any:
        with node.state.read() as db:
            return ledger.streams(db, ADMINISTRATOR, [agent.id])

    (stream,) = wait_for(line, lambda lines: lines and lines[0].received == 10)
    assert (stream.drops, stream.throttled, stream.expired, stream.spool_events) == (
        {"file_change": 3},
        {"file_create": 4},
        5,
        6,
    )
    with node.state.read() as db:
        found = agents.get(db, agent.id, ADMINISTRATOR)
    assert found.last_seen is not None
    assert (found.hostname, found.version, found.address) == ("ws1", "0.1", "127.0.0.1")


def test_a_sign_of_life_is_acknowledged_and_not_spooled(node: Any, enrol: Enrol, wait_for: Any) -> None:
    agent = enrol()
    answer = agent.send(8, 7)
    assert (answer.status, answer.json()["ranges"]) == (200, [])

    def line() -> Any:
        with node.state.read() as db:
            return ledger.streams(db, ADMINISTRATOR, [agent.id])

    (stream,) = wait_for(line, len)
    assert (stream.sent_last, stream.received) == (7, 0)


def test_a_sign_of_life_learns_the_last_durable_range_of_its_stream(own_node: Any, tmp_path: Path) -> None:
    agent = own_node.enrol(tmp_path / "agent")
    assert agent.send(1, 0).json()["ranges"] == []
    agent.send(1, 10)
    agent.send(21, 30)
    assert agent.send(31, 30).json()["ranges"] == [[21, 30]]
    assert agent.send(1, 0, epoch="2" * 16).json()["ranges"] == []
    own_node.stop(signal.SIGKILL)
    own_node.start()
    assert agent.send(5, 4).json()["ranges"] == [[21, 30]]


def test_the_identity_is_the_servers_choice(enrol: Enrol) -> None:
    first, second = enrol(), enrol()
    assert first.id != second.id
    assert first.reply["tenant"] == "default"
    assert first.ask("GET", "/agent/v1/ping").json() == {"agent": first.id}
    assert second.ask("GET", "/agent/v1/ping").json() == {"agent": second.id}


def test_the_ca_can_be_fetched_and_is_what_the_token_pins(node: Any) -> None:
    answer = node.ask("GET", "/agent/v1/ca")
    assert answer.status == 200
    assert fingerprint(answer.body.decode())[:32] == read_token(node.token()).ca_fingerprint


def test_settings_are_signed_by_the_key_that_enrolment_gave(enrol: Enrol) -> None:
    agent = enrol()
    answer = agent.ask("GET", "/agent/v1/settings")
    document = msgspec.json.decode(answer.body, type=SignedSettings)
    assert verify_settings(document, agent.reply["settings_key"]) == Settings(
        version=1, group="default", keys=agent.reply["keys"]
    )
    assert set(agent.reply["keys"]) == {"tasks", "updates"}


def test_a_group_without_settings_says_so(node: Any, tmp_path: Path) -> None:
    agent = node.enrol(tmp_path / "a", node.token(group="empty"))
    assert agent.ask("GET", "/agent/v1/settings").reason == "settings_missing"
    assert agent.send(1, 1).json()["settings_version"] == 0


def test_a_renewed_certificate_ends_the_one_before_at_its_first_use(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    key = make_key()
    body = msgspec.json.encode({"csr": make_csr(key)})
    renewed = agent.ask("POST", "/agent/v1/renew", body)
    assert renewed.status == 200
    assert agent.send(1, 10).status == 200  # the reply may have been lost
    fresh = agent.write("2.pem", key, renewed.json()["certificate"])
    assert node.ask("GET", "/agent/v1/ping", client=fresh).json() == {"agent": agent.id}
    assert agent.send(11, 20).reason == "certificate_replaced"
    assert agent.ask("POST", "/agent/v1/renew", body).reason == "certificate_replaced"
    assert node.ask("POST", "/agent/v1/batch", agent.batch(11, 20), client=fresh).status == 200


def test_an_expired_certificate_may_renew_and_nothing_else(node: Any, enrol: Enrol, wait_for: Any) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from vedette.central.pki import load_authority

    agent = enrol()
    key = make_key()
    public: Any = load_pem_private_key(key, password=None).public_key()
    authority = load_authority(node.layout.ca_key)
    old = authority.issue_agent(public, tenant="default", agent=agent.id, now=now() - 300 * DAY)
    with node.state.write() as db:
        agents.set_certificate(db, agent.id, old.serial, old.not_after)
    expired = agent.write("expired.pem", key, old.pem)
    wait_for(lambda: node.ask("GET", "/agent/v1/ping", client=expired).reason, "certificate_expired".__eq__)
    for method, path in (("POST", "/agent/v1/batch"), ("GET", "/agent/v1/ping"), ("GET", "/agent/v1/settings")):
        assert node.ask(method, path, b"", client=expired).reason == "certificate_expired"
    renewed = node.ask("POST", "/agent/v1/renew", msgspec.json.encode({"csr": make_csr(key)}), client=expired)
    assert renewed.status == 200
    fresh = agent.write("fresh.pem", key, renewed.json()["certificate"])
    assert node.ask("GET", "/agent/v1/ping", client=fresh).status == 200


def test_a_tokens_uses_are_counted(node: Any, tmp_path: Path) -> None:
    token = node.token(uses=2)
    node.enrol(tmp_path / "a", token)
    node.enrol(tmp_path / "b", token)
    answer = node.ask("POST", "/agent/v1/enrol", node.enrol_body(token, make_csr(make_key())))
    assert answer.reason == "token_used"


def test_one_connection_carries_many_batches(node: Any, enrol: Enrol) -> None:
    agent = enrol()
    connection: http.client.HTTPSConnection = node.connect(agent.certificate)
    for number in range(20):
        answer = node.send(connection, "POST", "/agent/v1/batch", agent.batch(number * 10 + 1, number * 10 + 10))
        assert answer.json()["ranges"] == [[number * 10 + 1, number * 10 + 10]]
    connection.close()


def test_only_tls_1_3_is_spoken(node: Any) -> None:
    context = node.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection("127.0.0.1", node.port, timeout=10, context=context)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/agent/v1/ca")
    connection.close()
    node.counted("handshake_failed")


def test_every_refusal_stands_in_the_state(node: Any) -> None:
    assert node.ask("GET", "/agent/v1/nothing").reason == "route_unknown"
    node.counted("route_unknown")
    with node.state.read() as db:
        rows = db.execute(text("SELECT last FROM refusal WHERE reason = 'route_unknown'")).all()
    assert all(abs(row.last - now()) < MINUTE for row in rows)
