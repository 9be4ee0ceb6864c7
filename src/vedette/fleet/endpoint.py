"""Events of a realistic Windows endpoint as event structs: 13 types, recurring programs, modules, keys, addresses.

Shares of the types and of recurring values follow notes taken on recorded endpoint telemetry: 30 % module loads,
14 % process starts, 5.5 % event log records; 70 % of written files have content seen before.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from vedette.schema import entities as e
from vedette.schema.events.base import Event
from vedette.schema.events.files import DriverLoad, FileCreate, ModuleLoad
from vedette.schema.events.logs import OsLogEvent
from vedette.schema.events.network import DnsQuery, NetworkConnect, PortListen
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.schema.events.protection import AmsiScan, EppDetect, FileBlock
from vedette.schema.events.windows import RegistryChange

NAMES = (
    "chrome.exe svchost.exe msedge.exe conhost.exe cmd.exe powershell.exe python.exe backgroundTaskHost.exe "
    "RuntimeBroker.exe SearchProtocolHost.exe outlook.exe WINWORD.EXE EXCEL.EXE Teams.exe wmiprvse.exe git.exe "
    "node.exe java.exe rundll32.exe reg.exe"
).split()
FOLDERS = (
    "C:\\Windows\\System32",
    "C:\\Program Files\\Google\\Chrome\\Application",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application",
    "C:\\Users\\u{0}\\AppData\\Local\\Programs",
    "C:\\Program Files\\Microsoft Office\\root\\Office16",
    "C:\\ProgramData\\app{0}\\bin",
)
SIGNERS = ("Microsoft Windows", "Google LLC", "Microsoft Corporation", None, "Adobe Inc.", "Some Vendor Ltd")
KEYS = ("Run", "Explorer\\FileExts", "Uninstall", "Policies\\System", "WINEVT\\Channels")
WEIGHTS = {
    "process_start": 14, "process_stop": 13, "module_load": 30, "file_create": 12, "registry_change": 12,
    "network_connect": 8, "dns_query": 4, "port_listen": 0.2, "os_log": 5.5, "driver_load": 0.1, "amsi_scan": 0.8,
    "epp_detect": 0.2, "file_block": 0.2,
}  # fmt: skip


def _digest(kind: str, text: str) -> str:
    return hashlib.new(kind, text.encode(), usedforsecurity=False).hexdigest()


@cache
def _programs() -> list[e.File]:
    rng = Random(1)  # noqa: S311 - data to look real, not secrets
    files = []
    for i in range(3000):
        name, folder = NAMES[i] if i < len(NAMES) else f"tool{i}.exe", FOLDERS[i % 6].format(i)
        signer = SIGNERS[i % 6]
        files.append(
            e.File(
                name=name, directory=folder, path=f"{folder}\\{name}", size=rng.randrange(20_000, 80_000_000),
                sha256=_digest("sha256", f"e{i}"), md5=_digest("md5", f"e{i}"), signer=signer,
                signature_status="ok" if signer else "unsigned", original_name=name.capitalize(),
                company=signer, product=f"Product {i % 400}", imphash=_digest("md5", f"i{i}"),
            )
        )  # fmt: skip
    return files


@cache
def _modules() -> list[e.File]:
    rng = Random(2)  # noqa: S311 - same
    files = []
    for i in range(20_000):
        folder = "C:\\Windows\\System32" if i % 3 else f"C:\\Program Files\\app{i}"
        files.append(
            e.File(
                name=f"mod{i}.dll", directory=folder, path=f"{folder}\\mod{i}.dll",
                size=rng.randrange(10_000, 5_000_000),
                sha256=_digest("sha256", f"d{i}"), md5=_digest("md5", f"d{i}"),
                signer="Microsoft Windows", signature_status="ok",
            )
        )  # fmt: skip
    return files


EPOCH_START = 1_790_000_000_000_000


class Endpoint:
    """One host; `events` gives as many events as asked for, in the order of time."""

    def __init__(self, number: int, start: int = EPOCH_START) -> None:
        self.number, self.time, self.pid = number, start, 1000
        self.rng = Random(number)  # noqa: S311 - same
        self.id = _digest("md5", f"host{number}")
        pareto = self.rng.paretovariate
        self.programs = [_programs()[min(int(pareto(0.7)) - 1, 2999)] for _ in range(150)]
        self.modules = [_modules()[min(int(pareto(0.5)) * 3 % 20_000, 19_999)] for _ in range(800)]
        names = (f"user{number:05d}", "SYSTEM", "NETWORK SERVICE")
        self.users = [
            e.User(name=name, domain="CORP" if not i else "NT AUTHORITY", id=f"S-1-5-21-1-2-3-{number}-{i}")
            for i, name in enumerate(names)
        ]
        self.sessions = [e.Session(id=str(i), logon_id=f"0x{number * 7 + i:x}") for i in range(3)]
        self.live: list[tuple[e.Process, int]] = []
        for _ in range(60):
            self._spawn()

    def _spawn(self) -> tuple[e.Process, int]:
        rng = self.rng
        file = rng.choice(self.programs)
        self.pid += 4
        parent = self.live[-1 - min(int(rng.expovariate(0.12)), len(self.live) - 1)][0] if self.live else None
        account = min(int(rng.expovariate(1)), 2)
        process = e.Process(
            entity_id=_digest("md5", f"{self.number}/{self.pid}/{self.time}"), pid=self.pid, file=file,
            command_line=f'"{file.path}"{self._arguments()}', start_time=self.time,
            integrity=("Medium", "System", "High")[account], working_directory="C:\\Windows\\system32\\",
            parent=e.Parent(
                entity_id=parent.entity_id, pid=parent.pid, command_line=parent.command_line,
                file=e.FileIdentity(
                    name=parent.file.name, directory=parent.file.directory, path=parent.file.path,
                    md5=parent.file.md5, sha256=parent.file.sha256,
                ),
            ) if parent is not None and parent.file is not None else None,
        )  # fmt: skip
        self.live.append((process, account))
        return self.live[-1]

    def _arguments(self) -> str:
        rng = self.rng
        kind, word = rng.randrange(8), f"{rng.getrandbits(32):08x}"
        return (
            f" --type=renderer --lang=en-US --num-raster-threads=4 --field-trial-handle={rng.randrange(10**17)}",
            " -k netsvcs -p -s " + rng.choice(["wuauserv", "BITS", "Schedule"]),
            f' /c "C:\\Users\\u{rng.randrange(3000)}\\run_{word}.bat" >> "C:\\logs\\x.log" 2>&1',
            f' -NoProfile -Command "& {{Get-Item C:\\t\\{word}.txt | Select Name}}"',
            f" -ServerName:App.AppX{word}.mca",
            f" -m main.worker --queue {word}",
            " fetch --no-tags --prune origin",
            "",
        )[kind]

    def events(self, count: int) -> list[Event]:
        """Give `count` events; the host's clock moves 1 to 60 ms an event."""
        kinds = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
        found = [self._event(kind) for kind in kinds]
        del self.live[:-80]
        return found

    def _event(self, kind: str) -> Event:
        rng = self.rng
        self.time += rng.randrange(1000, 60_000)
        actor = self.live[-1 - min(int(rng.expovariate(0.12)), len(self.live) - 1)]
        process, account = self._spawn() if kind == "process_start" else actor
        of: dict[str, Any] = {
            "time": self.time,
            "user": self.users[account],
            "session": self.sessions[account],
            "process": process,
        }
        event, extra = _MAKERS[kind]
        return event(**of, **extra(self, process, self.users[account]))

    def written(self) -> e.File:
        """Give a new temporary file."""
        x = self.rng.getrandbits(48)
        content = str(x if self.rng.random() < 0.3 else x % 5000)
        folder = f"C:\\Users\\u{self.number}\\AppData\\Local\\Temp"
        name = f"~tmp{x & 0xFFFFFF:06x}.tmp"
        return e.File(
            name=name, directory=folder, path=f"{folder}\\{name}", size=x % 5_000_000, created=self.time,
            modified=self.time, sha256=_digest("sha256", content), md5=_digest("md5", content),
            owner=f"CORP\\user{self.number:05d}",
        )  # fmt: skip

    def value(self) -> e.Registry:
        """Give a changed registry value."""
        x = self.rng.getrandbits(24)
        key = f"HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\{KEYS[x % 5]}\\{(x >> 8) % 800}"
        return e.Registry(
            key=key, path=f"{key}\\Start", value_name="Start", value_data=f"DWORD (0x{x:08x})",
            value_type="REG_DWORD", operation="set_value",
            previous=e.PreviousValue(value_data=f"DWORD (0x{x & 255:08x})"),
        )  # fmt: skip

    def connection(self) -> e.Socket:
        """Give an outgoing connection."""
        x = self.rng.getrandbits(32)
        return e.Socket(
            protocol="tcp", direction="outbound", local_ip=f"10.{self.number >> 8}.{self.number & 255}.7",
            local_port=x % 16_384 + 49_152, remote_ip=f"93.{x >> 8 & 15}.{x >> 16 & 63}.{x & 15}",
            remote_port=self.rng.choice([443, 443, 443, 80, 53]), remote_host=f"cdn{x % 900}.example.net",
        )  # fmt: skip

    def record(self, process: e.Process, user: e.User) -> e.Winlog:
        """Give a logon record."""
        rng = self.rng
        path = process.file.path if process.file else None
        data = {
            "SubjectUserSid": user.id, "SubjectUserName": user.name, "LogonType": "3",
            "LogonGuid": _digest("md5", str(self.time)), "AuthenticationPackageName": "Negotiate",
            "WorkstationName": f"WS-{self.number:05d}", "IpAddress": f"10.0.{self.number & 255}.9",
            "IpPort": str(rng.randrange(60_000)), "ProcessName": path, "TargetUserName": user.name, "KeyLength": "0",
        }  # fmt: skip
        system = e.WinlogSystem(
            channel="Security", provider_name="Microsoft-Windows-Security-Auditing", record_id=self.pid,
            event_id=rng.choice([4624, 4634, 4672, 4658, 4688]), computer=f"WS-{self.number:05d}",
        )  # fmt: skip
        return e.Winlog(system=system, data={key: value for key, value in data.items() if value is not None})


def _script(host: Endpoint) -> e.Script:
    rng = host.rng
    where = f"C:\\data{rng.randrange(300)} | Where {{ $_.Length -gt {rng.randrange(9999)} }}"
    return e.Script(content=f"$x = Get-ChildItem -Path {where}", app_name="PowerShell")


def _lookup(host: Endpoint) -> e.Dns:
    name = f"cdn{host.rng.randrange(900)}.example.net"
    return e.Dns(query=name, type="A", answers=("93.184.216.34",), status="NOERROR")


_Extra = Callable[[Endpoint, e.Process, e.User], dict[str, Any]]
_MAKERS: dict[str, tuple[type[Event], _Extra]] = {
    "process_start": (ProcessStart, lambda *_: {}),
    "process_stop": (ProcessStop, lambda *_: {}),
    "module_load": (ModuleLoad, lambda host, *_: {"file": host.rng.choice(host.modules)}),
    "driver_load": (DriverLoad, lambda host, *_: {"file": host.rng.choice(host.modules)}),
    "file_create": (FileCreate, lambda host, *_: {"file": host.written()}),
    "file_block": (FileBlock, lambda host, *_: {"file": host.written()}),
    "registry_change": (RegistryChange, lambda host, *_: {"registry": host.value()}),
    "network_connect": (NetworkConnect, lambda host, *_: {"socket": host.connection()}),
    "port_listen": (PortListen, lambda *_: {"socket": e.Socket(protocol="tcp", local_ip="::", local_port=135)}),
    "dns_query": (DnsQuery, lambda host, *_: {"dns": _lookup(host)}),
    "os_log": (OsLogEvent, lambda host, process, user: {"winlog": host.record(process, user)}),
    "amsi_scan": (AmsiScan, lambda host, *_: {"script": _script(host)}),
    "epp_detect": (
        EppDetect,
        lambda host, *_: {"file": host.written(), "detect": e.Detect(category="EICAR-Test-File", result="blocked")},
    ),
}
