"""Sockets by asking the kernel once a second -> connections and listening ports.

What opens and closes between two looks is not seen. A look may cost a twentieth of the time: on a host with very many
sockets it is done more rarely.
"""

import time
from pathlib import Path
from typing import Final

from vedette.agent.linux.sock_diag import ESTABLISHED, LISTEN, SYN_SENT, UNCONNECTED, Sock, owners, sockets
from vedette.agent.linux.sources.actors import Actors
from vedette.agent.linux.sources.decoder import Decoder
from vedette.probes import records
from vedette.probes.records import Net
from vedette.runtime.errors import ProbeError

EVERY: Final = 1.0
SHARE: Final = 20
"""A look is done at most so often that it takes one part in this many of the CPU's time."""
_TCP: Final = 6
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PENDING: Final = -115  # EINPROGRESS


class SocketsFeed:
    """Compares the sockets with those of the look before. Raises ProbeError when the kernel does not list them.

    `outbound`, `listening`: False where another feed tells them.
    """

    handle: int | None = None
    urgent = False

    def __init__(self, decoder: Decoder, *, outbound: bool = True, listening: bool = True) -> None:
        self._decoder, self._actors = decoder, Actors(decoder)
        self._outbound, self._listening = outbound, listening
        self._known = set(sockets())
        self._owners: dict[int, int] = {}
        self._ephemeral = _ephemeral()
        self._next = time.monotonic() + EVERY
        self._new: list[tuple[Sock, bool]] = []
        self.refused: dict[str, str] = {}
        self.looks = self.failures = 0

    def read(self) -> None:
        """Look, when it is time."""
        if time.monotonic() < self._next:
            return
        began = time.thread_time()
        try:
            found = set(sockets())
        except ProbeError:
            self.failures += 1
            found = self._known
        new, self._known = found - self._known, found
        if new:
            served = {(one.protocol, one.local_port) for one in found if one.state == LISTEN}
            self._new = [(one, (one.protocol, one.local_port) in served) for one in new]
            self._owners = owners()
        self.looks += 1
        self._next = time.monotonic() + max(EVERY, (time.thread_time() - began) * SHARE)

    def tell(self) -> None:
        """Tell the new ones."""
        new, self._new = self._new, []
        at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        for one, inbound in new:
            kind = self._kind(one, inbound=inbound)
            if kind is None:
                continue
            header = self._actors.header(kind, self._actors.of(self._owners.get(one.number, 0), at), at)
            result = _PENDING if one.state == SYN_SENT else 0
            self._decoder.take(
                Net(*header, one.family, one.protocol, one.local_port, one.remote_port, one.local, one.remote, result)
            )

    def _kind(self, one: Sock, *, inbound: bool) -> int | None:
        if one.state == LISTEN or (one.state == UNCONNECTED and one.local_port not in self._ephemeral):
            return records.LISTEN if self._listening and one.local_port else None
        if one.state in {ESTABLISHED, SYN_SENT} and one.remote_port:
            if inbound and one.protocol == _TCP:
                return records.ACCEPT
            return records.CONNECT if self._outbound else None
        return None

    def waits(self) -> bool:
        """Whether something is due with the next round: nothing is told late."""
        return False

    def drops(self) -> dict[str, int]:
        """Nothing that could be counted."""
        return {}

    def status(self) -> dict[str, object]:
        """How often it looked, in vain too."""
        return {"looks": self.looks, "failures": self.failures, "sockets": len(self._known)}

    def close(self) -> None:
        """Nothing is held."""


def _ephemeral() -> range:
    """Ports that the kernel gives to sockets that asked for none: a datagram socket there is a client's."""
    try:
        first, last = map(int, _EPHEMERAL.read_bytes().split())
    except (OSError, ValueError):
        first, last = 32_768, 60_999
    return range(first, last + 1)
