"""Where a source goes on after a restart: one small file."""

import logging
from pathlib import Path

from vedette.runtime.errors import VedetteError
from vedette.runtime.files import write_atomic

log = logging.getLogger(__name__)
LONGEST = 4096


class Cursor:
    """A position that is kept; without a file it lives as long as the agent."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._kept = ""
        self.value = ""

    def keep_in(self, path: Path) -> None:
        """Keep it in `path` from now on, and begin with what is there."""
        self._path = path
        try:
            self.value = self._kept = path.read_text(encoding="utf-8")[:LONGEST].strip()
        except (OSError, UnicodeDecodeError):
            self.value = self._kept = ""

    def save(self, value: str) -> None:
        """Make `value` durable. A disk that cannot write costs a re-reading after a restart, no more."""
        self.value = value
        if self._path is None or value == self._kept:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._path, value.encode())
            self._kept = value
        except (OSError, VedetteError) as error:
            log.warning("position not kept path=%s problem=%s", self._path, error)
