"""Which events make the scanner look at a file. Pure; the hot path of every event passes `candidate`."""

from collections.abc import Callable

from msgspec import Struct

from vedette.engines.objects import Reason
from vedette.schema.entities import File, Process
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange, FileCreate, ModuleLoad
from vedette.schema.events.process import ProcessStart
from vedette.schema.policies import Settings

ON_EXEC, ON_ACCESS = "on_exec", "on_access"

_NOT_A_PROGRAM = frozenset({"fork", "kernel_thread"})
_CONTENT = frozenset({"write", "rename"})
_SILENT = {"deleted": Reason.VANISHED, "replaced": Reason.VANISHED, "changed": Reason.CHANGED, "open": Reason.CHANGED}
"""Why a file has no digest -> why there is nothing to scan: it is gone, or a newer event will speak of it."""
_UNSEEN = {
    "too_large": Reason.TOO_LARGE,
    "unreadable": Reason.UNREADABLE,
    "budget": Reason.BUSY,
    "busy": Reason.BUSY,
    "late": Reason.BUSY,
}
"""Why a file has no digest -> why it cannot be scanned, which is reported."""


class Candidate(Struct, frozen=True, kw_only=True, gc=False):
    """A file to look at, and the event that spoke of it."""

    event: Event
    mode: str
    file: File
    process: Process
    refusal: Reason | None = None
    """Set when it is known beforehand that it cannot be scanned."""
    silent: bool = False
    """A refusal that is counted, but not reported."""


def candidate(event: Event, settings: Settings) -> Candidate | None:
    """Give the file that an event makes worth looking at; None for most events."""
    pick = _PICKS.get(type(event))
    if pick is None:
        return None
    mode, file = pick(event)
    process = event.process
    if file is None or process is None or not (settings.scan_on_exec if mode == ON_EXEC else settings.scan_on_access):
        return None
    if file.sha256 is not None:
        if file.size is not None and file.size > settings.scan_max_bytes:
            return Candidate(event=event, mode=mode, file=file, process=process, refusal=Reason.TOO_LARGE)
        return Candidate(event=event, mode=mode, file=file, process=process) if file.size else None
    status = file.hash_status or ""
    silent = _SILENT.get(status)
    refusal = silent or _UNSEEN.get(status)
    if refusal is None:
        return None  # a folder, a device: nothing in it
    return Candidate(event=event, mode=mode, file=file, process=process, refusal=refusal, silent=silent is not None)


def _started(event: Event) -> tuple[str, File | None]:
    process = event.process
    return ON_EXEC, None if process is None or process.kind in _NOT_A_PROGRAM else process.file


def _loaded(event: Event) -> tuple[str, File | None]:
    return ON_EXEC, event.file if isinstance(event, ModuleLoad) else None


def _made(event: Event) -> tuple[str, File | None]:
    return ON_ACCESS, event.file if isinstance(event, FileCreate) else None


def _changed(event: Event) -> tuple[str, File | None]:
    file = event.file if isinstance(event, FileChange) else None
    return ON_ACCESS, file if file is not None and file.operation in _CONTENT else None


_PICKS: dict[type[Event], Callable[[Event], tuple[str, File | None]]] = {
    ProcessStart: _started,
    ModuleLoad: _loaded,
    FileCreate: _made,
    FileChange: _changed,
}
