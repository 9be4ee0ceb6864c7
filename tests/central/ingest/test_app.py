"""Ingest as a whole, inside this process: the brake, and a server certificate renewed while it runs."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vedette.central import pki
from vedette.central.ingest import app, pace
from vedette.central.ingest.app import Ingest
from vedette.central.ingest.server import bind
from vedette.runtime.clock import now


def during(node: Any, work: Callable[[Ingest, int], Awaitable[None]]) -> None:
    """Run ingest in this process while `work` runs."""

    async def run() -> None:
        ingest = Ingest(node.layout, node.settings, node.state)
        listener: socket.socket = bind("127.0.0.1", 0)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(ingest.serve(listener, stop))
            await until(node.layout.ready("ingest").exists)
            try:
                await asyncio.wait_for(work(ingest, listener.getsockname()[1]), 20)
            finally:
                stop.set()
            await serving

    node.layout.ready("ingest").unlink(missing_ok=True)
    asyncio.run(run())


async def until(look: Callable[[], object]) -> None:
    """Look until what is seen is true."""
    while not look():  # noqa: ASYNC110 - files and counters ring no bell
        await asyncio.sleep(0.02)


async def server_serial(port: int, ca: Path) -> str:
    context = ssl.create_default_context(cafile=str(ca))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    serial = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    await writer.wait_closed()
    return serial


def test_a_renewed_server_certificate_is_shown_without_a_restart(
    prepared_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CERTIFICATE_SECONDS", 0.05)
    layout = prepared_node.layout

    async def work(_ingest: Ingest, port: int) -> None:
        before = await server_serial(port, layout.ca_certificate)
        authority = pki.load_authority(layout.ca_key)
        pki.ensure_server_certificate(layout.server_certificate, authority, ["new.example"], now=now())
        for _ in range(100):
            if await server_serial(port, layout.ca_certificate) != before:
                break
            await asyncio.sleep(0.05)
        layout.server_certificate.write_bytes(b"damaged")  # keeps the one it has
        await asyncio.sleep(0.2)
        assert await server_serial(port, layout.ca_certificate) != before

    during(prepared_node, work)


def test_a_deep_spool_slows_agents_down(prepared_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedette.store.spool import Record

    monkeypatch.setattr(pace, "LEAST_DEPTH", 50)
    monkeypatch.setattr(pace, "FIRST_GUESS", 20.0)

    async def work(ingest: Ingest, _port: int) -> None:
        assert not ingest.pace.is_deep
        record = Record(agent="a" * 32, epoch="1" * 16, first=1, last=100, count=100, received=1, body=b"x")
        await ingest._committer.put(record)
        await until(lambda: ingest.pace.is_deep and any(prepared_node.layout.spool.glob("*.seg")))
        for path in prepared_node.layout.spool.glob("*.seg"):
            path.unlink()
        await until(lambda: not ingest.pace.is_deep)

    during(prepared_node, work)
