"""Messages out of TCP streams to resolvers: each begins with its length (RFC 1035 4.2.2). Bounded, pure."""

from collections import OrderedDict

import msgspec

MOST = 256
"""Streams that are followed; then the one that was quiet longest is given up."""
_LENGTH, _AROUND, _HALF = 2, 1 << 32, 1 << 31


class Stream(msgspec.Struct, gc=False):
    """One direction of a connection: the number of the byte that comes next, and what makes no message yet."""

    following: int
    waiting: bytes = b""
    broken: bool = False
    """Something is missing: where the next message begins is not known."""


class DnsStreams:
    """Puts the parts of streams together, in the order in which they come."""

    def __init__(self) -> None:
        self._streams: OrderedDict[tuple[int, bool], Stream] = OrderedDict()
        self.broken = 0
        """Streams of which a part was missing."""

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, key: tuple[int, bool], sequence: int, data: bytes, *, length: int) -> list[bytes]:
        """Give the messages that are whole with this part; the last one may be cut where `data` is (of `length`)."""
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= MOST:
                self._streams.popitem(last=False)
            stream = self._streams[key] = Stream(sequence)
        self._streams.move_to_end(key)
        if stream.broken or (ahead := (sequence - stream.following) % _AROUND) >= _HALF:
            return []  # sent again
        if ahead:
            self._break(stream)
            return []
        stream.following = (sequence + length) % _AROUND
        stream.waiting += data
        messages = _take(stream)
        if len(data) < length:
            self._break(stream)
            if len(stream.waiting) > _LENGTH:
                messages.append(stream.waiting[_LENGTH:])
            stream.waiting = b""
        return messages

    def _break(self, stream: Stream) -> None:
        stream.broken, self.broken = True, self.broken + 1


def _take(stream: Stream) -> list[bytes]:
    """Take the whole messages. What stays is less than one: 64 KiB at most."""
    messages: list[bytes] = []
    waiting, at = stream.waiting, 0
    while len(waiting) - at >= _LENGTH:
        end = at + _LENGTH + int.from_bytes(waiting[at : at + _LENGTH])
        if end > len(waiting):
            break
        messages.append(waiting[at + _LENGTH : end])
        at = end
    stream.waiting = waiting[at:]
    return messages
