"""Which run of the operating system this is, and for how long it has been running."""

import secrets
import time
from functools import cache
from pathlib import Path

from vedette.agent.core.passing import Boot

_ID = Path("/proc/sys/kernel/random/boot_id")
_PROCESS, _STARTED = secrets.token_hex(16), time.monotonic_ns()


def this_boot() -> Boot:
    """Give the boot. Where the system does not name its boots, each process counts as one, from its own start."""
    clock, name = getattr(time, "CLOCK_BOOTTIME", None), _name()
    if not name or clock is None:
        return Boot(_PROCESS, (time.monotonic_ns() - _STARTED) // 1000)
    return Boot(name, time.clock_gettime_ns(clock) // 1000)


@cache
def _name() -> str:
    try:
        return _ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
