"""Public records for the 99 body names: of each the first one that has it, taken without the normaliser.

All are of the Security log: Sysmon's own items of the same names become fields of ours.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from evtx import PyEvtxParser

ARCHIVES = ("evtx/evtx-to-mitre-attack.tar.xz", "evtx/hayabusa-originals.tar.xz")
LABORATORY = "mordor/atomic/windows"
FLAT = (
    "defense_evasion/host/reg_disable_eventlog_service_startuptype_modification_via_registry.zip",
    "execution/host/psh_powershell_httplistener.zip",
)
"""Of the Mordor archives, those with the names that no EVTX file has: of records 4657 and 5154."""
SAYS_NOTHING = ("", "-", None)


class Public(NamedTuple):
    """A record as it was found: its line, where its items are, and the value of the name asked for."""

    line: str
    computer: str
    event_id: int
    value: str


def pick(shared: Path, names: frozenset[str]) -> dict[str, Public]:
    """Give a record for each name that any has, one in which it says something where there is one."""
    wanted = {name.lower(): name for name in names}
    picked: dict[str, Public] = {}
    for line, computer, event_id, items in (*_evtx(shared), *_flat(shared)):
        for key, value in items.items():
            name = wanted.get(key.lower())
            if name is None or isinstance(value, dict | list):
                continue
            better = name in picked and picked[name].value in SAYS_NOTHING and value not in SAYS_NOTHING
            if name not in picked or better:
                text = "" if value is None else str(value)
                picked[name] = Public(line, computer, event_id, text)
    return picked


def _evtx(shared: Path) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    for archive in ARCHIVES:
        with tarfile.open(shared / archive) as packed:
            for member in packed:
                file = packed.extractfile(member) if member.name.endswith(".evtx") else None
                if file is None:
                    continue
                for record in PyEvtxParser(io.BytesIO(file.read()), number_of_threads=1).records_json():
                    line = "" if record is None else record["data"]
                    event = json.loads(line)["Event"]
                    number = event["System"]["EventID"]
                    number = number["#text"] if isinstance(number, dict) else number
                    items = event.get("EventData")
                    if isinstance(items, dict) and event["System"].get("Channel") == "Security":
                        yield json.dumps(json.loads(line)), event["System"]["Computer"], int(number), items


def _flat(shared: Path) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    for archive in FLAT:
        with zipfile.ZipFile(shared / LABORATORY / archive) as packed:
            for name in packed.namelist():
                if name.startswith("__"):
                    continue
                for line in packed.read(name).decode().splitlines():
                    record = json.loads(line)
                    if str(record.get("Channel")).lower() != "security":
                        continue
                    yield line, record.get("Hostname", ""), int(record["EventID"]), record
