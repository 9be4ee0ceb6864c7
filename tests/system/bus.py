"""A deployment of several nodes on loopback: a store, ingest and pipeline nodes, and a NATS cluster between them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
from tests.conftest import Deployment, until

from vedette.central.bus.stream import STREAM
from vedette.central.layout import Layout
from vedette.central.provision import provision
from vedette.central.settings import CentralSettings
from vedette.runtime.clock import now
from vedette.schema.entities import Process
from vedette.schema.events.process import ProcessStart
from vedette.store.events import EventStore
from vedette.store.state import open_state, tokens
from vedette.wire.batch import BatchHeader, Builder, frame
from vedette.wire.csr import make_csr, make_key

NATS = Path(sys.executable).with_name("nats-server")
CREDENTIALS = "vedette:only-on-loopback"
SERVERS = ("n1", "n2", "n3")
EPOCH = "1" * 16


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


class Several(Deployment):
    """Node `s` has state, store and keys; `a` and `b` are ingest nodes, `c` and `d` pipeline nodes."""

    def prepare(self) -> None:
        """Make keys and state, which all nodes share, and the settings of the store's node."""
        self.base = Layout(self.root / "s")
        provision(self.base, CentralSettings(), now=now())
        self.state = open_state(self.base.state_url)
        (self.root / "credentials").write_text(CREDENTIALS)
        self.ports_of = dict(zip(SERVERS, free_ports(3), strict=True))
        self.routes = dict(zip(SERVERS, free_ports(3), strict=True))
        self.base.settings_file.write_text('roles = ["store"]\n')

    def start_server(self, name: str) -> None:
        """Start one server of the cluster: TLS for clients, a password, every message synced."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        user, _, password = CREDENTIALS.partition(":")
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes.values())
        (folder / "nats.conf").write_text(f"""
            server_name: {name}
            listen: 127.0.0.1:{self.ports_of[name]}
            max_payload: 16MB
            jetstream {{ store_dir: "{folder}", sync_interval: always }}
            cluster {{ name: bus, listen: 127.0.0.1:{self.routes[name]}, routes: [{routes}] }}
            tls {{ cert_file: "{self.base.server_certificate}", key_file: "{self.base.server_certificate}" }}
            authorization {{ user: {user}, password: {password} }}
        """)
        self.start(name, command=[str(NATS), "-c", str(folder / "nats.conf")])

    def start_node(self, name: str, roles: list[str], **settings: Any) -> None:
        """Start a node that shares the keys and the state of `s`."""
        layout = Layout(self.root / name)
        layout.create()
        shutil.copytree(self.base.keys, layout.keys, dirs_exist_ok=True)
        shutil.copy(self.base.store_password, layout.remote_password)
        given = {
            "roles": roles,
            "state_url": self.base.state_url,
            "bus_url": ",".join(f"tls://127.0.0.1:{port}" for port in self.ports_of.values()),
            "bus_ca": str(self.base.ca_certificate),
            "bus_credentials": str(self.root / "credentials"),
            "spool_headroom": 0,
            **settings,
        }
        lines = (f"{key} = {json.dumps(value)}\n" for key, value in given.items())
        layout.settings_file.write_text("".join(lines))
        self.start_central_in(name)

    def start_central_in(self, name: str) -> None:
        listen = ("--listen-ingest", "127.0.0.1:0", "--listen-api", "127.0.0.1:0")
        self.start(name, "central", "--data", str(self.root / name), *listen)

    def wait_for_part(self, node: str, part: str) -> int:
        """Give the port that a part wrote when it was ready."""
        ready = Layout(self.root / node).ready(part)
        return int(until(lambda: ready.exists() and ready.read_text(), seconds=60, what=part, alive=self.alive))

    def pid(self, node: str, part: str) -> int:
        return int((self.root / node / "run" / f"{part}.pid").read_text())

    @property
    def store(self) -> EventStore:
        port = self.base.ready("store").read_text().strip()
        return EventStore(f"http://127.0.0.1:{port}", self.base.store_password.read_text())

    def leader(self) -> str:
        """Give the server that leads the stream; "" while there is none."""
        return asyncio.run(self._leader())

    async def _leader(self) -> str:
        user, _, password = CREDENTIALS.partition(":")
        client = await nats.connect(
            [f"tls://127.0.0.1:{port}" for port in self.ports_of.values()],
            tls=ssl.create_default_context(cafile=str(self.base.ca_certificate)),
            user=user,
            password=password,
        )
        try:
            found = await client.jetstream().stream_info(STREAM)
            return found.cluster.leader or "" if found.cluster else ""
        finally:
            await client.close()


class Sender(threading.Thread):
    """An agent that sends without pause, to one ingest node or the other; sometimes its receipt gets lost."""

    def __init__(self, several: Several, ports: list[int], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._ports, self._stop_sending = ports, stop
        self._context = ssl.create_default_context(cafile=str(several.base.ca_certificate))
        self.acknowledged = self.batches = self.again = 0
        self.failure: BaseException | None = None
        self.id = self._enrol(several)

    def run(self) -> None:
        try:
            while not self._stop_sending.is_set():
                self._send_next()
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.failure = error

    def _send_next(self) -> None:
        first = self.acknowledged + 1
        last = first + 199
        builder = Builder()
        for number in range(first, last + 1):
            builder.add(ProcessStart(time=now(), process=Process(pid=number, command_line=f"test {number}")))
        header = BatchHeader(agent=self.id, epoch=EPOCH, first=first, last=last, count=200, sent=now())
        body = frame(header, builder.encode(first))
        port = self._ports[self.batches % 3 % 2]
        if self._post(port, "/agent/v1/batch", body) != 200:
            self._stop_sending.wait(0.1)
            return
        if self.batches % 4 == 0:  # as if this receipt had not come: the other node gets the batch too
            other = next(one for one in self._ports if one != port)
            while (status := self._post(other, "/agent/v1/batch", body)) == 503:
                self._stop_sending.wait(0.1)
            assert status == 200
            self.again += 200
        self.acknowledged, self.batches = last, self.batches + 1

    def _enrol(self, several: Several) -> str:
        from vedette.wire.tls import fingerprint

        key = make_key()
        with several.state.write() as db:
            secret = tokens.create_enrolment(db, tokens.NewEnrolment(), now=now())
        token = f"{secret}.{fingerprint(several.base.ca_certificate.read_text())[:32]}"
        asked = {"token": token, "csr": make_csr(key), "hostname": "ws", "os": {"name": "Debian"}}
        with _connection(self._ports[0], self._context) as connection:
            connection.request("POST", "/agent/v1/enrol", msgspec.json.encode(asked))
            reply = msgspec.json.decode(connection.getresponse().read())
        path = several.root / f"{reply['agent']}.pem"
        path.write_bytes(key + reply["certificate"].encode())
        self._context.load_cert_chain(path)
        return str(reply["agent"])

    def _post(self, port: int, path: str, body: bytes) -> int:
        with _connection(port, self._context) as connection:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            answer.read()
            return answer.status


@contextmanager
def _connection(port: int, context: ssl.SSLContext) -> Iterator[http.client.HTTPSConnection]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        yield connection
    finally:
        connection.close()


def kill(pid: int) -> None:
    os.kill(pid, 9)
