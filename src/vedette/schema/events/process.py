"""Events about the life of a process."""

from typing import Annotated

from vedette.schema.entities import Target
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class ProcessStart(Event, frozen=True, kw_only=True, tag="process_start"):
    """A program started."""


class ProcessStop(Event, frozen=True, kw_only=True, tag="process_stop"):
    """A program ended; `process` is as it was at start, with its end time and exit code."""


class ProcessAccess(Event, frozen=True, kw_only=True, tag="process_access"):
    """A process opened, traced or took a handle of another one."""

    target: Annotated[Target | None, doc("The process acted upon")] = None


class RemoteThread(Event, frozen=True, kw_only=True, tag="remote_thread"):
    """A process made a thread in another one."""

    target: Annotated[Target | None, doc("The process acted upon")] = None
