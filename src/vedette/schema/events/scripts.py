"""Events about scripts."""

from typing import Annotated

from vedette.schema.entities import File, Script
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class ScriptRun(Event, frozen=True, kw_only=True, tag="script_run"):
    """An interpreter ran a file, or took interactive console input."""

    file: Annotated[File | None, doc("The interpreted file")] = None
    script: Annotated[Script | None, doc("The script or the input")] = None


class ScriptBlock(Event, frozen=True, kw_only=True, tag="script_block"):
    """A PowerShell script block was compiled."""

    script: Annotated[Script | None, doc("The block")] = None
