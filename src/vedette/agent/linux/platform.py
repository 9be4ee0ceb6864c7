"""What the agent's core asks of Linux: facts of the host, and the sources that run here."""

import os
import platform
import socket

from vedette.agent.core.source import Source
from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.addresses import addresses
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Logins
from vedette.agent.linux.sources.audit import AuditSource
from vedette.agent.linux.sources.auth_log import AuthLogSource
from vedette.agent.linux.sources.journal import JournalSource
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.agent.linux.sources.sessions import SessionsSource
from vedette.agent.linux.sources.shared import Shared
from vedette.schema.entities import Host, Os
from vedette.schema.policies import Settings


def sources(host_id: str, settings: Settings, *, mode: str = "") -> list[Source]:
    """Give the sources of this system; each says itself whether it can run. `mode`: how the kernel must be observed."""
    accounts = Accounts()
    shared = Shared(Logins(name_of=accounts.user_name), ActingProcesses())
    logs = LogEvents(accounts, shared.logins, shared.acting)
    audit = AuditSource(logs, shared.logins, shared.acting)
    return [
        KernelSource(host_id, settings, shared, only=mode),
        audit,
        JournalSource(logs, shared.acting, audit_is_read=audit.is_reading),
        AuthLogSource(logs, shared.acting),
        SessionsSource(shared.logins, Accounts(), logs),
    ]


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
