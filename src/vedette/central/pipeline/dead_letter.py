"""What cannot be decoded is kept whole, so that a newer version can take it up.

    dead-letter/<segment>-<portion>.seg    records in the spool's format, with sender and sequence numbers
    dead-letter/<segment>-<portion>.json   for each of them: why, and which event types of it were not stored
    dead-letter/<segment>.seg, .json       a whole segment that could not be processed, and why

Names come from the segment, so that doing a segment again after a crash writes the same files.
"""

import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from vedette.runtime.files import fsync_directory, write_atomic
from vedette.store.segment import Record, pack_head

QUOTA = 1 << 30
"""Bytes that dead letters may take: an agent in an attacker's hands must not fill the disk with them."""

log = logging.getLogger(__name__)


class DeadLetter(msgspec.Struct, frozen=True):
    """A batch that is kept."""

    record: Record
    reason: str
    types: tuple[str, ...] = ()
    """The event types that were not stored; empty = none of the batch was."""
    events: int = 0
    """Events that were not stored."""


class _Note(msgspec.Struct, frozen=True):
    reason: str
    types: tuple[str, ...]
    events: int
    agent: str
    epoch: str
    first: int
    last: int


def keep(folder: Path, name: str, letters: Sequence[DeadLetter], *, quota: int = QUOTA) -> bool:
    """Write dead letters as `name` so that they survive a power cut; False when the quota is spent.

    Raises OSError.
    """
    body = b"".join(pack_head(letter.record) + letter.record.body for letter in letters)
    used = sum(path.stat().st_size for path in folder.iterdir())
    if used + len(body) > quota:
        log.error("%s: %d dead letters are lost: %s has %d bytes", name, len(letters), folder, used)
        return False
    notes = [
        _Note(letter.reason, letter.types, letter.events, record.agent, record.epoch, record.first, record.last)
        for letter in letters
        for record in [letter.record]
    ]
    write_atomic(folder / f"{name}.json", _note({"records": notes}))
    write_atomic(folder / f"{name}.seg", body)
    log.warning("%s: %d batches kept as dead letters, the first: %s", name, len(letters), notes[0])
    return True


def set_aside(folder: Path, segment: Path, reason: str) -> None:
    """Move a whole segment away, with the reason. Raises OSError."""
    write_atomic(folder / f"{segment.stem}.json", _note({"reason": reason}))
    if segment.exists():  # else it was moved before a crash
        segment.replace(folder / segment.name)
    fsync_directory(folder)
    fsync_directory(segment.parent)
    log.error("segment %s is set aside: %s", segment.name, reason)


def _note(content: dict[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode({"version": version("vedette"), **content}))
