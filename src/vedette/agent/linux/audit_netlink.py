"""The kernel's audit multicast group: a read-only seat beside whatever audit daemon the host has.

Nothing is configured: the agent neither becomes the audit daemon nor sets a rule. linux/audit.h, linux/netlink.h.
"""

import contextlib
import errno
import os
import socket
from struct import Struct
from typing import Final, NamedTuple

from vedette.runtime.errors import ProbeError

NETLINK_AUDIT: Final = 9
READLOG: Final = 1
_SOL_NETLINK, _ADD_MEMBERSHIP, _SO_RCVBUFFORCE = 270, 1, 33
_AUDIT_GET, _NLM_F_REQUEST = 1000, 1
_HEADER = Struct("=IHHII")
_STATUS = Struct("=8I")
RECEIVE_BYTES: Final = 4 << 20
"""What the kernel keeps for us when we are slow."""


class AuditStatus(NamedTuple):
    """State of the kernel's audit system. `daemon` is the PID of an audit daemon, 0 = none."""

    enabled: int
    daemon: int
    lost: int


class AuditSocket:
    """Receives audit records. Raises ProbeError when the kernel refuses."""

    def __init__(self) -> None:
        try:
            self._socket = _member()
        except OSError as error:
            raise ProbeError(f"the kernel's audit log cannot be read: {error.strerror}") from error

    def fileno(self) -> int:
        """Give the handle, for poll."""
        return self._socket.fileno()

    def receive(self) -> tuple[int, str] | None:
        """Give type and text of the next record; None when there is none. Raises BufferError after a loss."""
        try:
            data = self._socket.recv(65_536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise BufferError("records were lost: they came faster than they were read") from error
            raise ProbeError(f"the kernel's audit log cannot be read any more: {error.strerror}") from error
        if len(data) < _HEADER.size:
            return 0, ""
        # Its length field is not trusted: audit records are known for telling that of the text alone.
        return _HEADER.unpack_from(data)[1], data[_HEADER.size :].rstrip(b"\0\n").decode("utf-8", "replace")

    def close(self) -> None:
        """Leave the group."""
        self._socket.close()


def _member() -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT)
    try:
        opened.bind((0, 0))
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BYTES)
        opened.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, READLOG)
    except OSError:
        opened.close()
        raise
    return opened


def refusal() -> str:
    """Give "" when the audit log can be read here, else why not."""
    if os.geteuid() != 0:
        return "the audit log needs root"
    try:
        _member().close()
    except OSError as error:
        return f"the kernel's audit log cannot be read: {error.strerror}"
    return ""


def audit_status() -> AuditStatus | None:
    """Ask the kernel for the state of its audit system; None when it does not say."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT) as asked:
            asked.bind((0, 0))
            asked.settimeout(0.5)
            asked.send(_HEADER.pack(_HEADER.size, _AUDIT_GET, _NLM_F_REQUEST, 1, 0))
            for _ in range(4):
                data = asked.recv(8192)
                if _HEADER.unpack_from(data)[1] == _AUDIT_GET:
                    _, enabled, _, daemon, _, _, lost, _ = _STATUS.unpack_from(data, _HEADER.size)
                    return AuditStatus(enabled, daemon, lost)
    except (OSError, ValueError):
        pass
    return None
