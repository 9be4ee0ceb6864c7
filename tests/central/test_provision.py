"""The first start of a Central Node, and every later one."""

import stat
import tomllib
from pathlib import Path

from vedette.central.layout import Layout
from vedette.central.provision import provision, update_client_config
from vedette.central.settings import CentralSettings
from vedette.runtime.clock import now
from vedette.store.state import audit, open_state, settings, tokens
from vedette.wire.token import read_token


def test_the_first_start_gives_secrets_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    first = provision(layout, CentralSettings(), now=now())
    assert first is not None
    assert first.administrator == "admin"
    assert len(first.password) >= 16
    assert provision(layout, CentralSettings(), now=now()) is None


def test_nothing_in_the_directory_is_open_to_others(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    provision(layout, CentralSettings(), now=now())
    for path in [layout.data, *layout.data.rglob("*")]:
        if path != layout.ca_certificate:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_folders_that_were_opened_are_closed_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    layout.create()
    layout.keys.chmod(0o755)
    layout.create()
    assert stat.S_IMODE(layout.keys.stat().st_mode) == 0o700


def test_the_tokens_work_and_the_settings_and_the_audit_log_are_there(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    first = provision(layout, CentralSettings(), now=now())
    assert first is not None
    state = open_state(layout.state_url)
    with state.read() as db:
        assert tokens.enrolment(db, first.enrolment_token.partition(".")[0]).uses > 0
        assert tokens.api(db, first.api_token).account
        document = settings.current(db, "default", "default")
        assert document is not None
        assert document.version == 1
        assert audit.verify(db, layout.audit_key.read_bytes()).whole
    state.close()
    assert read_token(first.enrolment_token).ca_fingerprint


def test_client_config_follows_the_port(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    first = provision(layout, CentralSettings(listen_api="127.0.0.1:0"), now=now())
    assert first is not None
    update_client_config(layout, url="https://127.0.0.1:4711")
    assert tomllib.loads(layout.client_config.read_text()) == {
        "url": "https://127.0.0.1:4711",
        "ca": str(layout.ca_certificate),
        "token": first.api_token,
    }
    layout.client_config.unlink()
    update_client_config(layout, url="https://127.0.0.1:4712")
    assert not layout.client_config.exists()
