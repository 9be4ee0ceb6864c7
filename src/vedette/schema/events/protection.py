"""Events of prevention and of the endpoint protection application."""

from typing import Annotated

from vedette.schema.entities import Blocked, Detect, File, Prevention, Script
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class ProcessBlock(Event, frozen=True, kw_only=True, tag="process_block"):
    """A process start was blocked; `file` is the file that attempted to run."""

    file: Annotated[File | None, doc("The file that attempted to run")] = None
    blocked: Annotated[Blocked | None, doc("What was blocked")] = None
    prevention: Annotated[Prevention | None, doc("The rule")] = None


class FileBlock(Event, frozen=True, kw_only=True, tag="file_block"):
    """The opening of a file was blocked; `file` is that file, `process` the executable that tried."""

    file: Annotated[File | None, doc("The file that was not opened")] = None
    blocked: Annotated[Blocked | None, doc("What was blocked")] = None
    prevention: Annotated[Prevention | None, doc("The rule")] = None


class EppDetect(Event, frozen=True, kw_only=True, tag="epp_detect"):
    """The endpoint protection application found something."""

    detect: Annotated[Detect | None, doc("What was found")] = None
    file: Annotated[File | None, doc("The file in which it was found")] = None
    script: Annotated[Script | None, doc("The script in which it was found")] = None


class EppResult(Event, frozen=True, kw_only=True, tag="epp_result"):
    """What the endpoint protection application did about it."""

    detect: Annotated[Detect | None, doc("What was processed")] = None
    file: Annotated[File | None, doc("The file")] = None


class AmsiScan(Event, frozen=True, kw_only=True, tag="amsi_scan"):
    """An application gave a script to the Antimalware Scan Interface."""

    script: Annotated[Script | None, doc("The script")] = None
    detect: Annotated[Detect | None, doc("The verdict")] = None
