"""Records of Microsoft Defender Antivirus -> detections and what was done about them."""

import re
from typing import Final

from vedette.normalise.windows import accounts, winlog
from vedette.normalise.windows.log_events import os_log
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, filetime, known, moment, number
from vedette.schema.entities import Detect, Process, User
from vedette.schema.events.base import Event
from vedette.schema.events.protection import EppDetect, EppResult

_ACTIONS: Final = {
    "1": "disinfected", "2": "quarantined", "3": "removed", "6": "allowed", "8": "user_defined", "9": "no_action",
    "10": "blocked",
}  # fmt: skip
"""Action ID (MSFT_MpThreatDetection, CleaningAction) -> result."""
_FAILED: Final = frozenset((1008, 1118, 1119))
_MODES: Final = {
    "1": "on_demand", "2": "on_demand", "3": "on_access", "4": "on_access", "5": "network", "8": "boot", "10": "amsi",
}  # fmt: skip
"""Source ID (MSFT_MpThreatDetection, DetectionSourceTypeID) -> mode."""
_RESOURCE: Final = re.compile(r"(?:^|;\s?)(?P<scheme>[a-z]+):_?(?P<object>[^;]+)")
_STARTED: Final = re.compile(r"pid:(?P<pid>\d{1,10}),ProcessStart:(?P<start>\d{1,20})")
_PID: Final = re.compile(r"pid:(?P<pid>\d{1,10})(?P<start>)")
_FILES: Final = frozenset(("file", "containerfile", "webfile"))
_NO_ERROR: Final = frozenset(("0x00000000", "0x0", "0"))


def detected(record: Record, memory: Memory) -> Event:
    """1006, 1015, 1116: something was found."""
    detect, process = _detect(record, memory, "detected")
    host, path = record.system.computer, detect.object_name
    return EppDetect(
        time=moment(record.data.get("DetectionTime")) or record.time, user=_user(record, memory), process=process,
        detect=detect, file=memory.file(host, path) if path else None, winlog=winlog.whole(record),
    )  # fmt: skip


def processed(record: Record, memory: Memory) -> Event:
    """1007, 1117 (an action was taken), 1008, 1118, 1119 (it failed)."""
    failed = record.system.event_id in _FAILED
    result = "error" if failed else _ACTIONS.get(record.data.get("ActionID", ""), "processed")
    detect, process = _detect(record, memory, result)
    host, path = record.system.computer, detect.object_name
    return EppResult(
        time=record.time, user=_user(record, memory), process=process, detect=detect,
        file=memory.file(host, path) if path else None, winlog=winlog.whole(record),
    )  # fmt: skip


def health(record: Record, memory: Memory) -> Event:
    """1150, 1151: the version of the databases and when they were made, which detections name by version only."""
    data = record.data
    version = known(data.get("AVsecurityintelligenceversion"))
    made = moment(data.get("AVsecurityintelligencecreationtime"))
    if version is not None and made is not None:
        memory.releases.put((record.system.computer, version), made)
    return os_log(record, memory)


def _detect(record: Record, memory: Memory, result: str) -> tuple[Detect, Process | None]:
    data, host = record.data, record.system.computer
    resources = data.get("Path", "")
    path = _object(resources)
    md5, sha256 = memory.digests(host, path) if path else (None, None)
    version = _version(data)
    mode = "amsi" if resources.startswith("amsi:") else _MODES.get(data.get("SourceID", ""))
    code = known(data.get("ErrorCode"))
    detect = Detect(
        engine="defender",
        result=result,
        object_name=path or known(resources),
        record_id=known(data.get("ThreatID")),
        db_time=memory.releases.get((host, version)) if version else None,
        mode=mode,
        category=known(data.get("ThreatName")),
        object_md5=md5,
        object_sha256=sha256,
        error_reason=None if code is None or code in _NO_ERROR else _reason(code, known(data.get("ErrorDescription"))),
    )
    return detect, _process(record, memory, resources)


def _reason(code: str, description: str | None) -> str:
    return f"{code}: {description.strip()}" if description else code


def _object(resources: str) -> str | None:
    """Give the file of `containerfile:_A.zip;file:_A.zip->b.exe` that lies deepest: the last one."""
    found = [(one["scheme"], one["object"].strip()) for one in _RESOURCE.finditer(resources[:8192])]
    files = [path for scheme, path in found if scheme in _FILES]
    return files[-1] if files else None


def _version(data: dict[str, str]) -> str | None:
    """Give `1.327.2245.0` of `AV: 1.327.2245.0, AS: ...`."""
    text = data.get("SecurityintelligenceVersion") or data.get("SignatureVersion") or ""
    return known(text.partition(",")[0].removeprefix("AV:").strip())


def _process(record: Record, memory: Memory, resources: str) -> Process | None:
    """Give the process: by the PID that a behaviour names, else the only one known of that program."""
    host, path = record.system.computer, known(record.data.get("ProcessName"))
    if path is not None and path.lower() == "unknown":
        path = None
    told = _STARTED.search(resources[:8192]) or _PID.search(resources[:8192])
    if told is not None:
        pid = number(told["pid"])
        found = memory.acting(host, None, pid, path)
        if found is not None and found.start_time is None and told["start"]:
            return Process(pid=pid, file=found.file, start_time=filetime(told["start"]))
        return found
    return memory.only_one_of(host, path) or memory.acting(host, None, None, path)


def _user(record: Record, memory: Memory) -> User | None:
    domain, name = account(record.data.get("DetectionUser") or record.data.get("User"))
    return memory.user(domain, name) or accounts.user(record, memory)
