"""What an operator may set in `central.toml` or by VEDETTE_CENTRAL_ variables."""

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from vedette.central.layout import Layout
from vedette.runtime import config
from vedette.runtime.errors import ConfigError
from vedette.store.retention import Policy, Rule

DEFAULT_INGEST = "127.0.0.1:8441"
DEFAULT_API = "127.0.0.1:8440"
NODES = 9_000
"""The highest number of a node."""

Role = Literal["store", "ingest", "pipeline", "api", "upkeep"]
ROLES: tuple[Role, ...] = ("store", "ingest", "pipeline", "api", "upkeep")


class CentralSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a Central Node; flags of `vedette central` win over them."""

    listen_ingest: str = DEFAULT_INGEST
    """Where agents connect: HOST:PORT, port 0 = chosen by the system."""
    listen_api: str = DEFAULT_API
    """Where the console, the API and the command line connect."""
    names: list[str] = []
    """DNS names and addresses that the server's certificate must speak for."""
    pipelines: int = 1
    """Processes that decode and store segments."""
    state_url: str = ""
    """SQLAlchemy URL of the state database; empty = `state.sqlite` in the data directory."""
    spool_headroom: int = 256 << 20
    """Bytes of disk that ingest leaves to the store; below them it answers 503."""
    connections: int = 20_000
    """Connections that ingest keeps at the same time."""
    retention_days: int = 0
    """Days that events stay, the present one included, unless a tenant has a rule of its own; 0 = no limit."""
    retention_bytes: int = 0
    """Bytes that the events of all tenants may take; 0 = no limit."""
    storage_bytes: int = 20 << 30
    """Bytes that objects in Storage may take; the oldest go first."""
    roles: tuple[Role, ...] = ROLES
    """What this node does; fewer than all when several nodes share the work."""
    store_url: str = ""
    """The event store elsewhere, http(s)://HOST:PORT; several with commas are shards; empty = this node's own."""
    node: int = 0
    """The number of this node where a bus is used, 1 to 9000: no two nodes may ever have had the same."""
    bus_url: str = ""
    """NATS servers between ingest and pipeline nodes, tls://HOST:PORT with commas; empty = no bus."""
    bus_replicas: int = 3
    """Servers that each keep what is on the bus."""
    bus_segments: int = 24
    """Segments on the bus at most, those in work included: about four for each pipeline process of all nodes."""
    bus_ca: str = ""
    """PEM file of the authority that the servers' certificates are from; empty = the system's."""
    bus_certificate: str = ""
    """PEM file with certificate and key by which this node shows who it is."""
    bus_credentials: str = ""
    """File with `user:password` or a token for the servers."""


def load(layout: Layout) -> CentralSettings:
    """Read the settings of a data directory. Raises ConfigError."""
    settings = config.load(CentralSettings, layout.settings_file, prefix="VEDETTE_CENTRAL_")
    for address in (settings.listen_ingest, settings.listen_api):
        split_address(address)
    if not 1 <= settings.pipelines <= 64:
        raise ConfigError(f"{layout.settings_file}: pipelines must be 1 to 64, not {settings.pipelines}")
    if min(settings.retention_days, settings.retention_bytes, settings.storage_bytes) < 0:
        what = "retention_days, retention_bytes and storage_bytes"
        raise ConfigError(f"{layout.settings_file}: {what} must not be negative")
    problem = _problem_of_roles(settings) or (_problem_of_bus(settings) if settings.bus_url else "")
    if problem:
        raise ConfigError(f"{layout.settings_file}: {problem}")
    return settings


def bus_servers(settings: CentralSettings) -> list[str]:
    """Give the URLs of the bus."""
    return [one.strip() for one in settings.bus_url.split(",") if one.strip()]


def shard_urls(store_url: str) -> list[str]:
    """Give the addresses that `store_url` names."""
    return [one.strip().rstrip("/") for one in store_url.split(",") if one.strip()]


def _problem_of_roles(settings: CentralSettings) -> str:
    """Say what is wrong with what this node does; "" = nothing."""
    roles = set(settings.roles)
    if not roles:
        return "roles must name at least one of " + ", ".join(ROLES)
    if (roles - {"ingest"} and not settings.store_url and "store" not in roles) or (
        settings.store_url and "store" in roles
    ):
        return "either this node has the role store, or store_url says where the event store is"
    for url in shard_urls(settings.store_url):
        if not _is_private(url, plain="http", secret="https"):  # noqa: S106 - a scheme
            return f"store_url must be https://HOST:PORT, or http:// on this host, not {url!r}"
    if len(set(shard_urls(settings.store_url))) < len(shard_urls(settings.store_url)):
        return "store_url names a shard twice"
    if not settings.bus_url and ("ingest" in roles) != ("pipeline" in roles):
        return "ingest and pipeline on different nodes need a bus_url"
    return ""


def _problem_of_bus(settings: CentralSettings) -> str:
    """Say what is wrong with the bus; "" = nothing."""
    for server in bus_servers(settings):
        if not _is_private(server, plain="nats", secret="tls"):  # noqa: S106 - a scheme
            return f"bus_url must be tls://HOST:PORT, or nats:// on this host, not {server!r}"
    if {"ingest", "pipeline"} & set(settings.roles) and not 1 <= settings.node <= NODES:
        return f"node must be 1 to {NODES} where a bus is used, not {settings.node}"
    if not 4 <= settings.bus_segments <= 10_000:
        return f"bus_segments must be 4 to 10000, not {settings.bus_segments}"
    if settings.bus_replicas not in {1, 3, 5}:
        return f"bus_replicas must be 1, 3 or 5, not {settings.bus_replicas}"
    return ""


def _is_private(url: str, *, plain: str, secret: str) -> bool:
    """Whether nobody can listen in: encrypted, or it never leaves this host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or port is None or parts.username is not None:
        return False
    return parts.scheme == secret or (parts.scheme == plain and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(text: str) -> tuple[str, int]:
    """Read HOST:PORT or [IPV6]:PORT. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def state_url(layout: Layout, settings: CentralSettings) -> str:
    """Give the URL of the state database."""
    return settings.state_url or layout.state_url


def retention_policy(settings: CentralSettings) -> Policy:
    """Give how long events stay where a tenant has no rule of its own."""
    return Policy(default=Rule(days=settings.retention_days), size=settings.retention_bytes)
