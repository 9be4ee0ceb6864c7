"""Enrolment: whom the agent trusts, and what it keeps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette.agent.core.buffer import Facts
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import IdentityStore
from vedette.agent.core.renewal import Renewal
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.central.pki import public_pem
from vedette.runtime.clock import DAY, HOUR, now
from vedette.runtime.errors import ConfigError, IdentityError
from vedette.schema.entities import Host, Os
from vedette.wire.csr import make_csr, make_key, read_csr
from vedette.wire.messages import EnrolReply, EnrolRequest, RenewReply, RenewRequest, encode_message
from vedette.wire.token import make_token

Start = Callable[..., Any]
FACTS = Facts(Host(name="ws1"), Os(family="linux", name="Debian"))
AGENT = "c" * 32


class Central:
    """A Central Node as far as enrolment goes; it answers when asked, so answers can depend on the question."""

    def __init__(self, server: Any, answer: Any) -> None:
        self.server, self._answer = server, answer
        self.token = make_token(server.authority.fingerprint)
        self.reply: dict[str, Any] = {}
        self.certificate_of: bytes | None = None
        server.answer("/agent/v1/ca", answer(200, server.authority.pem.encode()))
        central = self

        class Answers(dict[str, list[Any]]):
            def get(self, path: str, default: Any = None) -> Any:
                if path == "/agent/v1/enrol" and path not in self:
                    return [answer(200, central.enrolled())]
                if path == "/agent/v1/renew" and path not in self:
                    return [answer(200, central.renewed())]
                return super().get(path, default)

        server.answers = Answers(server.answers)

    def issue(self, csr: str, life: int = 0) -> str:
        public = read_csr(csr if self.certificate_of is None else make_csr(self.certificate_of))
        made: str = self.server.authority.issue_agent(public, tenant="default", agent=AGENT, now=now() - life).pem
        return made

    def enrolled(self) -> bytes:
        request = msgspec.json.decode(self.server.asked[-1].body, type=EnrolRequest)
        reply = EnrolReply(
            agent=AGENT, certificate=self.issue(request.csr), ca=self.server.authority.pem,
            settings_key=public_pem(Ed25519PrivateKey.generate()), tenant="default", group="default",
        )  # fmt: skip
        return encode_message(msgspec.structs.replace(reply, **self.reply))

    def renewed(self) -> bytes:
        request = msgspec.json.decode(self.server.asked[-1].body, type=RenewRequest)
        return encode_message(RenewReply(certificate=self.issue(request.csr)))


@pytest.fixture
def central(start_server: Start, answer: Any) -> Central:
    return Central(start_server(), answer)


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    return IdentityStore(tmp_path / "agent")


def enrolled(central: Central, store: IdentityStore, **changes: Any) -> Any:
    options = {"server": central.server.url, "token": central.token, "facts": FACTS} | changes
    return enrol(store, **options)


def test_the_identity_is_kept_for_its_owner_only(central: Central, store: IdentityStore, tmp_path: Path) -> None:
    identity = enrolled(central, store)
    assert identity == store.load()
    assert (identity.agent, identity.server, identity.ca) == (AGENT, central.server.url, central.server.authority.pem)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "agent").iterdir()} == {0o600}
    assert (tmp_path / "agent").stat().st_mode & 0o777 == 0o700


def test_the_request_tells_the_host_but_not_who_it_is(central: Central, store: IdentityStore) -> None:
    enrolled(central, store)
    request = msgspec.json.decode(central.server.asked[-1].body, type=EnrolRequest)
    assert (request.token, request.hostname, request.os.name) == (central.token, "ws1", "Debian")
    read_csr(request.csr)


def test_with_a_token_of_another_deployment_the_token_is_not_sent(
    central: Central, store: IdentityStore, start_server: Start
) -> None:
    foreign = make_token(start_server("other").authority.fingerprint)
    with pytest.raises(IdentityError, match=r"wrong CA: the CA of .* has fingerprint .*, expected") as caught:
        enrolled(central, store, token=foreign)
    assert caught.value.reason == "wrong_ca"
    assert [asked.path for asked in central.server.asked] == ["/agent/v1/ca"]
    assert not store.exists()


def test_a_ca_file_that_the_token_does_not_name_is_refused(
    central: Central, store: IdentityStore, start_server: Start
) -> None:
    with pytest.raises(IdentityError, match="wrong CA: the given CA"):
        enrolled(central, store, ca=start_server("other").authority.pem)
    assert central.server.asked == []


def test_with_the_right_ca_file_nothing_is_fetched(central: Central, store: IdentityStore) -> None:
    enrolled(central, store, ca=central.server.authority.pem)
    assert [asked.path for asked in central.server.asked] == ["/agent/v1/enrol"]


def test_a_fingerprint_given_by_hand_is_checked_too(central: Central, store: IdentityStore) -> None:
    whole = central.server.authority.fingerprint
    colons = ":".join(whole[n : n + 2] for n in range(0, 64, 2)).upper()
    enrolled(central, store, ca_fingerprint=colons)
    with pytest.raises(IdentityError, match="wrong CA"):
        enrolled(central, store, ca_fingerprint="0" * 64)
    with pytest.raises(ConfigError, match="at least 32"):
        enrolled(central, store, ca_fingerprint=whole[:8])


def test_a_server_that_shows_the_right_ca_but_is_not_of_it_gets_no_token(
    central: Central, store: IdentityStore, start_server: Start, answer: Any
) -> None:
    between = start_server("between")
    between.answer("/agent/v1/ca", answer(200, central.server.authority.pem.encode()))
    with pytest.raises(UnreachableError, match="does not vouch for"):
        enrolled(central, store, server=between.url)
    assert [asked.path for asked in between.asked] == ["/agent/v1/ca"]


def test_a_used_token_is_a_clear_refusal(central: Central, store: IdentityStore, answer: Any) -> None:
    problem = b'{"status": 403, "detail": "the token has no uses left"}'
    central.server.answer("/agent/v1/enrol", answer(403, problem))
    with pytest.raises(RefusedError, match="403: the token has no uses left"):
        enrolled(central, store)
    assert not store.exists()


@pytest.mark.parametrize("token", ["", "vde_x", "secret", "vde_" + "a" * 40, "vde_" + "a" * 40 + "." + "g" * 32])
def test_what_is_no_token_is_refused_before_anything_is_sent(
    central: Central, store: IdentityStore, token: str
) -> None:
    with pytest.raises(IdentityError, match="not an enrolment token"):
        enrolled(central, store, token=token)
    assert central.server.asked == []


def test_a_directory_that_cannot_be_written_is_found_before_the_token_is_spent(
    central: Central, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written \(Not a directory\)"):
        enrolled(central, IdentityStore(tmp_path / "file" / "agent"))
    assert central.server.asked == []


def test_a_certificate_for_another_key_is_refused(central: Central, store: IdentityStore) -> None:
    central.certificate_of = make_key()
    with pytest.raises(IdentityError, match="another key"):
        enrolled(central, store)
    assert not store.exists()


def test_a_certificate_for_another_agent_is_refused(central: Central, store: IdentityStore) -> None:
    central.reply = {"agent": "d" * 32}
    with pytest.raises(IdentityError, match="another agent"):
        enrolled(central, store)


def test_a_reply_for_another_ca_is_refused(central: Central, store: IdentityStore, start_server: Start) -> None:
    central.reply = {"ca": start_server("other").authority.pem}
    with pytest.raises(IdentityError, match="another CA"):
        enrolled(central, store)


def test_a_host_that_is_not_enrolled_is_told_what_to_do(store: IdentityStore) -> None:
    with pytest.raises(ConfigError, match="run `vedette agent enrol` first"):
        store.load()


# Renewal.


class Renewing:
    """An enrolled agent whose clock a test moves, and its way to the Central Node."""

    def __init__(self, central: Central, store: IdentityStore) -> None:
        self.identity = enrolled(central, store)
        self.now = now()
        self.renewal = Renewal(store, self.identity, lambda: self.now)
        self.transport = Transport(central.server.url, store.context(self.identity))


@pytest.fixture
def renewing(central: Central, store: IdentityStore) -> Any:
    made = Renewing(central, store)
    yield made
    made.transport.close()


def test_renewal_is_due_60_days_before_the_end(renewing: Renewing) -> None:
    renewing.now = renewing.renewal.expires - 60 * DAY - 1
    assert not renewing.renewal.due()
    renewing.now += 1
    assert renewing.renewal.due()


def test_a_renewal_replaces_key_and_certificate(renewing: Renewing, store: IdentityStore) -> None:
    before = store.client.read_bytes()
    assert renewing.renewal.renew(renewing.transport)
    after = store.client.read_bytes()
    keys = [pem.partition(b"-----BEGIN CERTIFICATE-----")[0] for pem in (before, after)]
    assert keys[0] != keys[1]
    assert all(b"PRIVATE KEY" in key for key in keys)
    store.context(renewing.identity)  # they belong together
    assert store.client.stat().st_mode & 0o777 == 0o600


def test_a_refused_renewal_leaves_the_old_pair_and_is_tried_an_hour_later(
    renewing: Renewing, central: Central, store: IdentityStore, answer: Any
) -> None:
    central.server.answer("/agent/v1/renew", answer(503, b"{}"))
    before = store.client.read_bytes()
    renewing.now = renewing.renewal.expires - 59 * DAY
    assert not renewing.renewal.renew(renewing.transport)
    assert store.client.read_bytes() == before
    assert not renewing.renewal.due()
    renewing.now += HOUR
    assert renewing.renewal.due()


def test_an_expired_certificate_must_renew(renewing: Renewing, central: Central, answer: Any) -> None:
    central.server.answer("/agent/v1/renew", answer(403, b'{"detail": "revoked"}'))
    renewing.now = renewing.renewal.expires
    with pytest.raises(RefusedError, match="revoked"):
        renewing.renewal.renew(renewing.transport)
    assert renewing.renewal.due()
    del central.server.answers["/agent/v1/renew"]
    assert renewing.renewal.renew(renewing.transport)
    assert renewing.renewal.expires > renewing.now - DAY


def test_a_renewal_for_another_key_is_not_taken(renewing: Renewing, central: Central, store: IdentityStore) -> None:
    central.certificate_of = make_key()
    before = store.client.read_bytes()
    assert not renewing.renewal.renew(renewing.transport)
    assert store.client.read_bytes() == before
