"""An event that notes which fields a row's check reads, so that each can be blanked in turn."""

from __future__ import annotations

from typing import Any


class Watched(dict[str, Any]):
    """Adds the name of each field that is asked for to `read`."""

    def __init__(self, event: dict[str, Any], read: set[str]) -> None:
        super().__init__(event)
        self.read = read

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)
