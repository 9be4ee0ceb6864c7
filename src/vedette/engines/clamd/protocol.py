"""What is said to clamd and what it answers (man clamd, COMMANDS). Pure."""

import datetime as dt
import struct
from collections.abc import Iterator

from vedette.engines.objects import Finding, Reason, Status, Verdict, not_scanned
from vedette.schema.fields import Micros

NAME = "clamav"
INSTREAM, VERSION = b"zINSTREAM\0", b"zVERSION\0"
CHUNK = 1 << 17
LONGEST_ANSWER = 4096
_ENCRYPTED, _LIMITS = "Heuristics.Encrypted", "Heuristics.Limits.Exceeded"


def chunks(data: bytes) -> Iterator[bytes]:
    """Give an object as clamd wants it: pieces with their lengths, then a length of zero."""
    view = memoryview(data)
    for offset in range(0, len(view), CHUNK):
        piece = view[offset : offset + CHUNK]
        yield struct.pack("!I", len(piece)) + piece
    yield struct.pack("!I", 0)


def verdict(answer: bytes, *, db_time: Micros | None) -> Verdict:
    """Read the answer to INSTREAM."""
    text = answer.rstrip(b"\0\n").decode("utf-8", "replace").strip()
    told = text.removeprefix("stream: ")
    if told == "OK":
        return Verdict(engine=NAME, status=Status.CLEAN, db_time=db_time)
    if told.endswith(" FOUND"):
        return _found(told.removesuffix(" FOUND"), db_time=db_time)
    if "size limit exceeded" in told:
        return not_scanned(NAME, Reason.TOO_LARGE, "StreamMaxLength of clamd", db_time=db_time)
    return not_scanned(NAME, Reason.ENGINE_FAILED, told or "clamd gave no answer", db_time=db_time)


def _found(signature: str, *, db_time: Micros | None) -> Verdict:
    # With AlertEncrypted and AlertExceedsMax clamd says so of what it could not look into.
    if signature.startswith(_ENCRYPTED):
        return not_scanned(NAME, Reason.ENCRYPTED, signature, db_time=db_time)
    if signature.startswith(_LIMITS):
        return not_scanned(NAME, Reason.TOO_LARGE, signature, db_time=db_time)
    finding = Finding(record_id=signature[:1024], category=signature[:1024])
    return Verdict(engine=NAME, status=Status.DETECTED, findings=(finding,), db_time=db_time)


def database_time(answer: bytes) -> Micros | None:
    """Read the release time from the answer to VERSION: `ClamAV 1.4.6/27500/Mon Nov 23 09:00:00 2026`.

    None when clamd has no official database, but only signatures of the operator. clamd writes local time and
    names no zone; it is taken for UTC.
    """
    parts = answer.rstrip(b"\0\n").decode("utf-8", "replace").split("/")
    if len(parts) < 3:
        return None
    try:
        moment = dt.datetime.strptime(parts[2].strip(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000
