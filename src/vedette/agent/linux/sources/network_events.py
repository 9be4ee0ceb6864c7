"""Records about sockets -> network_connect, port_listen."""

import errno
import socket

from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes.records import ACCEPT, Net
from vedette.schema.entities import Process, Socket
from vedette.schema.events.network import NetworkConnect, PortListen

_PROTOCOLS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite", 262: "mptcp"}
_OUTCOMES = {
    0: "established",
    -errno.EINPROGRESS: "pending",
    -errno.ECONNREFUSED: "refused",
    -errno.ETIMEDOUT: "timed_out",
    -errno.ENETUNREACH: "unreachable",
    -errno.EHOSTUNREACH: "unreachable",
    -errno.EPERM: "denied",
}
"""Result of connect() -> `socket.outcome`; `pending`: the program did not wait for the answer."""
_MAPPED = b"\0" * 10 + b"\xff\xff"
"""How an IPv4 address begins in a dual-stack socket."""


class NetworkEvents:
    """Translates what happens to sockets."""

    def __init__(self, model: Model, processes: ProcessEvents) -> None:
        self._model, self._processes = model, processes

    def connect(self, record: Net) -> None:
        """Report a connection that was asked for or accepted."""
        if record.remote_port == 0:
            return  # a resolver asking the kernel which source address it would use
        ends = Socket(
            protocol=protocol_name(record.protocol),
            direction="inbound" if record.kind == ACCEPT else "outbound",
            local_ip=address(record.family, record.local) if record.local else None,
            local_port=record.local_port if record.local else None,
            remote_ip=address(record.family, record.remote),
            remote_port=record.remote_port,
            outcome=_OUTCOMES.get(record.result, str(record.result)),
        )
        self._emit(record, NetworkConnect, ends)

    def listen(self, record: Net) -> None:
        """Report a port that was opened."""
        end = Socket(
            protocol=protocol_name(record.protocol),
            local_ip=address(record.family, record.local) if record.local else None,
            local_port=record.local_port if record.local else None,
        )
        self._emit(record, PortListen, end)

    def _emit(self, record: Net, kind: type[NetworkConnect | PortListen], ends: Socket) -> None:
        model = self._model
        life = self._processes.acting(record)
        time, user, session = model.clock.micros(record.time), model.accounts.user(record.ids), life.session

        def emit(process: Process) -> None:
            model.emit(kind(time=time, user=user, session=session, process=process, socket=ends))

        self._processes.image_of(life, record.time).when_ready(emit)


def address(family: int, raw: bytes) -> str:
    """Give an address as text; IPv4 in IPv6 as IPv4."""
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[:4])
    if raw.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, raw[12:16])
    return socket.inet_ntop(socket.AF_INET6, raw)


def protocol_name(number: int) -> str | None:
    """Give the name of an IP protocol; None for 0, which is none."""
    return _PROTOCOLS.get(number) or (str(number) if number else None)
