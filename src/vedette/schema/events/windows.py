"""Events that only Windows has."""

from typing import Annotated

from vedette.schema.entities import Pipe, Registry, Wmi
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class RegistryChange(Event, frozen=True, kw_only=True, tag="registry_change"):
    """A registry key or value was made, set, renamed or deleted."""

    registry: Annotated[Registry | None, doc("Key and value, now and before")] = None


class PipeEvent(Event, frozen=True, kw_only=True, tag="pipe_event"):
    """A named pipe was made or connected to."""

    pipe: Annotated[Pipe | None, doc("The pipe")] = None


class WmiEvent(Event, frozen=True, kw_only=True, tag="wmi_event"):
    """A WMI filter, consumer or binding was registered."""

    wmi: Annotated[Wmi | None, doc("The subscription part")] = None
