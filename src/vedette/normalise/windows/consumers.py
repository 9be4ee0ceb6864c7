"""Records of the DNS client and of the Antimalware Scan Interface -> look-ups, scanned scripts."""

from typing import Final

from vedette.normalise.windows import accounts, winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.sysmon import looked_up
from vedette.normalise.windows.texts import known, number
from vedette.schema.entities import Detect, Script
from vedette.schema.events.base import Event
from vedette.schema.events.network import DnsQuery
from vedette.schema.events.protection import AmsiScan, EppDetect

_MALWARE: Final = 32_768
"""AMSI_RESULT_DETECTED; from 16384 to 20479 the administrator blocked it (amsi.h)."""
_BLOCKED: Final = range(16_384, 20_480)


def dns_query(record: Record, memory: Memory) -> Event:
    """3008, 3020 of the DNS client: a look-up ended; the provider runs in the process that asked."""
    process = memory.acting(record.system.computer, None, record.system.process_id or None, None)
    return DnsQuery(
        time=record.time, user=accounts.user(record, memory), process=process, dns=looked_up(record.data),
        winlog=winlog.rest(record, frozenset(("QueryName",))),
    )  # fmt: skip


def amsi_scan(record: Record, memory: Memory) -> Event:
    """1101: what an application gave to be scanned. What was found to be malware is a detection."""
    data = record.data
    result = number(data.get("scanResult")) or 0
    script = Script(
        content=_content(data.get("content")),
        content_name=known(data.get("contentname")),
        app_name=known(data.get("appname")),
    )
    process = memory.acting(record.system.computer, None, record.system.process_id or None, None)
    user = accounts.user(record, memory)
    left = winlog.rest(record, frozenset(("content", "contentname", "appname")))
    if result >= _MALWARE:
        detect = Detect(engine="amsi", result="detected", mode="amsi", object_name=script.content_name)
        return EppDetect(time=record.time, user=user, process=process, detect=detect, script=script, winlog=left)
    verdict = Detect(engine="amsi", result="blocked" if result in _BLOCKED else "clean", mode="amsi")
    return AmsiScan(time=record.time, user=user, process=process, detect=verdict, script=script, winlog=left)


def _content(text: str | None) -> str | None:
    """Read the content: UTF-16 as hex digits, as binary items are written; anything else is text already."""
    bare = (text or "").removeprefix("0x")
    if len(bare) < 4 or len(bare) % 4:
        return text
    try:
        return bytes.fromhex(bare).decode("utf-16-le")
    except (ValueError, UnicodeError):
        return text
