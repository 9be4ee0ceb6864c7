"""The kernel's audit multicast group: a read-only seat beside whatever audit daemon the host has; and requests.

The agent never becomes the audit daemon. linux/audit.h, linux/netlink.h.
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
_NLM_F_MULTI, _NLM_F_ACK, _NLMSG_ERROR, _NLMSG_DONE, _AUDIT_LIST_RULES = 2, 4, 2, 3, 1013
_HEADER = Struct("=IHHII")
_CODE = Struct("=i")
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


def request(kind: int, body: bytes = b"") -> list[bytes]:
    """Ask the kernel's audit system for something; gives what it lists. Raises OSError, its refusals too."""
    answers: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT) as asked:
        asked.bind((0, 0))
        asked.settimeout(2)
        asked.send(_HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_ACK, 1, 0) + body)
        while True:
            data = asked.recv(65_536)
            _, answered, flags, *_ = _HEADER.unpack_from(data)
            if answered == _NLMSG_ERROR:
                code = -_CODE.unpack_from(data, _HEADER.size)[0]
                if code:
                    raise OSError(code, os.strerror(code))
                if not flags & _NLM_F_MULTI and kind != _AUDIT_LIST_RULES:
                    return answers
            elif answered == _NLMSG_DONE:
                return answers
            elif answered == kind:
                answers.append(data[_HEADER.size :])


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
