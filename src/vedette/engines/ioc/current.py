"""The table in force: opened again when its file was replaced; a damaged one is reported and the old one stays."""

from pathlib import Path

from vedette.engines.ioc.table import Table, TableError

_State = tuple[int, int, int]


class Current:
    """Follows the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _State | None = None
        self.table: Table | None = None

    def refresh(self) -> str:
        """Open the file if it is another than before; gives what is wrong with it, or ""."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            self._seen = self.table = None
            return ""
        state = facts.st_ino, facts.st_mtime_ns, facts.st_size
        if state == self._seen:
            return ""
        self._seen = state
        try:
            self.table = Table(self._path)
        except (TableError, OSError, ValueError) as error:
            return str(error)
        return ""
