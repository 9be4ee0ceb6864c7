"""The uplink through a proxy: real sockets, a small CONNECT proxy, TLS end to end."""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.core.batches import Facts
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import IdentityStore
from vedette.agent.core.proxy import Proxy, chosen_proxy, keep_proxy, kept_proxy, parse_proxy
from vedette.agent.core.transport import Transport, UnreachableError
from vedette.runtime.errors import ConfigError
from vedette.wire.tls import client_context, fingerprint
from vedette.wire.token import make_token

Start = Callable[..., Any]


class ConnectProxy:
    """Does CONNECT and nothing else; `sign_in` is what it wants, `status` what it answers."""

    def __init__(self, *, sign_in: str = "", status: int = 200) -> None:
        self._sign_in, self._status = sign_in, status
        self.asked: list[str] = []
        self.passed = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n")).decode()
            self.asked.append(head)
            status = self._status
            if self._sign_in and base64.b64encode(self._sign_in.encode()).decode() not in head:
                status = 407
            client.sendall(f"HTTP/1.1 {status} Word\r\nContent-Length: 0\r\n\r\n".encode())
            if status == 200:
                host, _, port = head.split()[1].rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    self._pump(client, server)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=_copy, args=(server, client, bytearray()), daemon=True)
        back.start()
        _copy(client, server, self.passed)
        back.join(5)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., ConnectProxy]]:
    started: list[ConnectProxy] = []

    def make(**options: Any) -> ConnectProxy:
        started.append(ConnectProxy(**options))
        return started[-1]

    yield make
    for proxy in started:
        proxy.close()


def connect(server: Any, proxy: str) -> Transport:
    return Transport(server.url, client_context(server.authority.pem), parse_proxy(proxy))


def test_batches_pass_through_the_proxy_and_it_reads_nothing(
    start_server: Start, start_proxy: Start, answer: Any
) -> None:
    server, proxy = start_server(), start_proxy()
    server.answer("/agent/v1/batch", answer(200, b"{}"))
    transport = connect(server, f"http://{proxy.address}")
    for _ in range(3):
        transport.send(b"a frame nobody else may read")
    transport.close()
    assert [asked.body for asked in server.asked] == [b"a frame nobody else may read"] * 3
    assert len(proxy.asked) == 1  # one tunnel serves all
    assert proxy.asked[0].startswith(f"CONNECT {server.url.removeprefix('https://')} HTTP/1.")
    assert b"a frame" not in proxy.passed
    assert "Proxy-Authorization" not in proxy.asked[0]


def test_sign_in_goes_to_the_proxy_only(start_server: Start, start_proxy: Start, answer: Any) -> None:
    server, proxy = start_server(), start_proxy(sign_in="agents:p@ss:wörd")
    server.answer("/agent/v1/batch", answer(200, b"{}"))
    transport = connect(server, f"http://agents:p%40ss%3Aw%C3%B6rd@{proxy.address}")
    transport.send(b"x")
    transport.close()
    assert "Proxy-Authorization: Basic " in proxy.asked[0]


@pytest.mark.parametrize(
    ("sign_in", "status", "user", "sentence"),
    [
        ("agents:right", 200, "agents:wrong@", "does not accept the password of 'agents' (407; Basic sign-in)"),
        ("agents:right", 200, "", "wants a user name and a password (407): http://USER:PASSWORD@HOST:PORT"),
        ("", 403, "agents:secret@", "refuses to connect to https://127.0.0.1:"),
        ("", 502, "", "(502)"),
    ],
)
def test_a_proxy_that_refuses_is_a_sentence_without_the_password(
    start_server: Start, start_proxy: Start, sign_in: str, status: int, user: str, sentence: str
) -> None:
    server, proxy = start_server(), start_proxy(sign_in=sign_in, status=status)
    transport = connect(server, f"http://{user}{proxy.address}")
    with pytest.raises(UnreachableError) as refused:
        transport.send(b"")
    transport.close()
    text = str(refused.value)
    assert text.startswith(f"the proxy http://{proxy.address} ")
    assert sentence in text
    assert "wrong" not in text
    assert "secret" not in text
    assert server.asked == []


def test_a_proxy_that_is_away_is_named(start_server: Start) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        transport = connect(start_server(), address)
        with pytest.raises(UnreachableError, match=f"^the proxy {address} cannot be reached: .*refused$"):
            transport.send(b"")
        transport.close()


def test_a_proxy_that_puts_itself_in_between_is_not_believed(start_server: Start, start_proxy: Start) -> None:
    """The tunnel leads to a server of another CA: the pinned CA does not vouch for it."""
    server, other, proxy = start_server(), start_server("other"), start_proxy()
    transport = Transport(other.url, client_context(server.authority.pem), parse_proxy(f"http://{proxy.address}"))
    with pytest.raises(UnreachableError, match="the pinned CA does not vouch for"):
        transport.send(b"")
    transport.close()


def test_enrolment_goes_through_the_proxy_too(start_server: Start, start_proxy: Start, tmp_path: Path) -> None:
    server, proxy = start_server(), start_proxy(status=403)
    token = make_token(fingerprint(server.authority.pem))
    with pytest.raises(UnreachableError, match=r"the proxy .* refuses to connect"):
        enrol(
            IdentityStore(tmp_path / "a"),
            server=server.url,
            token=token,
            facts=Facts(),
            proxy=parse_proxy(f"http://{proxy.address}"),
        )
    assert server.asked == []


def test_the_environment_is_asked_only_when_told_to() -> None:
    assert chosen_proxy("http://h:1", {"HTTPS_PROXY": "http://x:2"}) == "http://h:1"
    assert chosen_proxy("", {"HTTPS_PROXY": "http://x:2"}) == ""
    assert chosen_proxy("environment", {"HTTPS_PROXY": "http://x:2"}) == "http://x:2"
    with pytest.raises(ConfigError, match="HTTPS_PROXY and https_proxy are not set"):
        chosen_proxy("environment", {})


def test_it_is_kept_and_removed(tmp_path: Path) -> None:
    assert kept_proxy(tmp_path) is None
    keep_proxy(tmp_path, "http://u:p@[::1]:3128")
    assert kept_proxy(tmp_path) == Proxy("http://[::1]:3128", "u", "p")
    assert (tmp_path / "proxy").stat().st_mode & 0o777 == 0o600
    keep_proxy(tmp_path, "")
    assert kept_proxy(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128",
        "https://h:1",
        "http://",
        "http://h:99999",
        "http://h/path",
        "socks5://h:1",
        "http://a%3Ab:secret@h:1",
        "http://u:secret%0a@h:1",
    ],
)
def test_what_is_no_proxy_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        keep_proxy(tmp_path, text)
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_any_text_is_a_proxy_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_proxy(f"http://{text}")
