"""What the agent and its scanning process say to each other: a length, then msgpack; a file travels as a handle."""

import array
import socket
import struct
from typing import TypeVar

import msgspec

from vedette.engines.objects import About, Verdict

_LENGTH = struct.Struct("<I")
LARGEST = 1 << 20
_MESSAGE = TypeVar("_MESSAGE")


class Load(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Use these engines from now on; the handle that comes along is the compiled rule set."""

    seconds: float
    """That one engine may take for one object."""
    clamd: str = ""
    """Socket of a ClamAV daemon; empty: none."""


class Scan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Look at the file whose handle comes along, unless it is not the expected one."""

    about: About
    largest: int
    sha256: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to both: `problem` when engines could not be loaded; else what they said."""

    verdicts: tuple[Verdict, ...] = ()
    problem: str = ""
    size: int = 0
    md5: str | None = None
    sha256: str | None = None
    cpu: float = 0.0
    """Seconds of CPU time that the process has used so far."""


REQUESTS: msgspec.msgpack.Decoder[Load | Scan] = msgspec.msgpack.Decoder(Load | Scan)
OUTCOMES = msgspec.msgpack.Decoder(Outcome)


def send(channel: socket.socket, message: msgspec.Struct, handle: int | None = None) -> None:
    """Send a message, and a handle with it. Raises OSError."""
    body = msgspec.msgpack.encode(message)
    data = _LENGTH.pack(len(body)) + body
    sent = socket.send_fds(channel, [data], [handle]) if handle is not None else 0
    channel.sendall(data[sent:])


def receive(channel: socket.socket, decoder: msgspec.msgpack.Decoder[_MESSAGE]) -> tuple[_MESSAGE, int | None]:
    """Receive a message and its handle. Raises EOFError at the end, OSError, msgspec.MsgspecError."""
    handles = array.array("i")
    head, ancillary, _, _ = channel.recvmsg(_LENGTH.size, socket.CMSG_SPACE(handles.itemsize))
    for level, type_, data in ancillary:
        if level == socket.SOL_SOCKET and type_ == socket.SCM_RIGHTS:
            handles.frombytes(data[: len(data) - len(data) % handles.itemsize])
    head += _exactly(channel, _LENGTH.size - len(head), begun=bool(head))
    (length,) = _LENGTH.unpack(head)
    if length > LARGEST:
        raise OSError(f"a message of {length} bytes")
    return decoder.decode(_exactly(channel, length, begun=True)), handles[0] if handles else None


def _exactly(channel: socket.socket, size: int, *, begun: bool) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            raise EOFError("ended in a message" if begun else "ended")
        parts += part
    return bytes(parts)
