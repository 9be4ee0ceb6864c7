"""What the agent's core asks of Linux: facts of the host, and the sources that run here."""

import os
import platform
import socket

from vedette.agent.linux.addresses import addresses
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.entities import Host, Os
from vedette.schema.policies import Settings


def sources(host_id: str, settings: Settings) -> list[KernelSource]:
    """Give the sources of this system; each says itself whether it can run."""
    return [KernelSource(host_id, settings)]


def facts() -> tuple[Host, Os]:
    """Give name and addresses of the host, and its system; the id is the Central Node's to choose."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    try:
        here = addresses()
    except OSError:
        here = ()
    return (
        Host(name=socket.getfqdn(), ip=here),
        Os(
            family="linux",
            name=release.get("PRETTY_NAME") or release.get("NAME"),
            version=release.get("VERSION_ID") or release.get("BUILD_ID"),
            kernel=os.uname().release,
        ),
    )
