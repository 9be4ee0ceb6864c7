"""Ingest as a process: builds the parts, serves agents, and ends in order."""

import asyncio
import logging
import resource
import signal
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vedette.central.alerts.watch import EVERY_SECONDS, SilenceWatch
from vedette.central.bus.numbering import register
from vedette.central.ingest.bookkeeping import Bookkeeping
from vedette.central.ingest.committer import Committer
from vedette.central.ingest.directory import Directory
from vedette.central.ingest.pace import Pace
from vedette.central.ingest.protocol import Door
from vedette.central.ingest.release_routes import ReleaseRoutes
from vedette.central.ingest.routes import AgentRoutes
from vedette.central.ingest.server import Listener, bind, server_context
from vedette.central.ingest.state_link import StateLink
from vedette.central.layout import Layout
from vedette.central.pki import load_authority, load_signing_key, pinned_keys, public_pem
from vedette.central.settings import CentralSettings, split_address, state_url
from vedette.runtime.clock import Clock, now
from vedette.runtime.errors import StoreError
from vedette.runtime.files import write_atomic
from vedette.schema.fields import Micros
from vedette.store.releases import ReleaseFiles
from vedette.store.spool import Spool, SpoolLimits
from vedette.store.state import State, open_state

REFRESH_SECONDS = 0.5
"""Between two looks at the state: a revoked agent is refused within a second."""
RECORD_SECONDS = 0.5
CERTIFICATE_SECONDS = 30.0
"""Between two looks whether the server's certificate was renewed."""

_THREADS = ("spool", "read", "write", "releases")
_LOG = logging.getLogger(__name__)


def steady() -> Micros:
    """Give a clock for durations: setting the host's clock back must not keep a segment open."""
    return time.monotonic_ns() // 1000


class Ingest:
    """The parts of ingest and the tasks that keep them going."""

    def __init__(self, layout: Layout, settings: CentralSettings, state: State, *, clock: Clock = now) -> None:
        self._layout, self._settings, self._clock = layout, settings, clock
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in _THREADS}
        self._book = Bookkeeping()
        self._watch = SilenceWatch(state, clock)
        self.pace = Pace(steady)
        directory = Directory()
        authority = load_authority(layout.ca_key)
        self._state = StateLink(
            state,
            directory,
            reader=self._threads["read"],
            writer=self._threads["write"],
            authority=authority,
            clock=clock,
            node=settings.node if settings.bus_url else 0,
        )
        spool = Spool(layout.spool, clock=steady, limits=SpoolLimits(headroom=settings.spool_headroom))
        self._book.keep(spool.streams.state(key) for key in spool.streams)
        self._committer = Committer(
            spool,
            self._threads["spool"],
            clock=steady,
            on_sealed=lambda sealed: self._book.keep(stream for segment in sealed for stream in segment.streams),
            on_backlog=self.pace.look,
        )
        self._routes = AgentRoutes(
            directory=directory,
            state=self._state,
            committer=self._committer,
            book=self._book,
            pace=self.pace,
            ca=authority.pem,
            settings_key=public_pem(load_signing_key(layout.settings_key)),
            keys=pinned_keys(layout.pinned_keys),
            releases=ReleaseRoutes(ReleaseFiles(layout.releases), self._threads["releases"]),
            clock=clock,
        )
        self._context = server_context(layout.server_certificate, layout.ca_certificate, self._book.refuse)
        door = Door(connections=settings.connections, refuse=self._book.refuse)
        self._listener = Listener(self._routes, self._context, door)

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then every receipt given is durable and every segment sealed."""
        await self._state.refresh()
        async with asyncio.TaskGroup() as tasks:
            committing = tasks.create_task(self._committer.run())
            keepers = [
                tasks.create_task(keeper)
                for keeper in (
                    self._refresh(),
                    self._record(),
                    self._reload(),
                    self._look_for_silence(),
                    self._listener.sweep(),
                )
            ]
            await self._listener.start(listener)
            write_atomic(self._layout.ready("ingest"), b"%d\n" % listener.getsockname()[1])
            _LOG.info("agents connect to %s:%d", *listener.getsockname()[:2])
            await stop.wait()
            await self._listener.stop()
            self._committer.stop()
            await committing
            for keeper in keepers:
                keeper.cancel()
        await self._record_once()
        for thread in self._threads.values():
            thread.shutdown()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self._state.refresh()
            except StoreError as error:
                _LOG.error("identities could not be refreshed: %s", error)

    async def _record(self) -> None:
        while True:
            await asyncio.sleep(RECORD_SECONDS)
            await self._record_once()

    async def _record_once(self) -> None:
        entries = self._book.take(self._clock())
        if not entries:
            return
        try:
            await self._state.record(entries)
        except StoreError as error:
            self._book.put_back(entries)
            _LOG.error("the ledger could not be written: %s", error)

    async def _look_for_silence(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await asyncio.get_running_loop().run_in_executor(self._threads["write"], self._watch.look)

    async def _reload(self) -> None:
        """Take up a renewed server certificate for new connections."""
        path = self._layout.server_certificate
        seen = path.stat().st_mtime_ns
        while True:
            await asyncio.sleep(CERTIFICATE_SECONDS)
            changed = await asyncio.to_thread(_modified, path)
            if changed not in (None, seen):
                try:
                    self._context.load_cert_chain(path)
                except (ssl.SSLError, OSError) as error:
                    _LOG.error("the new server certificate cannot be used: %s", error)
                seen = changed or seen


def run(layout: Layout, settings: CentralSettings, listen: str) -> None:
    """Serve agents on `listen` until SIGTERM or SIGINT. Raises VedetteError or OSError when it cannot."""
    import uvloop

    _raise_file_limit()
    state = open_state(state_url(layout, settings))
    try:
        if settings.bus_url:
            register(state, layout.spool, settings.node, now)
        listener = bind(*split_address(listen))
        ingest = Ingest(layout, settings, state)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(ingest, listener))
    finally:
        state.close()


async def _serve(ingest: Ingest, listener: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await ingest.serve(listener, stop)


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _raise_file_limit() -> None:
    """Take all the file descriptors that the system allows: each agent holds one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
