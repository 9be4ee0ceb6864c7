"""The kernel's proc connector: forks, execs, ends of processes, by netlink. linux/cn_proc.h, linux/connector.h."""

import contextlib
import errno
import os
import socket
import time
from struct import Struct
from typing import Final, NamedTuple

from vedette.runtime.errors import ProbeError

FORK, EXEC, UID, GID, PTRACE, EXIT = 1, 2, 4, 0x40, 0x100, 0x80000000
"""Kinds of messages that are used."""
_NETLINK_CONNECTOR, _PROC = 11, 1
_LISTEN, _IGNORE = 1, 2
_SO_RCVBUFFORCE: Final = 33
_DONE: Final = 3
RECEIVE_BYTES: Final = 8 << 20
"""What the kernel keeps for us when we are slow: some 30,000 messages."""
_ANSWER: Final = 2.0
"""Seconds within which the kernel confirms that it will tell."""
_REQUEST: Final = Struct("=IHHII IIIIHH I")
_MESSAGE: Final = Struct("=IHHII IIIIHH IIQ")
_BODY: Final = Struct("=iiii")


class Message(NamedTuple):
    """One message. `time`: nanoseconds of the monotonic clock; `number` counts the messages of each CPU.

    FORK: parent and its process, child and its process. EXEC: thread, process. EXIT: thread, process, status, signal.
    UID, GID: thread, process, real, effective. PTRACE: thread, process, tracing thread, its process.
    """

    kind: int
    cpu: int
    number: int
    time: int
    values: tuple[int, int, int, int]


def parse(data: bytes) -> Message | None:
    """Read one datagram; None for what is no message of the proc connector."""
    if len(data) < _MESSAGE.size:
        return None
    (_, _, _, _, _, index, value, number, _, _, _, kind, cpu, at) = _MESSAGE.unpack_from(data)
    if (index, value) != (_PROC, _PROC):
        return None
    body = data[_MESSAGE.size : _MESSAGE.size + _BODY.size].ljust(_BODY.size, b"\0")
    return Message(kind, cpu, number, at, _BODY.unpack(body))


class ProcConnector:
    """Receives messages. Raises ProbeError when the kernel does not offer them here."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR)
        except OSError as error:
            raise ProbeError(f"this kernel has no proc connector: {error.strerror}") from error
        try:
            self._socket.bind((0, _PROC))
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BYTES)
            self._ask(_LISTEN)
            self._confirm()
            self._socket.setblocking(False)  # noqa: FBT003 - its only parameter
        except OSError as error:
            self._socket.close()
            raise ProbeError(f"the proc connector refuses: {error.strerror or error}") from error
        except ProbeError:
            self._socket.close()
            raise

    def _ask(self, operation: int) -> None:
        size = _REQUEST.size
        self._socket.send(_REQUEST.pack(size, _DONE, 0, 0, 0, _PROC, _PROC, 0, 0, 4, 0, operation))

    def _confirm(self) -> None:
        """Wait for the kernel's answer: outside the first PID and user namespace none ever comes."""
        deadline = time.monotonic() + _ANSWER
        self._socket.settimeout(0.2)
        while time.monotonic() < deadline:
            try:
                data = self._socket.recv(4096)
            except TimeoutError:
                continue
            message = parse(data)
            if message is None or message.kind:
                continue
            if message.values[0]:
                raise ProbeError(f"the proc connector refuses: {os.strerror(message.values[0])}")
            return
        raise ProbeError("the proc connector does not answer: it tells nothing in a container")

    def fileno(self) -> int:
        """Give the handle, for poll."""
        return self._socket.fileno()

    def receive(self) -> Message | None:
        """Give the next message; None when there is none. Raises BufferError after a loss, ProbeError at the end."""
        while True:
            try:
                data = self._socket.recv(4096)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise BufferError("messages were lost: they came faster than they were read") from error
                raise ProbeError(f"the proc connector cannot be read any more: {error.strerror}") from error
            message = parse(data)
            if message is not None:
                return message

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._ask(_IGNORE)
        self._socket.close()
