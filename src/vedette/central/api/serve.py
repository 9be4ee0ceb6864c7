"""Serving the API: TLS 1.3 with the deployment's certificate on one port."""

import asyncio
import logging
import shutil
import signal
import socket
import ssl
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from vedette.central import pki
from vedette.central.api.app import build
from vedette.central.api.connection import BoundedProtocol
from vedette.central.api.event_store import Asking
from vedette.central.api.parts import Disk, Keys, Node, Parts
from vedette.central.layout import Layout
from vedette.central.settings import CentralSettings, retention_policy, split_address, state_url
from vedette.runtime.clock import now
from vedette.runtime.errors import ConfigError
from vedette.runtime.files import write_atomic
from vedette.schema.policies import SignedSettings
from vedette.store.objects import ObjectFiles
from vedette.store.releases import ReleaseFiles
from vedette.store.state import open_state
from vedette.wire.release import sign_manifest
from vedette.wire.signature import key_id
from vedette.wire.task import sign_task
from vedette.wire.tls import FINGERPRINT_DIGITS

_LOG = logging.getLogger(__name__)
_KEEP_ALIVE_SECONDS = 30
_MOST_CONNECTIONS = 500


def run(layout: Layout, chosen: CentralSettings, listen: str, ask: Asking) -> None:
    """Serve until SIGTERM. Raises ConfigError, StoreError, OSError when it cannot begin."""
    state = open_state(state_url(layout, chosen))
    try:
        releases = ReleaseFiles(layout.releases)
        releases.sweep()
        objects = ObjectFiles(layout.objects, layout.objects_key.read_bytes())
        objects.sweep()
        parts = Parts(
            state=state,
            keys=load_keys(layout),
            events=ask,
            stop=ask.stop,
            releases=releases,
            objects=objects,
            clock=now,
            node=Node(
                agents_port=lambda: port_of(layout, "ingest"),
                disk=lambda: _disk(layout, chosen),
                policy=retention_policy(chosen),
                dead_letters=layout.dead_letter,
            ),
        )
        serve(build(parts), layout.server_certificate, listen, ready=layout.ready("api"))
    finally:
        state.close()


def _disk(layout: Layout, chosen: CentralSettings) -> Disk:
    """Give the disk of the event store; what ingest leaves free at the end cannot be filled."""
    usage = shutil.disk_usage(layout.store)
    return Disk(free=max(0, usage.free - chosen.spool_headroom), size=usage.total)


def port_of(layout: Layout, part: str) -> int | None:
    """Give the port on which a part of this node serves, None while it does not."""
    try:
        return int(layout.ready(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def load_keys(layout: Layout) -> Keys:
    """Read the keys that the API uses. Raises ConfigError."""
    settings_key = pki.load_signing_key(layout.settings_key)
    public = key_id(settings_key.public_key())
    try:
        audit = layout.audit_key.read_bytes()
    except OSError as error:
        raise ConfigError(f"{layout.audit_key}: {error}") from error

    def sign(body: bytes) -> SignedSettings:
        return SignedSettings(body=body, signature=settings_key.sign(body), key_id=public)

    fingerprint = pki.load_authority(layout.ca_key).fingerprint[:FINGERPRINT_DIGITS]
    tasks_key, updates_key = pki.load_signing_key(layout.tasks_key), pki.load_signing_key(layout.updates_key)
    return Keys(
        audit=audit,
        sign=sign,
        sign_task=lambda order: sign_task(order, tasks_key),
        sign_release=lambda manifest: sign_manifest(manifest, updates_key),
        pinned=pki.pinned_keys(layout.pinned_keys),
        ca_fingerprint=fingerprint,
    )


def serve(app: FastAPI, certificate: Path, listen: str, *, ready: Path) -> None:
    """Bind, write the port to `ready`, and serve until SIGTERM or SIGINT."""
    host, port = split_address(listen)
    listener = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
    )
    # asyncio sets this only on sockets that name their protocol; without it each answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(configuration(app, certificate))
    write_atomic(ready, str(listener.getsockname()[1]).encode())
    _LOG.info("the API listens on %s port %d", host, listener.getsockname()[1])
    try:
        asyncio.run(_until_told(server, listener))
    finally:
        ready.unlink(missing_ok=True)
        listener.close()


def configuration(app: FastAPI, certificate: Path) -> uvicorn.Config:
    """Give uvicorn's configuration. Query strings and tokens are never logged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    config.load()
    config.ssl = context
    return config


async def _until_told(server: uvicorn.Server, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=[listener])
