"""How the names of data items are spelled: Windows itself writes ProcessId, ProcessID and processId."""

from functools import lru_cache
from typing import Final

from vedette.schema import windows_data

_LONGEST: Final = 128
"""Characters of a name; the wire allows as many after the column's own."""
_REMEMBERED: Final = 4096
_OTHERS: Final = (
    "SourceProcessGuid TargetProcessGuid SourceProcessId TargetProcessId ProcessGuid ParentProcessGuid ParentProcessId "
    "LogonId"
)
"""Names of more than one spelling that are not among those with a place of their own."""
_CUSTOMARY: Final = {
    name.lower(): name for names in (_OTHERS, windows_data.COLUMNS, windows_data.KNOWN_NAMES) for name in names.split()
}


class _Spellings(dict[str, str]):
    """Name as it was written -> customary spelling; a known one costs no Python call."""

    def __missing__(self, name: str) -> str:
        bare = name[:_LONGEST].replace(" ", "") or "Data"
        spelling = _CUSTOMARY.get(bare.lower(), bare)
        if len(self) < _REMEMBERED and len(name) <= _LONGEST:
            self[name] = spelling
        return spelling


spelled: Final = _Spellings().__getitem__
"""Give the customary spelling of a name; an unknown one stays as it is but for its blanks."""


@lru_cache(4096)
def is_guid_name(name: str) -> bool:
    """Whether an item of this name holds a GUID, which Windows shows in braces."""
    return name.lower().endswith("guid")
