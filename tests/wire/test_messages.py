"""Messages, names, tokens, requests and signatures: what holds is read, the rest is refused with a reason."""

import contextlib
import json
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.central.pki import Authority, ensure_authority
from vedette.runtime.clock import now
from vedette.runtime.errors import IdentityError, WireError
from vedette.schema.entities import Os
from vedette.schema.policies import Settings, SignedSettings
from vedette.wire import limits
from vedette.wire.csr import make_csr, make_key, read_csr
from vedette.wire.messages import (
    EnrolReply,
    EnrolRequest,
    Problem,
    Receipt,
    RenewReply,
    RenewRequest,
    decode_message,
    encode_message,
)
from vedette.wire.names import agent_name, agent_uri
from vedette.wire.signature import key_id, load_key, sign_settings, verify_settings
from vedette.wire.tls import client_context, fingerprint
from vedette.wire.token import make_token, read_token, token_digest

MESSAGES: list[Any] = [
    EnrolRequest(token="t", csr="c", hostname="h", os=Os(name="Debian")),
    EnrolReply(agent="a" * 32, certificate="c", ca="d", settings_key="k", tenant="default", group="g"),
    RenewRequest(csr="c"),
    RenewReply(certificate="c"),
    Receipt(ranges=[(1, 2), (5, 9)], settings_version=1, rate=2, hints=["tasks"]),
    Problem(type="urn:x", title="t", status=403, detail="d"),
]
KINDS = st.sampled_from([type(message) for message in MESSAGES])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was(message: Any) -> None:
    assert decode_message(type(message), encode_message(message)) == message


def test_fields_of_a_newer_peer_are_passed_over() -> None:
    assert decode_message(Receipt, b'{"ranges": [[1, 2]], "new": {"x": [1]}}') == Receipt(ranges=[(1, 2)])


@settings(max_examples=150, deadline=None)
@given(KINDS, st.binary(max_size=200))
def test_no_bytes_crash_a_reader(kind: type[Any], data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_message(kind, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MESSAGES), st.data())
def test_a_field_of_another_kind_is_refused_or_read(message: Any, data: st.DataObject) -> None:
    fields = json.loads(encode_message(message))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(JSON)
    with contextlib.suppress(WireError):
        decode_message(type(message), json.dumps(fields).encode())


def test_a_message_beyond_its_limit_is_not_read() -> None:
    with pytest.raises(WireError, match="RenewRequest: 65537 bytes"):
        decode_message(RenewRequest, b" " * (limits.MESSAGE_BYTES + 1))
    with pytest.raises(WireError, match="RenewRequest"):
        decode_message(RenewRequest, json.dumps({"csr": "x" * (limits.CSR_CHARACTERS + 1)}).encode())
    with pytest.raises(WireError, match="Receipt"):
        decode_message(Receipt, b'{"ranges":' + b"[" * 50_000)


# Names.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("ca")
    return ensure_authority(folder / "key.pem", folder / "ca.pem", now=now())


def test_the_certificate_names_tenant_and_agent(authority: Authority) -> None:
    issued = authority.issue_agent(read_csr(make_csr(make_key())), tenant="acme.eu", agent="f" * 32, now=now())
    assert agent_name(x509.load_pem_x509_certificate(issued.pem.encode())) == ("acme.eu", "f" * 32)


def test_a_certificate_without_an_agent_names_none(authority: Authority) -> None:
    with pytest.raises(IdentityError, match="names no agent"):
        agent_name(authority.certificate)


@pytest.mark.parametrize(
    "names",
    [
        ["urn:vedette:agent:" + "a" * 32],
        ["urn:vedette:tenant:t:agent:" + "A" * 32],
        ["urn:vedette:tenant:t:agent:" + "a" * 33],
        ["urn:vedette:tenant:a:b:agent:" + "a" * 32],
        ["urn:vedette:tenant:t:agent:" + "a" * 32, "urn:vedette:tenant:t:agent:" + "b" * 32],
    ],
)
def test_a_name_of_another_form_is_refused(names: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    with pytest.raises(IdentityError, match="expected one"):
        agent_name(certificate)


@pytest.mark.parametrize(("tenant", "agent"), [("a:b", "a" * 32), ("", "a" * 32), ("t", "x"), ("t\n", "a" * 32)])
def test_no_name_is_made_of_what_is_none(tenant: str, agent: str) -> None:
    with pytest.raises(IdentityError):
        agent_uri(tenant, agent)


# Requests.


def test_a_request_proves_its_key() -> None:
    key = make_key()
    public: Any = serialization.load_pem_private_key(key, None).public_key()
    assert read_csr(make_csr(key)).public_numbers() == public.public_numbers()


def request_of(key: Any) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_other_keys_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        with pytest.raises(IdentityError, match="P-256"):
            read_csr(request_of(key))


def test_a_request_signed_by_another_key_is_refused() -> None:
    good = x509.load_pem_x509_csr(make_csr(make_key()).encode()).public_bytes(serialization.Encoding.DER)
    for position in range(len(good) - 40, len(good) - 8, 8):
        forged = bytearray(good)
        forged[position] ^= 1
        pem = x509.load_der_x509_csr(bytes(forged)).public_bytes(serialization.Encoding.PEM).decode()
        with pytest.raises(IdentityError, match="not signed by its key"):
            read_csr(pem)


@settings(max_examples=80, deadline=None)
@given(
    st.text(max_size=80)
    | st.text(string.printable, max_size=80).map(lambda text: "-----BEGIN CERTIFICATE REQUEST-----\n" + text)
)
def test_no_text_crashes_the_reader_of_requests(text: str) -> None:
    with pytest.raises(IdentityError):
        read_csr(text)


# Tokens.


def test_a_token_pins_the_ca() -> None:
    token = make_token("ab" * 32)
    assert read_token(f" {token}\n").ca_fingerprint == "ab" * 16
    assert token_digest(token) == token_digest(token.partition(".")[0] + ".other")
    assert make_token("ab" * 32) != token


# Signatures.

SIGNER = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    text: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def test_settings_arrive_as_they_were_signed() -> None:
    document = sign_settings(Settings(version=7, group="servers"), SIGNER)
    assert verify_settings(document, pem(SIGNER.public_key())) == Settings(version=7, group="servers")


def test_a_signed_body_that_is_no_settings_is_refused() -> None:
    body = b'{"version": -1}'
    document = SignedSettings(body=body, signature=SIGNER.sign(body), key_id=key_id(SIGNER.public_key()))
    with pytest.raises(WireError, match="settings: "):
        verify_settings(document, pem(SIGNER.public_key()))


@pytest.mark.parametrize("text", ["", "x", pem(ec.generate_private_key(ec.SECP256R1()).public_key()), "\ud800"])
def test_what_is_no_ed25519_key_is_refused(text: str) -> None:
    with pytest.raises(IdentityError) as caught:
        load_key(text)
    assert caught.value.reason == "bad_key"


# TLS.


def test_the_fingerprint_is_that_of_the_der(authority: Authority) -> None:
    assert fingerprint(authority.pem) == authority.fingerprint
    with pytest.raises(IdentityError, match="not a certificate"):
        fingerprint("x")


def test_what_is_no_ca_makes_no_context() -> None:
    with pytest.raises(IdentityError, match="cannot use the CA"):
        client_context("no certificate")
