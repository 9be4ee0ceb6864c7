"""Records of Sysmon about files, modules and drivers -> events."""

from typing import Final

from vedette.normalise.windows import winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.programs import versioned
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.sysmon import ACTING, RESOURCE, acting, happened
from vedette.normalise.windows.texts import digest, digests, known, moment, split
from vedette.schema.entities import Blocked, ChangedFile, File
from vedette.schema.events.base import Event
from vedette.schema.events.files import DriverLoad, FileChange, FileCreate, ModuleLoad
from vedette.schema.events.protection import FileBlock

_FILE: Final = ACTING | {"TargetFilename", "CreationUtcTime"}
_MODULE: Final = ACTING | RESOURCE | {"ImageLoaded"}


def file_create(record: Record, memory: Memory) -> Event:
    """11, 15 (a stream beside a file), 29 (a program was written): the digests are those of what was written."""
    process, user = acting(record, memory)
    file = _target(record, memory)
    return FileCreate(time=happened(record), user=user, process=process, file=file, winlog=winlog.rest(record, _FILE))


def file_delete(record: Record, memory: Memory) -> Event:
    """23 (kept by Sysmon), 26."""
    return _changed(record, memory, "delete")


def file_attributes(record: Record, memory: Memory) -> Event:
    """2: the time of creation was changed; the previous one stays in the record's items."""
    return _changed(record, memory, "attributes")


def _changed(record: Record, memory: Memory, operation: str) -> Event:
    process, user = acting(record, memory)
    file = _target(record, memory)
    facts = {} if file is None else {name: getattr(file, name) for name in File.__struct_fields__}
    changed = ChangedFile(**facts, operation=operation)
    return FileChange(
        time=happened(record), user=user, process=process, file=changed, winlog=winlog.rest(record, _FILE)
    )


def file_block(record: Record, memory: Memory) -> Event:
    """27 (a program was not written), 28 (a file was not shredded)."""
    process, user = acting(record, memory)
    file = _target(record, memory)
    return FileBlock(
        time=happened(record), user=user, process=process, file=file,
        blocked=Blocked(hash_type=None if file is None else int(file.sha256 is not None)),
        winlog=winlog.rest(record, _FILE),
    )  # fmt: skip


def module_load(record: Record, memory: Memory) -> Event:
    """7: a process mapped a module."""
    process, user = acting(record, memory)
    return ModuleLoad(
        time=happened(record), user=user, process=process, file=versioned(record, memory, "ImageLoaded"),
        winlog=winlog.rest(record, _MODULE),
    )  # fmt: skip


def driver_load(record: Record, memory: Memory) -> Event:
    """6: the kernel loaded a driver."""
    return DriverLoad(
        time=happened(record), file=versioned(record, memory, "ImageLoaded"),
        winlog=winlog.rest(record, _MODULE),
    )  # fmt: skip


def _target(record: Record, memory: Memory) -> File | None:
    data, host = record.data, record.system.computer
    path = known(data.get("TargetFilename"))
    if path is None:
        return None
    found = digests(data.get("Hashes") or data.get("Hash"))
    md5, sha256 = digest(found, "md5", 32), digest(found, "sha256", 64)
    memory.learn(host, path, md5, sha256)
    directory, name = split(path)
    return File(
        name=name, directory=directory, path=path, md5=md5, sha256=sha256, imphash=digest(found, "imphash", 32),
        created=moment(data.get("CreationUtcTime")),
    )  # fmt: skip
