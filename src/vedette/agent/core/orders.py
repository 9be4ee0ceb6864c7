"""What the budget asks of the sources."""

from typing import Protocol, runtime_checkable

import msgspec


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What the sources are to obey."""

    level: int = 0
    because: str = ""
    """The limit that asks for it: cpu, bytes or rss."""
    cpu: float = 0.1
    """CPU seconds a second that the whole agent may take."""
    memory_is_short: bool = False

    @property
    def policy(self) -> str:
        """Name under which what is left out is counted."""
        return f"budget.{self.because}"


@runtime_checkable
class Thrifty(Protocol):
    """A source that can cost less."""

    def save(self, orders: Orders) -> None:
        """Obey from now on; called by any thread."""
        ...

    def throttled(self) -> dict[str, int]:
        """Event type/policy -> events left out since `run` began."""
        ...
