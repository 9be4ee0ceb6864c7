"""Records of what Windows blocked: AppLocker, code integrity, attack surface reduction, software restriction."""

from typing import Final

from vedette.normalise.windows import accounts, winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, known, number, split
from vedette.schema.entities import Blocked, File, Prevention, Process, User
from vedette.schema.events.base import Event
from vedette.schema.events.protection import FileBlock, ProcessBlock

_SHA256: Final = 1
_STARTS: Final = frozenset(
    "d4f940ab-401b-4efc-aadc-ad5f3c50688a 7674ba52-37eb-4a4f-a9a1-f0f9a1619a2c d1e49aac-8f56-4280-b9ba-993a6d77406c "
    "26190899-1602-49e8-8b27-eb1d0a1ce869 01443614-cd74-433a-b99e-2ecdc07bfc25 b2b3f03d-6a65-4f7b-a9c7-1c7ef74a9ba4 "
    "c0033c00-d16d-4114-a5a0-dc9b3a7d2ceb 56a863a9-875e-4185-98a7-b882c64b5ce5".split()
)
"""Attack surface reduction rules that stop a start; the others stop a file, a script or an access."""
_PROGRAMS: Final = (".exe", ".com", ".scr")


def applocker(record: Record, memory: Memory) -> Event:
    """8004, 8022 (programs, DLLs), 8007 (scripts, installers). The hash is of the signed part, not of the file."""
    data = record.data
    path = known(data.get("FullFilePath")) or known(data.get("FilePath"))
    started = record.system.event_id != 8007 and data.get("PolicyName", "").upper() != "DLL"
    name, sid = known(data.get("TargetUserName")), known(data.get("TargetUser"))
    return _block(
        record, memory, started=started, file=_file(memory, record, path), rule=known(data.get("RuleId")),
        process=memory.acting(record.system.computer, None, number(data.get("TargetProcessId")), None),
        user=memory.user(None, name, sid),
    )  # fmt: skip


def code_integrity(record: Record, memory: Memory) -> Event:
    """3077: a file that the policy does not allow was not loaded."""
    data, host = record.data, record.system.computer
    path = known(data.get("FileName") or data.get("FileNameBuffer"))
    sha256 = _hex(data.get("SHA256FlatHash"))
    if sha256 is not None and path is not None:
        memory.learn(host, path, None, sha256)
    process = memory.acting(host, None, None, known(data.get("ProcessName") or data.get("ProcessNameBuffer")))
    return _block(
        record, memory, started=path is not None and path.lower().endswith(_PROGRAMS),
        file=_file(memory, record, path, original_name=known(data.get("OriginalFileName"))),
        process=process, rule=known(data.get("PolicyGUID")) or known(data.get("PolicyID")),
    )  # fmt: skip


def attack_surface(record: Record, memory: Memory) -> Event:
    """1121: a rule of attack surface reduction stopped a start or an access."""
    data, host = record.data, record.system.computer
    rule = known(data.get("ID"))
    domain, name = account(data.get("User"))
    actor = known(data.get("ProcessName"))
    return _block(
        record, memory, started=rule is not None and rule.strip("{}").lower() in _STARTS,
        file=_file(memory, record, known(data.get("Path")) or known(data.get("InvolvedFile"))),
        process=memory.only_one_of(host, actor) or memory.acting(host, None, None, actor), rule=rule,
        user=memory.user(domain, name), command_line=known(data.get("TargetCommandline")),
    )  # fmt: skip


def software_restriction(record: Record, memory: Memory) -> Event:
    """865, 866, 867, 868, 882: unnamed items, the first is the program, of 866 and 868 the second is the rule."""
    path, *more = record.data.get("Data", "").split("\n")
    rule = more[0] if more and record.system.event_id in {866, 868} else None
    return _block(record, memory, started=True, file=_file(memory, record, known(path)), rule=known(rule))


def _block(  # noqa: PLR0913 - the parts of a block, by name
    record: Record,
    memory: Memory,
    *,
    started: bool,
    file: File | None,
    rule: str | None,
    process: Process | None = None,
    user: User | None = None,
    command_line: str | None = None,
) -> Event:
    hashed = None if file is None or file.sha256 is None else _SHA256
    kind = ProcessBlock if started else FileBlock
    return kind(
        time=record.time,
        user=user or accounts.user(record, memory),
        process=process,
        file=file,
        blocked=Blocked(command_line=command_line, hash_type=None if started else hashed),
        prevention=Prevention(rule_id=rule, method="deny"),
        winlog=winlog.whole(record),
    )


def _file(memory: Memory, record: Record, path: str | None, *, original_name: str | None = None) -> File | None:
    if path is None:
        return None
    md5, sha256 = memory.digests(record.system.computer, path)
    directory, name = split(path)
    return File(name=name, directory=directory, path=path, md5=md5, sha256=sha256, original_name=original_name)


def _hex(text: str | None) -> str | None:
    bare = (text or "").removeprefix("0x").lower()
    return bare if len(bare) == 64 and all(character in "0123456789abcdef" for character in bare) else None
