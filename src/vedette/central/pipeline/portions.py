"""Cuts a segment into portions that fit into memory. Pure, and the same for the same segment.

A segment is at most about 8 MiB, but an agent in an attacker's hands can pack 16 MiB into 20 KB. Ordinary segments
are one portion. Each portion is one insert with a token of its own, so the cut must never depend on anything else.
"""

from collections.abc import Iterator, Sequence

import zstandard

from vedette.runtime.errors import WireError
from vedette.store.segment import Record
from vedette.wire.frame import split

CONTENT_LIMIT = 48 << 20
"""Bytes of unpacked content of a portion; one batch has at most 16 MiB."""


def portions(records: Sequence[Record], limit: int = CONTENT_LIMIT) -> Iterator[list[Record]]:
    """Give `records` in order, as few portions of up to `limit` bytes as that takes; at least one."""
    portion: list[Record] = []
    size = 0
    for record in records:
        content = _content_size(record)
        if portion and size + content > limit:
            yield portion
            portion, size = [], 0
        portion.append(record)
        size += content
    yield portion


def _content_size(record: Record) -> int:
    """Give the size that a batch states for its content; it is checked when the batch is unpacked."""
    try:
        _, body = split(record.body)
        return max(0, zstandard.frame_content_size(body))
    except (WireError, zstandard.ZstdError):
        return 0
