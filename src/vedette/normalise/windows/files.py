"""Files of Windows records: which reader a file needs is told by its first bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from vedette.normalise.windows import event_xml, evtx_file, json_lines
from vedette.normalise.windows.mapping import Normaliser
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.tally import Tally
from vedette.runtime.errors import ConfigError
from vedette.schema.events.base import Event

_LOOKED_AT: Final = 64
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def read(path: Path, normaliser: Normaliser | None = None, tally: Tally | None = None) -> Iterator[Event]:
    """Give the events of an EVTX file, of JSON lines or of XML, in the file's order.

    One normaliser for several files of a host lets each know the processes of those before it. `tally` counts what
    could not be read. Raises ConfigError when the file cannot be read at all.
    """
    event = (normaliser or Normaliser()).event
    for record in records(path, tally):
        yield event(record)


def records(path: Path, tally: Tally | None = None) -> Iterator[Record]:
    """Give the records of a file as they are. Raises ConfigError when it cannot be read at all."""
    tally = Tally() if tally is None else tally
    try:
        with path.open("rb") as file:
            reader = _reader(file.read(_LOOKED_AT))
            file.seek(0)
            yield from reader(file, tally)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _reader(start: bytes) -> Callable[[IO[bytes], Tally], Iterator[Record]]:
    if start.startswith(evtx_file.MAGIC):
        return evtx_file.records
    is_xml = start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") or start.startswith(_UTF_16)
    return event_xml.records if is_xml else json_lines.records
