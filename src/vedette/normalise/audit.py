"""Audit records: text to fields, and the records of one event put together.

A record is `audit(SECONDS.MILLIS:SERIAL): name=value ...`; what a program sent stands in `msg='...'`. Text that
an untrusted party chose is in quotes, or in hex when it holds quotes, spaces or control characters.
"""

import re
from typing import Final

import msgspec

from vedette.normalise.audit_types import COMPANIONS, END_OF_EVENT, SYSCALL, is_alone, type_name
from vedette.schema.fields import Micros

MOST_RECORDS: Final = 64
"""Records of one event that are kept."""
MOST_OPEN: Final = 512
"""Events that wait for their last record."""

_HEAD = re.compile(r"audit\((\d{1,12})\.(\d{3}):(\d{1,20})\):\s?")
_FIELD = re.compile(r"""([A-Za-z_][\w.\-\[\]]{0,63})=("[^"]*"|'[^']*'|[^\s'"]*)""")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ENCODED: Final = frozenset(
    "acct exe comm cmd cwd name proctitle data key grp path dir vm file old-acct new-acct".split()
)
"""Fields whose unquoted value is hex."""
_ARGUMENT = re.compile(r"a\d{1,5}(?:\[\d{1,5}\])?")


class AuditRecord(msgspec.Struct):
    """One record; `text` is the record without its head."""

    type: str
    number: int
    time: Micros
    serial: int
    text: str
    decoded: dict[str, str] | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The decoded fields; found when they are first asked for: most of the cost is in them."""
        if self.decoded is None:
            self.decoded = fields_of(self.text, self.type)
        return self.decoded


class AuditEvent(msgspec.Struct, frozen=True):
    """The records of one serial number, in the order in which they came."""

    records: tuple[AuditRecord, ...]

    @property
    def main(self) -> AuditRecord:
        """The record that says what the event is; the others accompany it."""
        for record in self.records:
            if record.type not in COMPANIONS:
                return record
        return next((record for record in self.records if record.number == SYSCALL), self.records[0])

    @property
    def call(self) -> AuditRecord | None:
        """The record of the system call, where the event is about one."""
        return next((record for record in self.records if record.number == SYSCALL), None)


def parse(number: int, text: str) -> AuditRecord | None:
    """Read one record; None when it has no head, as no audit record is."""
    head = _HEAD.match(text)
    if head is None:
        return None
    seconds, millis, serial = (int(part) for part in head.groups())
    return AuditRecord(type_name(number), number, (seconds * 1000 + millis) * 1000, serial, text[head.end() :])


def fields_of(body: str, record_type: str) -> dict[str, str]:
    """Give the fields of a record; what the kernel says goes before what a program says of itself."""
    outer, separator, inner = body.partition("msg='")
    fields: dict[str, str] = {}
    for part in (inner.rpartition("'")[0] or inner, outer) if separator else (outer,):
        for name, value in _FIELD.findall(part):
            fields[name] = _decoded(name, value, record_type)
    return fields


def _decoded(name: str, value: str, record_type: str) -> str:
    if value[:1] in ("'", '"'):
        return value[1:-1]
    encoded = name in _ENCODED or (record_type == "EXECVE" and _ARGUMENT.fullmatch(name))
    if not encoded or not _HEX.fullmatch(value):
        return value
    raw = bytes.fromhex(value).rstrip(b"\0")
    separator = b" " if name == "proctitle" else b"\\0"
    return raw.replace(b"\0", separator).decode("utf-8", "replace")


class Assembler:
    """Puts the records of one event together. Bounded; an event that never ends is given as it is."""

    def __init__(self) -> None:
        self._open: dict[tuple[Micros, int], list[AuditRecord]] = {}
        self.cut = 0
        """Records that were left out of very long events."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, record: AuditRecord) -> list[AuditEvent]:
        """Take a record; give the events that are complete by it."""
        key = (record.time, record.serial)
        if record.number == END_OF_EVENT:
            records = self._open.pop(key, None)
            return [AuditEvent(tuple(records))] if records else []
        if is_alone(record.number):
            return [AuditEvent((record,))]
        records = self._open.setdefault(key, [])
        if len(records) < MOST_RECORDS:
            records.append(record)
        else:
            self.cut += 1
        return [self._take_oldest()] if len(self._open) > MOST_OPEN else []

    def flush(self, before: Micros) -> list[AuditEvent]:
        """Give the events older than `before` whose end did not come: not every kernel sends one for each."""
        old = [key for key in self._open if key[0] < before]
        return [AuditEvent(tuple(self._open.pop(key))) for key in old]

    def _take_oldest(self) -> AuditEvent:
        return AuditEvent(tuple(self._open.pop(next(iter(self._open)))))
