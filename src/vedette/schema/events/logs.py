"""Events of the operating system's log, of sessions, of tasks and of the telemetry itself."""

from typing import Annotated

from vedette.schema.entities import Auth, Gap, OsLog, Task
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class OsLogEvent(Event, frozen=True, kw_only=True, tag="os_log"):
    """A record of the operating system's log."""

    oslog: Annotated[OsLog | None, doc("Unix record")] = None
    auth: Annotated[Auth | None, doc("What it says of an authentication")] = None


class TerminalSession(Event, frozen=True, kw_only=True, tag="terminal_session"):
    """A logon session started, changed or ended; `session` tells it."""


class TaskReport(Event, frozen=True, kw_only=True, tag="task_report"):
    """A task changed its state on a host."""

    task: Annotated[Task | None, doc("The task")] = None


class TelemetryGap(Event, frozen=True, kw_only=True, tag="telemetry_gap"):
    """Events are missing, and the agent knows it."""

    gap: Annotated[Gap | None, doc("What is missing and why")] = None
