"""Which findings an exclusion keeps back."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from vedette.central.detection.rows import Row
from vedette.query.glob import fold, to_regex
from vedette.schema.exclusions import Exclusion

HASHES = ("file.sha256", "process.file.sha256", "detect.object_sha256")
PATHS = ("file.path", "process.file.path", "detect.object_name")


class Exclusions:
    """All that count at a moment."""

    def __init__(self, alive: Iterable[Exclusion]) -> None:
        self._of: dict[tuple[str, str], list[_Compiled]] = defaultdict(list)
        for one in alive:
            self._of[one.tenant, one.rule].append(_Compiled(one))

    def cover(self, rule: str, row: Row, *, now: int, hits: Counter[str]) -> bool:
        """Whether a finding of `rule` in `row` is to be kept back; adds to `hits` of the first exclusion that fits."""
        tenant = row.text("tenant")
        for one in (*self._of.get((tenant, rule), ()), *self._of.get((tenant, ""), ())):
            if one.fits(row, now=now):
                hits[one.exclusion.id] += 1
                return True
        return False


class _Compiled:
    def __init__(self, exclusion: Exclusion) -> None:
        self.exclusion = exclusion
        self._path = to_regex(_like(exclusion.path)) if exclusion.path else None

    def fits(self, row: Row, *, now: int) -> bool:
        wanted = self.exclusion
        return (
            (wanted.expires is None or now < wanted.expires)
            and wanted.host in {"", row.text("host.id")}
            and (not wanted.user or wanted.user in row.users)
            and (not wanted.sha256 or any(row.text(column) == wanted.sha256 for column in HASHES))
            and (self._path is None or any(self._path.fullmatch(fold(row.text(column))) for column in PATHS))
        )


def _like(mask: str) -> str:
    r"""Give a mask as a folded LIKE pattern; a backslash is itself, as in Windows paths."""
    escaped = fold(mask).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
