"""The Central Node: prepares its directory, then supervises its processes."""

import fcntl
import logging
import os
import sys
import time
from pathlib import Path

import msgspec

from vedette.central import pki
from vedette.central.layout import Layout
from vedette.central.provision import FirstStart, provision, update_client_config
from vedette.central.settings import CentralSettings, load, split_address
from vedette.central.supervisor import Part, Supervisor
from vedette.runtime import logs
from vedette.runtime.clock import now
from vedette.runtime.errors import ConfigError

LOCK_SECONDS = 10.0
"""How long a predecessor's processes may take to end."""
RENEWAL_SECONDS = 12 * 3600.0

_LOG = logging.getLogger(__name__)


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; None = as the settings have it."""

    listen_ingest: str | None = None
    listen_api: str | None = None
    names: tuple[str, ...] = ()


def run(data: Path, overrides: Overrides) -> None:
    """Run a Central Node in `data` until SIGTERM or SIGINT. Raises VedetteError when it cannot begin."""
    logs.setup("central")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    layout = Layout(data)
    if layout.restoring.exists():
        raise ConfigError(f"a backup was not wholly restored to {data}: remove that directory and restore again")
    layout.create()
    chosen = _choose(load(layout), overrides)
    lock = _lock(layout)
    try:
        first = provision(layout, chosen, now=now())

        def ready(ports: dict[str, int]) -> None:
            url = _url(chosen.listen_api, ports.get("api"))
            update_client_config(layout, url=url)
            _announce(url, _url(chosen.listen_ingest, ports.get("ingest")), layout, first)

        supervisor = Supervisor(layout, _parts(chosen), inherited=lock, on_ready=ready)
        supervisor.run(every=RENEWAL_SECONDS, chore=lambda: _renew(layout))
    finally:
        os.close(lock)
    _LOG.info("stopped")


def _choose(settings: CentralSettings, overrides: Overrides) -> CentralSettings:
    given = {name: value for name, value in msgspec.structs.asdict(overrides).items() if value}
    if "names" in given:
        given["names"] = [*settings.names, *given["names"]]
    chosen = msgspec.structs.replace(settings, **given)
    for address in (chosen.listen_ingest, chosen.listen_api):
        split_address(address)
    return chosen


def _parts(chosen: CentralSettings) -> list[Part]:
    ingest_host, ingest_port = chosen.listen_ingest.rsplit(":", 1)
    api_host, api_port = chosen.listen_api.rsplit(":", 1)
    count = chosen.pipelines
    every = [
        Part(name="store", module="vedette.store.server", arguments=("--port", "{port}"), last=True),
        Part(
            name="ingest",
            module="vedette.central.ingest",
            arguments=("--listen", f"{ingest_host}:{{port}}"),
            port=int(ingest_port),
        ),
        Part(
            name="api",
            module="vedette.central.api",
            arguments=("--listen", f"{api_host}:{{port}}"),
            port=int(api_port),
            after=("store", "ingest"),
        ),
        Part(name="upkeep", module="vedette.central.upkeep", after=("store", "ingest")),
        Part(name="scanner", module="vedette.central.scanner"),
        *(
            Part(
                name=f"pipeline-{share}",
                module="vedette.central.pipeline",
                arguments=("--share", str(share), "--of", str(count)),
                after=("store", "ingest"),
            )
            for share in range(count)
        ),
    ]
    if chosen.bus_url:
        every += [
            Part(name="forward", module="vedette.central.bus", arguments=("--part", "forward"), after=("ingest",)),
            Part(name="receive", module="vedette.central.bus", arguments=("--part", "receive")),
        ]
    wanted = [part for part in every if _role_of(part) in chosen.roles]
    names = {part.name for part in wanted}
    return [msgspec.structs.replace(part, after=tuple(name for name in part.after if name in names)) for part in wanted]


def _role_of(part: Part) -> str:
    """Give the role in which a node has this part."""
    return {"forward": "ingest", "receive": "pipeline", "scanner": "api"}.get(part.name, part.name.partition("-")[0])


def _lock(layout: Layout) -> int:
    """Take the directory for this node and its children, who keep it until the last has ended.

    Raises ConfigError when another Central Node has it.
    """
    handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
                os.close(handle)
                raise ConfigError(f"another Central Node (process {holder}) uses {layout.data}") from error
            time.sleep(0.1)
        else:
            os.ftruncate(handle, 0)
            os.pwrite(handle, b"%d\n" % os.getpid(), 0)
            return handle


def _renew(layout: Layout) -> tuple[str, ...]:
    """Renew the server's certificate when it is time; ingest sees that by itself, the API starts anew."""
    authority = pki.load_authority(layout.ca_key)
    made = pki.ensure_server_certificate(layout.server_certificate, authority, (), now=now())
    return ("api",) if made else ()


def _url(listen: str, port: int | None) -> str:
    """Give the URL for a part; `port` is None when it has not come up yet."""
    host, _, asked = listen.rpartition(":")
    return f"https://{'127.0.0.1' if host in {'0.0.0.0', '[::]', '::'} else host}:{port or asked}"  # noqa: S104 - not bound


def _announce(api: str, ingest: str, layout: Layout, first: FirstStart | None) -> None:
    """Tell the operator where to go; at the first start also the secrets that are shown once."""
    lines = ["", f"  API               {api}", f"  Agents connect to {ingest}"]
    if first is not None:
        lines += [
            f"  Administrator     {first.administrator}, one-time password {first.password}",
            f"  Enrolment token   {first.enrolment_token}",
            f"  Enrol a host      vedette agent enrol --server {ingest} --token TOKEN",
            f"  Command line      export VEDETTE_CLIENT={layout.client_config}",
        ]
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()
