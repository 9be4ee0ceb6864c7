"""Writing an export to a file: whole under its name, or what came of it under NAME.part."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import click

from vedette.cli.client import Client
from vedette.cli.printing import size, span
from vedette.runtime.errors import ConfigError, VedetteError

ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_EVERY_SECONDS = 0.5


def format_of(file: str, given: str | None) -> str:
    """Choose the format: the one that is named, else by the file's ending."""
    found = given or ENDINGS.get(Path(file).suffix.lower())
    if found is None:
        raise click.UsageError(f"say the --format of {file}, or let its name end in {', '.join(ENDINGS)}")
    return found


def export(client: Client, asked: dict[str, Any], file: str) -> None:
    """Write the answer to `file`, - = stdout. Raises VedetteError when it is not whole."""
    pieces = client.stream("/events/export", asked)
    if file == "-":
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    path = Path(file)
    part = path.with_name(path.name + ".part")
    first = next(pieces, b"")  # a question that is refused leaves no file
    try:
        written = _write(part, first, pieces)
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    except VedetteError as error:
        raise VedetteError(f"{error}; what came is in {part}, and it is not all") from error
    click.echo(f"{path}: {size(written)}", err=True)


def _write(part: Path, first: bytes, pieces: Iterator[bytes]) -> int:
    """Write all pieces durably; gives the bytes."""
    part.unlink(missing_ok=True)
    # New and without following links: the folder may be everybody's.
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as target, _Progress() as progress:
        progress.add(target.write(first))
        for piece in pieces:
            progress.add(target.write(piece))
        target.flush()
        os.fsync(target.fileno())
        return progress.done


class _Progress:
    """Shows on a terminal how much came, on one line that is written over."""

    def __init__(self, terminal: IO[str] | None = None) -> None:
        self._terminal = terminal or sys.stderr
        self._begun = self._shown = time.monotonic()
        self.done = 0

    def add(self, count: int) -> None:
        """Count bytes."""
        self.done += count
        at = time.monotonic()
        if self._terminal.isatty() and at - self._shown >= _EVERY_SECONDS:
            self._shown = at
            speed = size(int(self.done / (at - self._begun)))
            self._terminal.write(f"\r\x1b[K{size(self.done)} in {span(int((at - self._begun) * 1e6))}, {speed}/s")
            self._terminal.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._terminal.isatty():
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
