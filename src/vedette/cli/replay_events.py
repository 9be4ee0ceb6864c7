"""Files of events -> batches, by the same steps as the events of an agent take: for `vedette replay`."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from vedette.fleet.replay import LINE_BYTES
from vedette.normalise import windows
from vedette.normalise.windows import Tally
from vedette.runtime.errors import ConfigError, WireError
from vedette.schema.entities import Host, Os
from vedette.schema.events.base import Event
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.event_text import parse_event
from vedette.wire.merge import Arrival, Batch, merge

_EVENTS = 5_000
"""In a wire batch."""
_BATCHES = 5
"""Wire batches that are looked at together."""
_AHEAD = 20_000
"""Records that are read before the first is used: by then it is known what Sysmon tells."""
_SYSMON, _AUDIT = "Microsoft-Windows-Sysmon", "Microsoft-Windows-Security-Auditing"
_HOST, _EPOCH = "0" * 32, "0" * 16


def batches(path: Path, tally: Tally, family: str = "") -> Iterator[Batch]:
    """Give the events of a file. `family`: the system of events that do not tell it. Raises ConfigError."""
    first_line = _first_line(path)
    vedette = _is_vedette(first_line)
    events = iter(_events(path, tally) if vedette else _windows(path, tally))
    told = first_line.get("os.family") or ("windows" if "winlog" in first_line else None)
    system = Os(family=family or (str(told) if told else None) if vedette else "windows")
    first = 1
    while chosen := list(islice(events, _EVENTS * _BATCHES)):
        arrivals: list[Arrival] = []
        for start in range(0, len(chosen), _EVENTS):
            arrivals += arrivals_of(chosen[start : start + _EVENTS], first + start, system)
        yield merge(arrivals)
        first += len(chosen)


def arrivals_of(events: list[Event], first: int, system: Os) -> Iterator[Arrival]:
    """Give wire batches: two of half the events where one would be too large."""
    try:
        payload = Builder(events).encode(first)
    except WireError:
        if len(events) == 1:
            raise
        middle = len(events) // 2
        yield from arrivals_of(events[:middle], first, system)
        yield from arrivals_of(events[middle:], first + middle, system)
        return
    last = first + len(events) - 1
    header = BatchHeader(
        agent=_HOST, epoch=_EPOCH, first=first, last=last, count=len(events), sent=0, host=Host(), os=system
    )
    yield Arrival(batch=decode(frame(header, payload)), host=_HOST, tenant="default", epoch=_EPOCH, received=0)


def _windows(path: Path, tally: Tally) -> Iterator[Event]:
    """Give the events of Windows logs. What Sysmon tells of a host, the audit log does not tell a second time."""
    normaliser = windows.Normaliser()
    records = windows.records(path, tally)
    ahead: deque[windows.Record] = deque()
    told: set[tuple[str | None, str]] = set()
    while True:
        for record in islice(records, max(0, _AHEAD - len(ahead))):
            ahead.append(record)
            if record.system.provider_name == _SYSMON:
                told.update((record.system.computer, kind) for kind in windows.types_of(record))
        if not ahead:
            return
        record = ahead.popleft()
        twice = record.system.provider_name == _AUDIT and any(
            (record.system.computer, kind) in told for kind in windows.types_of(record) if kind != "os_log"
        )
        yield normaliser.as_log(record) if twice else normaliser.event(record)


def _first_line(path: Path) -> dict[str, Any]:
    """Give the first line of a file as JSON; empty when it is none."""
    try:
        with path.open("rb") as file:
            line = file.readline(LINE_BYTES)
        return msgspec.json.decode(line, type=dict[str, Any])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _is_vedette(line: dict[str, Any]) -> bool:
    """Whether a line is an event of ours: flat, or as the schema writes it."""
    return "event.type" in line or ("type" in line and "time" in line)


def _events(path: Path, tally: Tally) -> Iterator[Event]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            try:
                event = parse_event(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                tally.skip("no event", f"line {number}")
                continue
            tally.records += 1
            yield event


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline(LINE_BYTES):
        yield line


def value_of(batch: Batch, name: str, row: int) -> Any:
    """Give what a batch says of a column in a row; None when it is not known."""
    column = batch.dictionaries.get(name)
    if column is not None:
        return column.values[column.indices[row]]
    numbers = batch.numbers.get(name)
    return None if numbers is None else int(numbers[row])


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the files, and those in folders: EVTX and JSON."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for inside in sorted(path.rglob("*")):
            if inside.is_file() and inside.suffix.lower() in {".evtx", ".json", ".jsonl", ".ndjson"}:
                yield inside
