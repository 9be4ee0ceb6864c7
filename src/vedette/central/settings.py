"""What an operator may set in `central.toml` or by VEDETTE_CENTRAL_ variables."""

import msgspec

from vedette.central.layout import Layout
from vedette.runtime import config
from vedette.runtime.errors import ConfigError
from vedette.store.retention import Policy, Rule

DEFAULT_INGEST = "127.0.0.1:8441"
DEFAULT_API = "127.0.0.1:8440"


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


def load(layout: Layout) -> CentralSettings:
    """Read the settings of a data directory. Raises ConfigError."""
    settings = config.load(CentralSettings, layout.settings_file, prefix="VEDETTE_CENTRAL_")
    for address in (settings.listen_ingest, settings.listen_api):
        split_address(address)
    if not 1 <= settings.pipelines <= 64:
        raise ConfigError(f"{layout.settings_file}: pipelines must be 1 to 64, not {settings.pipelines}")
    if min(settings.retention_days, settings.retention_bytes) < 0:
        raise ConfigError(f"{layout.settings_file}: retention_days and retention_bytes must not be negative")
    return settings


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
