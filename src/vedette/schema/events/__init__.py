"""Every event type: one class each, one name in `EVENT_TYPES`."""

from vedette.schema.events.base import Event
from vedette.schema.events.files import DriverLoad, FileChange, FileCreate, ModuleLoad
from vedette.schema.events.logs import OsLogEvent, TaskReport, TelemetryGap, TerminalSession
from vedette.schema.events.network import DnsQuery, NetworkConnect, PortListen
from vedette.schema.events.process import ProcessAccess, ProcessStart, ProcessStop, RemoteThread
from vedette.schema.events.protection import AmsiScan, EppDetect, EppResult, FileBlock, ProcessBlock
from vedette.schema.events.scripts import ScriptBlock, ScriptRun
from vedette.schema.events.windows import PipeEvent, RegistryChange, WmiEvent

EVENT_TYPES: tuple[type[Event], ...] = (
    ProcessStart,
    ProcessStop,
    FileCreate,
    FileChange,
    RegistryChange,
    DriverLoad,
    ModuleLoad,
    PortListen,
    NetworkConnect,
    DnsQuery,
    OsLogEvent,
    ProcessBlock,
    FileBlock,
    EppDetect,
    EppResult,
    AmsiScan,
    ProcessAccess,
    ScriptRun,
    ScriptBlock,
    PipeEvent,
    RemoteThread,
    WmiEvent,
    TerminalSession,
    TaskReport,
    TelemetryGap,
)

AnyEvent = (
    ProcessStart
    | ProcessStop
    | FileCreate
    | FileChange
    | RegistryChange
    | DriverLoad
    | ModuleLoad
    | PortListen
    | NetworkConnect
    | DnsQuery
    | OsLogEvent
    | ProcessBlock
    | FileBlock
    | EppDetect
    | EppResult
    | AmsiScan
    | ProcessAccess
    | ScriptRun
    | ScriptBlock
    | PipeEvent
    | RemoteThread
    | WmiEvent
    | TerminalSession
    | TaskReport
    | TelemetryGap
)
"""The tagged union, for decoders."""


def tag(kind: type[Event]) -> str:
    """Name of the event type on the wire and in the store: `event.type`."""
    name = kind.__struct_config__.tag
    if not isinstance(name, str):
        raise TypeError(f"{kind.__name__} has no tag")
    return name
