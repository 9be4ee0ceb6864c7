"""The deployment's CA: what it makes, what it makes again, and what certificates say."""

import datetime as dt
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from vedette.central import pki
from vedette.runtime.clock import DAY
from vedette.runtime.errors import ConfigError, IdentityError
from vedette.wire.tls import fingerprint

NOW = 1_800_000_000_000_000
AGENT = "a" * 32


@pytest.fixture
def authority(tmp_path: Path) -> pki.Authority:
    return pki.ensure_authority(tmp_path / "ca-key.pem", tmp_path / "ca.pem", now=NOW)


def public_key() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def agent_certificate(authority: pki.Authority, **changes: Any) -> x509.Certificate:
    wanted: dict[str, Any] = {"tenant": "default", "agent": AGENT, "now": NOW, **changes}
    return x509.load_pem_x509_certificate(authority.issue_agent(public_key(), **wanted).pem.encode())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_ca_is_made_once_and_its_key_is_private(tmp_path: Path, authority: pki.Authority) -> None:
    again = pki.ensure_authority(tmp_path / "ca-key.pem", tmp_path / "ca.pem", now=NOW + DAY)
    assert again.fingerprint == authority.fingerprint
    assert mode(tmp_path / "ca-key.pem") == 0o600
    assert fingerprint((tmp_path / "ca.pem").read_text()) == authority.fingerprint
    assert "PRIVATE" not in (tmp_path / "ca.pem").read_text()


def test_a_lost_or_changed_public_copy_is_written_again(tmp_path: Path, authority: pki.Authority) -> None:
    (tmp_path / "ca.pem").write_text("something else")
    pki.ensure_authority(tmp_path / "ca-key.pem", tmp_path / "ca.pem", now=NOW)
    assert (tmp_path / "ca.pem").read_text() == authority.pem


@pytest.mark.parametrize("content", [b"", b"half a file -----BEGIN", b"\0" * 100])
def test_a_damaged_ca_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "ca-key.pem"
    key.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca-key\.pem"):
        pki.ensure_authority(key, tmp_path / "ca.pem", now=NOW)
    assert key.read_bytes() == content


def test_an_agents_certificate_says_who_it_is_and_nothing_more(authority: pki.Authority) -> None:
    certificate = agent_certificate(authority, tenant="acme")
    assert pki.read_agent_uri(certificate) == ("acme", AGENT)
    certificate.verify_directly_issued_by(authority.certificate)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    begin = dt.datetime.fromtimestamp(NOW / 1e6, dt.UTC)
    assert certificate.not_valid_after_utc - begin == dt.timedelta(days=180)
    assert begin - certificate.not_valid_before_utc == dt.timedelta(days=1)


def test_serials_are_hex_and_differ(authority: pki.Authority) -> None:
    issued = [authority.issue_agent(public_key(), tenant="default", agent=AGENT, now=NOW) for _ in range(5)]
    for one in issued:
        assert int(one.serial, 16) == x509.load_pem_x509_certificate(one.pem.encode()).serial_number
        assert one.not_after == NOW + 180 * DAY
    assert len({one.serial for one in issued}) == 5


def test_a_servers_certificate_names_no_agent(tmp_path: Path, authority: pki.Authority) -> None:
    pki.ensure_server_certificate(tmp_path / "server.pem", authority, [], now=NOW)
    certificate = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    with pytest.raises(IdentityError) as caught:
        pki.read_agent_uri(certificate)
    assert caught.value.reason == "certificate_malformed"


def server_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_servers_certificate_has_its_names_and_is_private(tmp_path: Path, authority: pki.Authority) -> None:
    path = tmp_path / "server.pem"
    assert pki.ensure_server_certificate(path, authority, ["central.example", "192.0.2.1", "::1"], now=NOW)
    assert pki.server_names(server_certificate(path)) == [
        "localhost",
        "127.0.0.1",
        "central.example",
        "192.0.2.1",
        "::1",
    ]
    assert mode(path) == 0o600


def test_a_good_server_certificate_is_kept(tmp_path: Path, authority: pki.Authority) -> None:
    path = tmp_path / "server.pem"
    pki.ensure_server_certificate(path, authority, ["central.example"], now=NOW)
    held = path.read_bytes()
    assert not pki.ensure_server_certificate(path, authority, [], now=NOW + 119 * DAY)
    assert path.read_bytes() == held


def test_a_server_certificate_is_renewed_at_60_days_left_with_the_names_it_had(
    tmp_path: Path, authority: pki.Authority
) -> None:
    path = tmp_path / "server.pem"
    pki.ensure_server_certificate(path, authority, ["central.example"], now=NOW)
    assert pki.ensure_server_certificate(path, authority, [], now=NOW + 121 * DAY)
    assert "central.example" in pki.server_names(server_certificate(path))


def test_a_new_name_makes_a_new_server_certificate(tmp_path: Path, authority: pki.Authority) -> None:
    path = tmp_path / "server.pem"
    pki.ensure_server_certificate(path, authority, ["a.example"], now=NOW)
    assert pki.ensure_server_certificate(path, authority, ["b.example"], now=NOW)
    assert {"a.example", "b.example"} <= set(pki.server_names(server_certificate(path)))


def test_a_damaged_or_foreign_server_certificate_is_replaced(tmp_path: Path, authority: pki.Authority) -> None:
    path = tmp_path / "server.pem"
    path.write_bytes(b"half")
    assert pki.ensure_server_certificate(path, authority, [], now=NOW)
    other = pki.ensure_authority(tmp_path / "other-key.pem", tmp_path / "other.pem", now=NOW)
    assert pki.ensure_server_certificate(path, other, [], now=NOW)
    server_certificate(path).verify_directly_issued_by(other.certificate)


def test_a_signing_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "settings.pem"
    pki.ensure_signing_key(path)
    first = pki.public_pem(pki.load_signing_key(path))
    pki.ensure_signing_key(path)
    assert pki.public_pem(pki.load_signing_key(path)) == first
    assert mode(path) == 0o600


def test_a_key_of_another_kind_is_no_signing_key(tmp_path: Path, authority: pki.Authority) -> None:
    assert authority.pem
    with pytest.raises(ConfigError, match="Ed25519"):
        pki.load_signing_key(tmp_path / "ca-key.pem")
    with pytest.raises(ConfigError, match="absent"):
        pki.load_signing_key(tmp_path / "absent.pem")
