"""Tells systemd how the agent fares: sd_notify(3), one datagram to the socket that the environment names."""

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager, if one started us. Never fails: a lost word shows by itself."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path

    def say(self, *words: str) -> None:
        """Send words such as `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...`."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto("\n".join(words).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self._address)
