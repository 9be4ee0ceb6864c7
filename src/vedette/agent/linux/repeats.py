"""Starts of programs that were told, so that an exact repetition can be recognised, and how often each came since."""

from hashlib import blake2b
from typing import Final

import msgspec

from vedette.probes.records import Exec
from vedette.schema.entities import Process

AGAIN: Final = 60_000_000_000
"""Nanoseconds after which a repetition is told once more, with the number of those that were not."""
MOST: Final = 4096

Key = bytes


class _Start(msgspec.Struct, gc=False):
    """One start that was told."""

    told: int
    folded: int = 0


class Repeats:
    """The starts of the last minute. One thread uses it; times in nanoseconds since boot."""

    def __init__(self) -> None:
        self._starts: dict[Key, _Start] = {}

    def is_repeat(self, key: Key, now: int) -> bool:
        """Say whether this start was told within the last minute."""
        start = self._starts.get(key)
        return start is not None and now - start.told < AGAIN

    def fold(self, key: Key) -> None:
        """Note a repetition that is not told."""
        start = self._starts.get(key)
        if start is not None:
            start.folded += 1

    def tell(self, key: Key, now: int) -> int:
        """Note that the start is told now; gives how many repetitions were not since the last time."""
        start = self._starts.pop(key, None)
        if len(self._starts) >= MOST:
            for old in list(self._starts)[: MOST // 8]:
                del self._starts[old]
        self._starts[key] = _Start(now)
        return start.folded if start is not None else 0


def key_of_program(record: Exec, parent: Process | None) -> Key | None:
    """Give what all exact repetitions of a start have in common; None when not all of it is known yet.

    Beside program, command line, parent program and user this is all that a program can tell two starts apart by:
    the version of its file, environment, folder, session, terminal, container. Another one is no repetition.
    """
    if parent is None or parent.file is None:
        return None
    inode = record.inode
    parts = (
        record.path, record.directory, record.name, record.tty, record.env, *record.args,
        repr((
            inode.device, inode.number, inode.changed, inode.size, record.ids, record.session, record.flags,
            record.mount_namespace, record.cgroup, record.capabilities, parent.file.path, parent.file.sha256,
        )).encode(),
    )  # fmt: skip
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4, "little"))
        digest.update(part)
    return digest.digest()


def key_of_fork(process: Process, ids: tuple[int, ...]) -> Key | None:
    """Give the same for a copy of the running `process` that runs no program of its own."""
    return None if process.entity_id is None else repr((process.entity_id, process.start_time, ids)).encode()
