"""What cannot be decoded is kept whole, so that a newer version can take it up.

    dead-letter/<segment>-<portion>.seg    records in the spool's format, with sender and sequence numbers
    dead-letter/<segment>-<portion>.json   for each of them: why, and which event types of it were not stored
    dead-letter/<segment>.seg, .json       a segment of which something could not be stored: what, and why
    dead-letter/again/<number>.seg, .json  either of them on its way through the pipeline again

Names come from the segment, so that doing a segment again after a crash writes the same files.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from vedette.runtime.files import fsync_directory, write_atomic
from vedette.store.segment import Record, RecordHead, pack_head

AGAIN = "again"
"""The folder of what is re-driven."""

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


class Note(msgspec.Struct, frozen=True):
    """What is not stored of a record in the file beside: all of it, or its events of some types."""

    reason: str
    types: tuple[str, ...]
    events: int
    agent: str
    epoch: str
    first: int
    last: int


class Notes(msgspec.Struct, frozen=True):
    """The content of a .json file. `reason` is that of a whole segment; without `records` nothing can be re-driven."""

    version: str
    records: tuple[Note, ...] = ()
    reason: str = ""


RecordKey = tuple[str, str, int, int]
"""Agent, epoch, first and last number."""


def notes_of(records: Iterable[Record], reason: str, only: "Only") -> tuple[Note, ...]:
    """Say that nothing of these records is stored; of those in `only`, nothing of those types."""
    return tuple(
        Note(reason, only.get(key_of(one), ()), one.count, one.agent, one.epoch, one.first, one.last) for one in records
    )


def key_of(record: RecordHead | Note) -> RecordKey:
    """Name a record."""
    return record.agent, record.epoch, record.first, record.last


Only = Mapping[RecordKey, tuple[str, ...]]
"""The event types of a record that are to be stored; empty = all."""


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
        Note(letter.reason, letter.types, letter.events, record.agent, record.epoch, record.first, record.last)
        for letter in letters
        for record in [letter.record]
    ]
    write_atomic(folder / f"{name}.json", _written(Notes(version("vedette"), tuple(notes))))
    write_atomic(folder / f"{name}.seg", body)
    log.warning("%s: %d batches kept as dead letters, the first: %s", name, len(letters), notes[0])
    return True


def set_aside(folder: Path, segment: Path, reason: str, unstored: Sequence[Note] = ()) -> None:
    """Move a segment away, with the reason and what of it is not stored. Raises OSError."""
    write_atomic(folder / f"{segment.stem}.json", _written(Notes(version("vedette"), tuple(unstored), reason)))
    if segment.exists():  # else it was moved before a crash
        segment.replace(folder / segment.name)
    segment.with_suffix(".json").unlink(missing_ok=True)
    fsync_directory(folder)
    fsync_directory(segment.parent)
    log.error("segment %s is set aside: %s", segment.name, reason)


def discard(folder: Path, name: str) -> None:
    """Remove what `keep` wrote. Raises OSError."""
    for suffix in (".seg", ".json"):
        (folder / f"{name}{suffix}").unlink(missing_ok=True)


def read_notes(path: Path) -> Notes | None:
    """Read the notes beside a segment; None when there are none that can be read."""
    try:
        return msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Notes)
    except (OSError, msgspec.MsgspecError):
        return None


def send_again(folder: Path, name: str, number: int) -> bool:
    """Put what is kept as `name` in the pipeline's way as redrive `number`, which must be new; False if it is gone.

    One rename decides: before it nothing has happened, after it the pipeline does the rest. Raises OSError.
    """
    again = folder / AGAIN
    again.mkdir(mode=0o700, exist_ok=True)
    target, source = again / f"{number}.seg", folder / f"{name}.seg"
    notes = read_notes(source)
    if notes is None or not notes.records or not source.exists():
        return False
    write_atomic(target.with_suffix(".json"), _written(notes))
    source.replace(target)
    fsync_directory(again)
    source.with_suffix(".json").unlink(missing_ok=True)
    fsync_directory(folder)
    return True


def _written(notes: Notes) -> bytes:
    return msgspec.json.format(msgspec.json.encode(notes))
