"""Events about files, modules and drivers."""

from typing import Annotated

from vedette.schema.entities import ChangedFile, File
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class FileCreate(Event, frozen=True, kw_only=True, tag="file_create"):
    """A file was made; hashes and size are those after it was first closed."""

    file: Annotated[File | None, doc("The file that was made")] = None


class FileChange(Event, frozen=True, kw_only=True, tag="file_change"):
    """A file was written, renamed, deleted, or its attributes changed."""

    file: Annotated[ChangedFile | None, doc("The file after the change")] = None


class ModuleLoad(Event, frozen=True, kw_only=True, tag="module_load"):
    """A process mapped a DLL or shared object; `file` is the module."""

    file: Annotated[File | None, doc("The module")] = None


class DriverLoad(Event, frozen=True, kw_only=True, tag="driver_load"):
    """A driver or kernel module was loaded; `file` is the driver."""

    file: Annotated[File | None, doc("The driver")] = None
