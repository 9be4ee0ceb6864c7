"""The kernel's audit system switched on for a test, and left as it was found. One user at a time on a machine."""

from __future__ import annotations

import fcntl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from vedette.agent.linux import audit_netlink

LOCK = Path("/tmp/vedette-audit.lock")
PATIENCE = 120
_SET, _ENABLED = 1001, 1


@contextmanager
def auditing() -> Iterator[None]:
    """Switch auditing on meanwhile."""
    with LOCK.open("w") as lock:
        deadline = time.monotonic() + PATIENCE
        while not _is_taken(lock):
            if time.monotonic() > deadline:
                pytest.skip(f"THE AUDIT MODE IS NOT PROVEN: another program has held {LOCK} for {PATIENCE} s")
            time.sleep(0.2)
        state = audit_netlink.audit_status()
        if state is None or state.enabled == 2:
            pytest.skip("THE AUDIT MODE IS NOT PROVEN: this kernel's audit system cannot be used")
        switch(1)
        try:
            yield
        finally:
            switch(state.enabled)


def _is_taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def switch(enabled: int) -> None:
    """Set the kernel's audit flag."""
    audit_netlink.request(_SET, struct.pack("=8I", _ENABLED, enabled, *[0] * 6))
