"""Settings are taken only from the pinned key, and never from the past."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vedette.agent.core.settings import SettingsKeeper
from vedette.runtime.errors import IdentityError
from vedette.schema.policies import Settings, SignedSettings
from vedette.wire.signature import sign_settings

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def applied() -> list[Settings]:
    return []


@pytest.fixture
def keeper(tmp_path: Path, applied: list[Settings]) -> SettingsKeeper:
    return SettingsKeeper(tmp_path / "settings.json", PUBLIC, applied.append)


def signed(version: int) -> SignedSettings:
    return sign_settings(Settings(version=version, send_interval=5), KEY)


def test_a_signed_document_is_applied_and_survives_a_restart(
    keeper: SettingsKeeper, applied: list[Settings], tmp_path: Path
) -> None:
    keeper.take(signed(3))
    assert applied == [keeper.current]
    again = SettingsKeeper(tmp_path / "settings.json", PUBLIC, applied.append)
    assert again.load() == keeper.current
    assert (again.current.version, again.current.send_interval) == (3, 5)


def test_without_a_document_the_defaults_hold(keeper: SettingsKeeper) -> None:
    assert keeper.load() == Settings()
    assert not keeper.wants(0)
    assert keeper.wants(1)


def test_an_older_document_is_refused(keeper: SettingsKeeper, applied: list[Settings]) -> None:
    keeper.take(signed(3))
    with pytest.raises(IdentityError, match="version 2 is older than 3") as caught:
        keeper.take(signed(2))
    assert caught.value.reason == "old_settings"
    assert (len(applied), keeper.current.version) == (1, 3)
    assert "older" in keeper.problem


@pytest.mark.parametrize("field", ["body", "signature", "key_id"])
def test_a_changed_document_is_refused(keeper: SettingsKeeper, applied: list[Settings], field: str) -> None:
    document = signed(3)
    value = getattr(document, field)
    changed = value.replace("0", "1") if isinstance(value, str) else value[:-1] + bytes([value[-1] ^ 1])
    with pytest.raises(IdentityError):
        keeper.take(msgspec.structs.replace(document, **{field: changed}))
    assert applied == []


@pytest.mark.parametrize(
    "text", [b"", b"{", b"{}", msgspec.json.encode(sign_settings(Settings(version=9), Ed25519PrivateKey.generate()))]
)
def test_a_kept_file_that_does_not_verify_counts_as_none(keeper: SettingsKeeper, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(text)
    assert keeper.load() == Settings()
    assert "not used" in keeper.problem
