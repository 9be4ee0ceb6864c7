"""The API as the process that the supervisor runs: TLS, signals, and a person's first login."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.central.layout import Layout
from vedette.central.provision import FirstStart, provision
from vedette.central.settings import CentralSettings
from vedette.cli.client import Client, ClientConfig, load_config
from vedette.runtime.clock import now


class Node:
    """A provisioned directory and the API process that serves it."""

    def __init__(self, layout: Layout, first: FirstStart, process: subprocess.Popen[bytes]) -> None:
        self.layout, self.first, self.process = layout, first, process
        self.port = int(layout.ready("api").read_text())
        self.url = f"https://127.0.0.1:{self.port}"

    def handshake(self, context: ssl.SSLContext) -> str | None:
        """Connect; give the version of TLS."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as channel,
        ):
            return channel.version()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Serve a new directory; at the end see that the process ends in order when it is told."""
    layout = Layout(tmp_path_factory.mktemp("central"))
    first = provision(layout, CentralSettings(), now=now())
    assert first is not None
    command = [sys.executable, "-m", "vedette.central.api", "--data", str(layout.data), "--listen", "127.0.0.1:0"]
    with (layout.data / "api.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 60
    while not layout.ready("api").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail((layout.data / "api.log").read_text())
        time.sleep(0.05)
    yield Node(layout, first, process)
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(20) == 0
        assert not layout.ready("api").exists()
    finally:
        process.kill()


def test_only_tls_1_3_by_the_deployments_ca(node: Node) -> None:
    trusting = ssl.create_default_context(cafile=str(node.layout.ca_certificate))
    assert node.handshake(trusting) == "TLSv1.3"
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        node.handshake(trusting)
    with pytest.raises(ssl.SSLCertVerificationError):
        node.handshake(ssl.create_default_context())


def test_the_first_login_asks_for_a_new_password_and_keeps_a_token(node: Node, tmp_path: Path) -> None:
    kept = tmp_path / "client.toml"
    environment = {**os.environ, "VEDETTE_CLIENT": str(kept)}
    command = [
        sys.executable, "-m", "vedette", "login", node.url, "--ca", str(node.layout.ca_certificate),
        "--password-stdin",
    ]  # fmt: skip

    def login(typed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, input=typed, env=environment, capture_output=True, text=True, check=False)

    refused = login(f"{node.first.password}\nweak\n")
    assert (refused.returncode, kept.exists()) == (1, False)
    assert "at least 12 characters" in refused.stderr
    done = login(f"{node.first.password}\nmy very own words\n")
    assert done.returncode == 0, done.stderr
    assert kept.stat().st_mode & 0o777 == 0o600
    config = load_config({"VEDETTE_CLIENT": str(kept)})
    with Client(config) as client:
        me = client.get("/me")
        assert (me["name"], me["must_change_password"]) == ("admin", False)
        assert client.get("/audit/verify")["whole"]
        assert client.get("/sessions") == []
    assert node.first.password not in (node.layout.data / "api.log").read_text()
    again = login("my very own words\n")
    assert again.returncode == 0, again.stderr


def test_the_first_token_works_at_once_and_names_no_software(node: Node) -> None:
    config = ClientConfig(url=node.url, ca=str(node.layout.ca_certificate), token=node.first.api_token)
    with Client(config) as client:
        assert client.get("/hosts")["items"] == []
        assert client.get("/settings/default")["version"] == 1
        response = client._http.get("/health")
    assert "server" not in response.headers
    assert response.headers["Strict-Transport-Security"]
