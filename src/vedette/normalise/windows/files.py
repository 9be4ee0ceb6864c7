"""Files of Windows records: which reader a file needs is told by its first bytes."""

from collections.abc import Iterator
from pathlib import Path

from vedette.normalise.windows import evtx_file, json_lines
from vedette.normalise.windows.mapping import Normaliser
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.tally import Tally
from vedette.runtime.errors import ConfigError
from vedette.schema.events.base import Event


def read(path: Path, normaliser: Normaliser | None = None, tally: Tally | None = None) -> Iterator[Event]:
    """Give the events of an EVTX file or of JSON lines, in the file's order.

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
            is_evtx = file.read(len(evtx_file.MAGIC)) == evtx_file.MAGIC
            file.seek(0)
            yield from (evtx_file if is_evtx else json_lines).records(file, tally)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
