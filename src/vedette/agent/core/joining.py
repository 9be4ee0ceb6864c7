"""Which batches of an offline agent become one: runs of neighbours that were certainly never sent."""

from collections.abc import Iterable
from typing import NamedTuple

from vedette.runtime.clock import MINUTE

RUN_EVENTS = 5000
RUN_BYTES = 512 << 10
RUN_SPAN = 10 * MINUTE
"""Between the first and the last: events expire by batch, so a batch must not span long."""
RUN_BATCHES = 16
"""Fewer are not worth the work."""


class Piece(NamedTuple):
    """A row of the buffer that may be joined."""

    first: int
    last: int
    kept: int
    size: int
    host: int
    """Number that is the same for the same host facts."""


def runs(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Give the runs worth joining; `pieces` are in order of sequence."""
    found: list[list[Piece]] = [[]]
    for piece in pieces:
        run = found[-1]
        if run and not _follows(run, piece):
            found.append(run := [])
        run.append(piece)
    return [run for run in found if len(run) >= RUN_BATCHES]


def _follows(run: list[Piece], piece: Piece) -> bool:
    first, last = run[0], run[-1]
    return (
        piece.first == last.last + 1
        and piece.host == first.host
        and piece.last - first.first < RUN_EVENTS
        and 0 <= piece.kept - first.kept <= RUN_SPAN
        and sum(part.size for part in run) + piece.size <= RUN_BYTES
    )
