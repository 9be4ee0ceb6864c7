"""Both sides of the bus against a NATS server on loopback."""

import asyncio
import gc
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.central import pki
from vedette.central.bus import stream
from vedette.central.bus.forward import Forwarder
from vedette.central.bus.receive import Receiver
from vedette.central.bus.stream import NUMBER, SUBJECT, Bus, connect
from vedette.central.settings import CentralSettings
from vedette.runtime.clock import now
from vedette.runtime.errors import ConfigError
from vedette.wire.csr import make_csr, make_key, read_csr

NATS = Path(sys.executable).with_name("nats-server")
NODE = 3


class Server:
    """A server with a stream of its own; may be stopped and started."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port = int(held.getsockname()[1])
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, payload: str = "16MB", more: str = "") -> None:
        config = self.folder / "nats.conf"
        config.write_text(
            f'listen: 127.0.0.1:{self.port}\nmax_payload: {payload}\njetstream {{ store_dir: "{self.folder}" }}\n{more}'
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(NATS), "-c", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self._listens():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def settings(self, **more: int) -> CentralSettings:
        return CentralSettings(bus_url=f"nats://127.0.0.1:{self.port}", bus_replicas=1, node=NODE, **more)  # type: ignore[arg-type]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "nats"
    folder.mkdir()
    made = Server(folder)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Give a spool and a folder to receive into."""
    spool, received = tmp_path / "spool", tmp_path / "received"
    spool.mkdir()
    received.mkdir()
    return spool, received


def seal(spool: Path, number: int, content: bytes) -> None:
    (spool / f"{number:012d}.seg").write_bytes(content)


async def until(look: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def with_bus(server: Server, work: Callable[[Bus], Awaitable[None]], **settings: int) -> None:
    async def run() -> None:
        bus = await connect(server.settings(**settings), "test")
        try:
            await bus.prepare()
            await work(bus)
        finally:
            await bus.close()

    asyncio.run(run())


async def beside(work: Callable[[], Awaitable[None]], *parts: Awaitable[None]) -> None:
    """Do `work` while the parts run, then end them."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await work()
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


async def waiting(bus: Bus) -> int:
    return int((await bus._jetstream.stream_info(stream.STREAM)).state.messages)


async def until_waiting(bus: Bus, count: int) -> None:
    """Wait until so many segments are on the bus: it is told of what is done after others may have come."""
    deadline = time.monotonic() + 20
    while (seen := await waiting(bus)) != count:
        assert time.monotonic() < deadline, f"{seen} wait, not {count}"
        await asyncio.sleep(0.02)


def names(folder: Path) -> list[str]:
    """Give the segments in a folder, not what is being written."""
    return sorted(path.name for path in folder.glob("*.seg"))


def test_a_segment_goes_over_and_stays_on_the_bus_until_it_is_done(server: Server, folders: tuple[Path, Path]) -> None:
    spool, received = folders
    for number in (7, 8, 9):
        seal(spool, number, bytes([number]) * 100)

    async def work(bus: Bus) -> None:
        async def steps() -> None:
            await until(lambda: len(names(received)) == 2, "two are held")
            assert names(received) == ["0003000000000007.seg", "0003000000000008.seg"]
            assert (received / "0003000000000007.seg").read_bytes() == b"\7" * 100
            await until(lambda: not names(spool), "all are on the bus")
            assert await waiting(bus) == 3
            (received / "0003000000000007.seg").unlink()  # the pipeline has stored it
            await until(lambda: "0003000000000009.seg" in names(received), "the next one comes")
            await until_waiting(bus, 2)

        await beside(steps, Forwarder(spool, NODE).run(bus), Receiver(received, 2, time.monotonic).run(bus))

    with_bus(server, work)


def test_a_segment_sent_twice_is_there_once(server: Server) -> None:
    async def work(bus: Bus) -> None:
        for _ in range(3):
            await bus.publish(5, b"same")
        assert await waiting(bus) == 1

    with_bus(server, work)


def test_what_is_in_work_goes_to_nobody_else_and_what_was_left_is_not_written_over(
    server: Server, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    _, received = folders
    other = tmp_path / "other"
    other.mkdir()
    left = received / f"{5:016d}.seg"
    left.write_bytes(b"already here, and perhaps in work")

    async def work(bus: Bus) -> None:
        await bus.publish(5, b"segment")
        first, second = Receiver(received, 2, time.monotonic), Receiver(other, 2, time.monotonic)

        async def steps() -> None:
            await until(lambda: 5 in first._held, "it is held")
            assert left.read_bytes() == b"already here, and perhaps in work"

            async def both() -> None:
                await bus.publish(6, b"next")
                await until(lambda: 6 in first._held or 6 in second._held, "the next one is held")
                assert 5 not in second._held

            await beside(both, second.run(bus))

        await beside(steps, first.run(bus))

    with_bus(server, work)


def test_what_is_no_segment_is_removed_and_the_queue_goes_on(server: Server, folders: tuple[Path, Path]) -> None:
    _, received = folders

    async def work(bus: Bus) -> None:
        for headers in (None, {NUMBER: "../x"}, {NUMBER: "9" * 17}, {NUMBER: "\u0661"}):
            await bus._client.publish(SUBJECT, b"x", headers=headers)
        await bus.publish(5, b"segment")

        async def steps() -> None:
            await until(lambda: names(received) == [f"{5:016d}.seg"], "ours comes through")
            await until_waiting(bus, 1)

        await beside(steps, Receiver(received, 9, time.monotonic).run(bus))

    with_bus(server, work)


def test_when_the_bus_is_full_the_spool_keeps_the_rest(server: Server, folders: tuple[Path, Path]) -> None:
    spool, received = folders
    with_bus(server, lambda _: asyncio.sleep(0))  # a stream that takes more is made smaller
    for number in range(7):
        seal(spool, number, b"x")

    async def work(bus: Bus) -> None:
        async def steps() -> None:
            await until(lambda: len(names(spool)) == 3, "four fit")
            await asyncio.sleep(0.3)
            assert (len(names(spool)), await waiting(bus)) == (3, 4)

            async def taken() -> None:
                def take() -> bool:
                    for path in received.glob("*.seg"):
                        path.unlink()
                    return not names(spool)

                await until(take, "the rest follows")

            await beside(taken, Receiver(received, 9, time.monotonic).run(bus))

        await beside(steps, Forwarder(spool, NODE).run(bus))

    with_bus(server, work, bus_segments=4)


def test_a_server_that_goes_and_comes_back_only_delays(server: Server, folders: tuple[Path, Path]) -> None:
    spool, received = folders

    async def work(bus: Bus) -> None:
        async def steps() -> None:
            seal(spool, 1, b"before")
            await until(lambda: len(names(received)) == 1, "the first")
            server.stop()
            seal(spool, 2, b"while it is away")
            server.start()
            await until(lambda: len(names(received)) == 2, "the second")

        await beside(steps, Forwarder(spool, NODE).run(bus), Receiver(received, 9, time.monotonic).run(bus))

    with_bus(server, work)


def test_servers_that_take_only_small_messages_are_named(server: Server) -> None:
    server.stop()
    server.start("1MB")
    with pytest.raises(ConfigError, match="max_payload: 16MB"):
        with_bus(server, lambda _: asyncio.sleep(0))


def test_who_shows_the_right_certificate_and_password_is_let_in(server: Server, tmp_path: Path) -> None:
    authority = pki.ensure_authority(tmp_path / "ca-key.pem", tmp_path / "ca.pem", now=now())
    pki.ensure_server_certificate(tmp_path / "server.pem", authority, [], now=now())
    key = make_key()
    shown = authority.issue_agent(read_csr(make_csr(key)), tenant="default", agent="0" * 32, now=now())
    (tmp_path / "node.pem").write_bytes(key + shown.pem.encode())
    (tmp_path / "password").write_text("vedette:secret")
    server.stop()
    server.start(
        more=f"""
        tls {{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.pem", ca_file: "{tmp_path}/ca.pem",
              verify: true }}
        authorization {{ user: vedette, password: secret }}
        """
    )
    allowed = msgspec.structs.replace(
        server.settings(),
        bus_url=f"tls://127.0.0.1:{server.port}",
        bus_ca=str(tmp_path / "ca.pem"),
        bus_certificate=str(tmp_path / "node.pem"),
        bus_credentials=str(tmp_path / "password"),
    )

    async def enter(settings: CentralSettings) -> None:
        bus = await connect(settings, "test")
        try:
            await bus.prepare()
        finally:
            await bus.close()

    async def stays_outside(settings: CentralSettings) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(enter(settings), 2)

    asyncio.run(enter(allowed))
    for missing in ("bus_certificate", "bus_credentials"):
        with warnings.catch_warnings():
            # The client may leave a connection half made to the collector when it is interrupted just then.
            warnings.simplefilter("ignore", ResourceWarning)
            asyncio.run(stays_outside(msgspec.structs.replace(allowed, **{missing: ""})))
            gc.collect()
    for wrong in ("bus_ca", "bus_credentials"):
        with pytest.raises(ConfigError, match=wrong):
            asyncio.run(enter(msgspec.structs.replace(allowed, **{wrong: str(tmp_path / "absent")})))


def test_a_stream_of_another_kind_is_not_used(server: Server) -> None:
    with_bus(server, lambda _: asyncio.sleep(0))

    async def run() -> None:
        bus = await connect(server.settings(), "test")
        try:
            await Bus(bus._client, replicas=3, segments=24).prepare()
        finally:
            await bus.close()

    with pytest.raises(ConfigError, match="1 replicas"):
        asyncio.run(run())
