"""Records of PowerShell: script blocks (4104), and the programs that hosted an engine or a pipeline (4103, 400 ...)."""

import re
from typing import Final

from vedette.normalise.windows import accounts, winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, known
from vedette.schema.entities import Process, Script, User
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent
from vedette.schema.events.scripts import ScriptBlock

_MOVED: Final = frozenset("ScriptBlockText ScriptBlockId Path".split())
_HOST: Final = re.compile(r"Host ?Application ?=[ \t]*([^\r\n]*)")
_USER: Final = re.compile(r"\bUser(?:Id)? ?=[ \t]*([^\r\n]*)")
_SEARCHED: Final = 32_768


def script_block(record: Record, memory: Memory) -> Event:
    """4104: one part of a script block as it was compiled; the provider runs in the process itself."""
    data, host = record.data, record.system.computer
    script = Script(
        content=data.get("ScriptBlockText"), block_id=known(data.get("ScriptBlockId")), path=known(data.get("Path"))
    )
    return ScriptBlock(
        time=record.time, user=accounts.user(record, memory), script=script,
        process=memory.acting(host, None, record.system.process_id, None), winlog=winlog.rest(record, _MOVED),
    )  # fmt: skip


def hosted(record: Record, memory: Memory) -> Event:
    """4103, and 400, 403, 600, 800 of the older log: the context names the program's command line and account."""
    context = (record.data.get("ContextInfo") or record.data.get("Data") or "")[:_SEARCHED]
    command, who = _HOST.search(context), _USER.search(context)
    process = memory.acting(record.system.computer, None, record.system.process_id or None, None)
    if command is not None and (process is None or process.command_line is None):
        process = Process(pid=process.pid if process else None, command_line=command[1].strip() or None)
    return OsLogEvent(
        time=record.time, user=_user(who, memory) or accounts.user(record, memory), process=process,
        winlog=winlog.whole(record),
    )  # fmt: skip


def _user(found: "re.Match[str] | None", memory: Memory) -> User | None:
    domain, name = account(found[1].strip()) if found else (None, None)
    return memory.user(domain, name)
