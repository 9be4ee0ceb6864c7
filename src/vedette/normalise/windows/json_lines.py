"""JSON lines -> records: winlogbeat's nested ones, NXLog's flat ones, the JSON of EVTX dumps; told apart by line."""

from collections.abc import Iterator
from typing import IO, Any, Final

import msgspec

from vedette.normalise.windows import evtx_json, flat, winlogbeat
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.tally import Tally

_LINE: Final = 4 << 20
"""Bytes of a line; a record of Windows is at most 64 KiB before JSON."""
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_BOM: Final = b"\xef\xbb\xbf"


def records(file: IO[bytes], tally: Tally) -> Iterator[Record]:
    """Every record that can be read; a line that is none is counted."""
    number = 0
    while line := file.readline(_LINE):
        number += 1
        if len(line) == _LINE and not line.endswith(b"\n"):
            tally.skip("line too long", f"line {number}")
            _to_end_of_line(file)
            continue
        bare = line.removeprefix(_BOM).strip()
        if not bare:
            continue
        record = parse(bare)
        if record is None:
            tally.skip("no Windows record", f"line {number}")
            continue
        tally.records += 1
        tally.cut += record.cut
        yield record


def parse(line: bytes) -> Record | None:
    """Read one line; None when it is no record of a Windows log."""
    try:
        tree = _decode(line)
        if "winlog" in tree:
            return winlogbeat.from_tree(tree)
        return evtx_json.from_tree(tree) if "Event" in tree else flat.from_tree(tree)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _to_end_of_line(file: IO[bytes]) -> None:
    while (rest := file.readline(_LINE)) and not rest.endswith(b"\n"):
        pass
