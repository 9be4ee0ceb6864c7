"""How the names of data items are spelled: Windows itself writes ProcessId, ProcessID and processId."""

from functools import lru_cache
from typing import Final

from vedette.schema import windows_data

_LONGEST: Final = 128
"""Characters of a name; the wire allows as many after the column's own."""
_OTHERS: Final = (
    "SourceProcessGuid TargetProcessGuid SourceProcessId TargetProcessId ProcessGuid ParentProcessGuid ParentProcessId "
    "LogonId"
)
"""Names of more than one spelling that are not among those with a place of their own."""
_CUSTOMARY: Final = {
    name.lower(): name for names in (_OTHERS, windows_data.COLUMNS, windows_data.KNOWN_NAMES) for name in names.split()
}


@lru_cache(4096)
def spelled(name: str) -> str:
    """Give the customary spelling of a name; an unknown one stays as it is but for its blanks."""
    bare = name.replace(" ", "")[:_LONGEST] or "Data"
    return _CUSTOMARY.get(bare.lower(), bare)


@lru_cache(4096)
def is_guid_name(name: str) -> bool:
    """Whether an item of this name holds a GUID, which Windows shows in braces."""
    return name.lower().endswith("guid")
