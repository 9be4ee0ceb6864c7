"""The Central Node as a whole: one at a time, its parts, what it tells the operator."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vedette.central import app
from vedette.central.app import Overrides
from vedette.central.layout import Layout
from vedette.central.provision import FirstStart
from vedette.central.settings import CentralSettings
from vedette.runtime.errors import ConfigError

FIRST = FirstStart(administrator="admin", password="one-two", api_token="vdt_x", enrolment_token="vde_y.z")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "data")
    made.create()
    return made


def test_two_never_share_a_directory(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOCK_SECONDS", 0.0)
    held = app._lock(layout)
    with pytest.raises(ConfigError, match=f"process {os.getpid()}"):
        app._lock(layout)
    os.close(held)
    os.close(app._lock(layout))


def test_flags_win_over_settings_and_names_add_up() -> None:
    settings = CentralSettings(listen_api="127.0.0.1:1", listen_ingest="127.0.0.1:2", names=["a"])
    chosen = app._choose(settings, Overrides(listen_api="127.0.0.1:3", names=("b",)))
    assert (chosen.listen_api, chosen.listen_ingest, chosen.names) == ("127.0.0.1:3", "127.0.0.1:2", ["a", "b"])
    with pytest.raises(ConfigError):
        app._choose(settings, Overrides(listen_api="nowhere"))


def test_each_pipeline_has_its_share_and_the_store_is_stopped_last() -> None:
    parts = {part.name: part for part in app._parts(CentralSettings(pipelines=3))}
    assert set(parts) == {"store", "ingest", "api", "scanner", "upkeep", "pipeline-0", "pipeline-1", "pipeline-2"}
    assert parts["pipeline-2"].arguments == ("--share", "2", "--of", "3")
    assert [name for name, part in parts.items() if part.last] == ["store"]
    assert parts["ingest"].after == ()


def test_a_node_has_the_parts_of_its_roles_and_without_a_bus_none_of_it() -> None:
    def names(**settings: Any) -> dict[str, tuple[str, ...]]:
        return {part.name: part.after for part in app._parts(CentralSettings(**settings))}

    bus = "tls://a.example:4222"
    assert names(roles=("ingest",), bus_url=bus) == {"ingest": (), "forward": ("ingest",)}
    assert names(roles=("pipeline",), bus_url=bus) == {"pipeline-0": (), "receive": ()}
    assert names(roles=("store", "api")) == {"store": (), "api": ("store",), "scanner": ()}
    assert set(names(bus_url=bus)) == {*names(), "forward", "receive"}


def test_without_a_bus_its_library_is_not_loaded() -> None:
    parts = ("vedette.central.app", "vedette.central.ingest.app", "vedette.central.pipeline.app")
    script = f"import sys, {', '.join(parts)}; sys.exit('nats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_ipv6_address_keeps_its_brackets() -> None:
    parts = {part.name: part for part in app._parts(CentralSettings(listen_ingest="[::1]:7"))}
    assert (parts["ingest"].arguments, parts["ingest"].port) == (("--listen", "[::1]:{port}"), 7)


def test_secrets_are_told_at_the_first_start_only(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    app._announce("https://127.0.0.1:1", "https://127.0.0.1:2", layout, FIRST)
    told = capsys.readouterr().out
    assert "one-two" in told
    assert "vde_y.z" in told
    assert "https://127.0.0.1:1" in told
    app._announce("https://127.0.0.1:1", "https://127.0.0.1:2", layout, None)
    assert "one-two" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("listen", "port", "expected"),
    [
        ("0.0.0.0:5", 5, "https://127.0.0.1:5"),
        ("[::1]:0", 7, "https://[::1]:7"),
        ("central.example:9", None, "https://central.example:9"),
    ],
)
def test_the_url_is_one_that_can_be_opened(listen: str, port: int | None, expected: str) -> None:
    assert app._url(listen, port) == expected


def test_a_renewed_server_certificate_starts_the_api_anew(layout: Layout) -> None:
    from vedette.central import pki
    from vedette.runtime.clock import DAY, now

    authority = pki.ensure_authority(layout.ca_key, layout.ca_certificate, now=now())
    pki.ensure_server_certificate(layout.server_certificate, authority, [], now=now())
    assert app._renew(layout) == ()
    pki.ensure_server_certificate(layout.server_certificate, authority, ["x.example"], now=now() - 130 * DAY)
    assert app._renew(layout) == ("api",)
