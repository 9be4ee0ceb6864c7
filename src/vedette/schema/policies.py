"""What an operator sets for a group of hosts; agents get it signed."""

from typing import Annotated

from msgspec import Meta, Struct

from vedette.schema.signed import PinnedKeys, Signed

SECRET_NAMES = (
    "*password*",
    "*passwd*",
    "*secret*",
    "*token*",
    "*api_key*",
    "*apikey*",
    "*access_key*",
    "*private_key*",
    "*credential*",
    "*_auth",
    "pgpass*",
)
"""Names of environment variables whose values are replaced by default (shell patterns, any case)."""

LOW_VALUE = ("file_change", "file_create", "module_load")
"""Event types that a budget may throttle, and the only ones whose number an hour can be limited."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Settings of one host group. An agent refuses a version lower than the one it has."""

    version: Annotated[int, Meta(ge=0)] = 0
    group: str = "default"
    send_interval: Annotated[float, Meta(ge=1, le=30, description="seconds")] = 2.0
    batch_events: Annotated[int, Meta(ge=16, le=5000)] = 1024
    heartbeat: Annotated[int, Meta(ge=5, le=3600, description="seconds between signs of life")] = 60
    silent_after: Annotated[
        int, Meta(ge=0, le=30 * 86_400, description="seconds without a sign of life until an alert; 0 = never")
    ] = 900
    buffer_days: Annotated[int, Meta(ge=1, le=21)] = 21
    buffer_bytes: Annotated[int, Meta(ge=1 << 20)] = 1 << 30
    redact: tuple[str, ...] = SECRET_NAMES
    keep_environment: bool = True
    hash_max_bytes: Annotated[int, Meta(ge=0, description="files above this size are not hashed")] = 64 << 20
    exclude_paths: tuple[str, ...] = ()
    scan_on_exec: Annotated[bool, Meta(description="programs and modules are scanned when they are started")] = True
    scan_on_access: Annotated[bool, Meta(description="files are scanned when they were written")] = True
    scan_max_bytes: Annotated[int, Meta(ge=0, le=256 << 20, description="files above this size are not scanned")] = (
        64 << 20
    )
    scan_seconds: Annotated[int, Meta(ge=1, le=300, description="that one engine may take for one file")] = 20
    scan_cpu_percent: Annotated[int, Meta(ge=1, le=100, description="share of one core, over time")] = 25
    download_rate: Annotated[
        int, Meta(ge=16 << 10, le=1 << 30, description="bytes a second with which an upgrade is fetched")
    ] = 1 << 20
    keys: Annotated[
        PinnedKeys, Meta(description="for agents that were enrolled before there were such; set by the node")
    ] = {}
    scan_clamd: Annotated[str, Meta(max_length=108, description="socket of a ClamAV daemon; empty: not used")] = ""
    budget_cpu_percent: Annotated[
        float, Meta(ge=1, le=6400, description="of one core for the agent and its processes, over a minute")
    ] = 10.0
    budget_rss_bytes: Annotated[int, Meta(ge=96 << 20, description="memory of the agent and its processes")] = 200 << 20
    budget_bytes_per_day: Annotated[int, Meta(ge=1 << 20, description="of events, as they are sent")] = 48 << 20
    budget_events_per_hour: Annotated[
        dict[str, Annotated[int, Meta(ge=0)]],
        Meta(max_length=16, description=f"event type to its most events an hour; of {', '.join(LOW_VALUE)}"),
    ] = {}


def refused_limits(settings: Settings) -> str:
    """Say which limits on event types cannot be kept; "" when all can.

    Asked when settings are made, not when they are read: an older agent passes over a type that it does not know.
    """
    protected = sorted(set(settings.budget_events_per_hour).difference(LOW_VALUE))
    if not protected:
        return ""
    return (
        f"budget_events_per_hour: {', '.join(protected)} cannot be limited; "
        f"only {', '.join(LOW_VALUE)} can: all other types are sent whatever they cost"
    )


class SignedSettings(Signed, frozen=True, kw_only=True):
    """`body` is Settings as JSON."""
