"""What the agent needs of an operating system, and which one this is."""

import platform as python_platform
import socket
import sys
from pathlib import Path
from typing import Protocol

from vedette.agent.core.buffer import Facts
from vedette.agent.core.source import Source
from vedette.schema.entities import Host, Os
from vedette.schema.policies import Settings


class Platform(Protocol):
    """Facts and sources of one operating system."""

    def facts(self) -> Facts:
        """Describe the host as it is now."""
        ...

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        """Make the sources that may run here."""
        ...


class LinuxPlatform:
    """Linux. `data` is where the agent keeps its things; without it there is no scanner. `mode`: a forced one."""

    def __init__(self, data: Path | None = None, *, mode: str = "") -> None:
        self._data, self._mode = data, mode

    def facts(self) -> Facts:
        """Describe the host as it is now."""
        from vedette.agent.linux.platform import facts

        host, system = facts()
        return Facts(host, system)

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        """Make the sources that may run here."""
        from vedette.agent.core.scanner.source import Scanner
        from vedette.agent.linux.objects import open_object
        from vedette.agent.linux.platform import sources

        scanner = [] if self._data is None else [Scanner(self._data, settings, open_object)]
        return [*sources(host_id, settings, mode=self._mode), *scanner]


class BarePlatform:
    """A system without sources of its own yet: the agent enrols and gives signs of life."""

    def facts(self) -> Facts:
        """Describe the host as far as Python knows it."""
        family = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
        name, version = python_platform.system(), python_platform.release()
        return Facts(Host(name=socket.gethostname()), Os(family=family, name=name, version=version))

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        """Make none."""
        del host_id, settings
        return []


def this_platform(data: Path | None = None, *, mode: str = "") -> Platform:
    """Give the platform that we run on; `data`: the agent's data directory; `mode`: how the kernel is observed."""
    return LinuxPlatform(data, mode=mode) if sys.platform == "linux" else BarePlatform()
