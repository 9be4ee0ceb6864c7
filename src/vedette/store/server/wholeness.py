"""Sees whether what the engine believes to have written is on the disk.

The embedded engine goes on when the system refuses to write (disk full, I/O error): a merge then replaces whole parts
by one of empty files, and an insert says it is done (docs/decisions/0041). So every new part is looked at. One that is
not whole ends the process before anything relies on it; the engine, started again, sets it aside and takes the parts
from which it was merged. What an insert has lost is forgotten here, so that it is stored when it comes again.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vedette.runtime.files import fsync_directory

TOKENS = "deduplication_logs"
"""Folder of a table with one file or more of lines `operation, part, token`."""
_ADDED, _DROPPED = b"1", b"2"

UNCOUNTED = frozenset(
    "checksums.txt columns.txt columns_substreams.txt default_compression_codec.txt metadata_version.txt".split()
)
"""Files of a part that are not in the bytes that the engine states for it."""


def lack(part: Path, believed: int) -> str:
    """Say what is missing of a part that should have `believed` bytes on the disk; "" when it is whole."""
    try:
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(part)}
        counted = sum(size for name, size in sizes.items() if name not in UNCOUNTED)
        if counted < believed:
            return f"{counted} of {believed} bytes are there"
        for name, is_whole in _READ.items():
            if name in sizes and not is_whole((part / name).read_bytes()):
                return f"{name} is cut off"
    except OSError as error:
        return str(error)
    return ""


def checksums_are_whole(data: bytes) -> bool:
    """Whether all of checksums.txt is there: a line, then compressed blocks that state their size."""
    begin = at = data.find(b"\n") + 1
    while 0 < at < len(data):
        size = int.from_bytes(data[at + 17 : at + 21], "little")
        if size < 9:
            return False
        at += 16 + size
    return at == len(data) > begin


def columns_are_whole(data: bytes) -> bool:
    """Whether all of columns.txt is there: it states how many columns it has, a line each."""
    stated = re.match(rb"[^\n]*\n(\d+) columns:\n", data)
    return stated is not None and data.endswith(b"\n") and data.count(b"\n") == int(stated[1]) + 2


def substreams_are_whole(data: bytes) -> bool:
    """Whether all of columns_substreams.txt is there: it states its columns, and the substreams of each."""
    stated = re.match(rb"[^\n]*\n(\d+) columns:\n", data)
    columns = [int(number) for number in re.findall(rb"^(\d+) substreams? for column", data, re.MULTILINE)]
    if stated is None or not data.endswith(b"\n") or len(columns) != int(stated[1]):
        return False
    return data.count(b"\n\t") == sum(columns)


_READ: dict[str, Callable[[bytes], bool]] = {
    "checksums.txt": checksums_are_whole,
    "columns.txt": columns_are_whole,
    "columns_substreams.txt": substreams_are_whole,
    "default_compression_codec.txt": bool,
    "metadata_version.txt": bool,
}

SET_ASIDE = "broken-on-start_"
"""What the engine puts before the name of a part that it cannot load, in the table's folder `detached`."""
SEEN = "seen_"
"""What is put before that once the part's token is taken back."""


def forget(set_aside: Iterable[Path]) -> int:
    """Take back the tokens of inserts of which a part was set aside; gives how many. Raises OSError.

    The engine must not be open. The folders get other names, as the engine may give the number of a part that is gone
    to the next one.
    """
    lost: dict[Path, set[bytes]] = {}
    folders = list(set_aside)
    for path in folders:
        name = re.sub(r"_try\d+$", "", path.name.removeprefix(SET_ASIDE))
        lost.setdefault(path.parent.parent / TOKENS, set()).add(name.encode())
    taken_back = sum(_take_back(folder, parts) for folder, parts in lost.items())
    for path in folders:
        path.rename(path.with_name(f"{SEEN}{time.time_ns()}_{path.name}"))
        fsync_directory(path.parent)
    return taken_back


def _take_back(folder: Path, parts: set[bytes]) -> int:
    logs = sorted(folder.glob("*.txt"), key=lambda path: int(re.sub(r"\D", "", path.stem) or 0))
    lost = [(part, token) for part, token in _living(logs) if part in parts]
    if lost:
        whole = logs[-1].read_bytes()
        with logs[-1].open("ab") as file:
            file.write(b"" if whole.endswith(b"\n") or not whole else b"\n")
            file.writelines(b"\t".join((_DROPPED, *line)) + b"\n" for line in lost)
            file.flush()
            os.fsync(file.fileno())
    return len(lost)


def _living(logs: list[Path]) -> Iterator[tuple[bytes, bytes]]:
    """Give part and token of every insert that is remembered."""
    tokens: dict[bytes, bytes] = {}
    for path in logs:
        for line in path.read_bytes().splitlines():
            operation, _, rest = line.partition(b"\t")
            part, _, token = rest.partition(b"\t")
            if operation == _ADDED:
                tokens[token] = part
            else:
                tokens.pop(token, None)
    return ((part, token) for token, part in tokens.items())
