"""What the running agent says of itself in `status.json`, for `vedette agent status` and for support."""

from pathlib import Path

import msgspec

from vedette.agent.core.activity import Activity
from vedette.agent.core.buffer import BufferStats
from vedette.agent.core.governor import BudgetReport
from vedette.agent.core.hourly import Hourly
from vedette.agent.core.source import SourceState
from vedette.agent.core.uplink import Link
from vedette.runtime.errors import ConfigError
from vedette.schema.entities import Gap

FILE = "status.json"


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One source: how its loop fares, and what it says itself."""

    loop: SourceState
    details: dict[str, object] = {}


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Times are microseconds UTC."""

    version: str
    pid: int
    started: int
    updated: int
    running: bool
    """False in the last one that an agent writes."""
    agent: str
    tenant: str
    group: str
    server: str
    certificate_expires: int
    mode: str
    link: Link
    buffer: BufferStats
    waiting: int
    """Events not yet in the buffer."""
    losses: dict[str, int] = {}
    last_gap: Gap | None = None
    """The last telemetry that is missing, since the agent started."""
    throttled: dict[str, int] = {}
    budget: BudgetReport = BudgetReport()
    events_per_hour: dict[str, Hourly] = {}
    settings_version: int = 0
    settings_problem: str = ""
    sources: list[SourceReport] = []
    failures: int = 0
    """Errors that nobody foresaw; each is in the log."""
    last_failure: str = ""
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    activity: Activity = Activity()


def write_status(data: Path, status: Status) -> None:
    """Replace the status file in the agent's data directory: whole, but not synced, as it is written often."""
    beside = data / f".{FILE}"
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(status, enc_hook=repr), indent=2))
    beside.replace(data / FILE)


def read_status(data: Path) -> Status | None:
    """Give what the agent last said; None when it never ran here. Raises ConfigError for a damaged file."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Status)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(f"{data / FILE}: {error}") from error
