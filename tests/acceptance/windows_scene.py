"""What happens on a Windows host in the acceptance tests: records of our own making, in every form that is read.

The audit log goes through a real EVTX file, Sysmon and the rest through winlogbeat's JSON lines, one record through
NXLog's flat ones. Values are those of no real host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.normalise.windows.evtx_writer import event, evtx
from tests.normalise.windows.made import DEFENDER, SECURITY, SYSMON, line

HOST = "ws7.corp.example"
EVTX_PROCESS, EVTX_THREAD = 576, 4904
"""Of the header of every record in the EVTX file (see evtx_writer)."""
TOOL, SHELL = "C:\\Tools\\tool.exe", "C:\\Windows\\System32\\cmd.exe"
DLL, DRIVER, DOCUMENT = "C:\\Tools\\tool.dll", "C:\\Windows\\System32\\drivers\\tool.sys", "C:\\Users\\eve\\note.exe"
KEY = "HKLM\\SOFTWARE\\Vedette\\Run"
SCRIPT = "Write-Host 'scanned by AMSI'"
AMSI_PROVIDER = "Microsoft-Antimalware-Scan-Interface"


def digests(of: str) -> dict[str, str]:
    """Give made digests of a file, told apart by one digit."""
    return {"md5": of * 32, "sha256": of * 64}


DIGESTS = {TOOL: digests("a"), SHELL: digests("b"), DLL: digests("c"), DRIVER: digests("d"), DOCUMENT: digests("e")}
GUIDS = {TOOL: "{00000007-1111-2222-3333-444444444444}", SHELL: "{00000007-aaaa-bbbb-cccc-dddddddddddd}"}
PIDS = {TOOL: "7012", SHELL: "7004"}
COMMANDS = {TOOL: f'"{TOOL}" -run "a b"', SHELL: f'"{SHELL}" /k'}
SUBJECT = {"SubjectUserSid": "S-1-5-21-7-1105", "SubjectUserName": "eve", "SubjectDomainName": "CORP",
           "SubjectLogonId": "0x7a7a7"}  # fmt: skip

BODIES: dict[int, dict[str, str]] = {
    4624: SUBJECT | {
        "TargetUserSid": "S-1-5-21-7-1110", "TargetUserName": "alice", "TargetDomainName": "CORP",
        "TargetLogonId": "0x8b8b8", "LogonType": "10", "LogonProcessName": "User32 ",
        "AuthenticationPackageName": "Negotiate", "WorkstationName": "WS7",
        "LogonGuid": "{11111111-2222-3333-4444-555555555555}", "TransmittedServices": "HTTP/x",
        "LmPackageName": "NTLM V2", "KeyLength": "128", "ProcessId": "0x1b58", "ProcessName": "C:\\winlogon.exe",
        "IpAddress": "192.0.2.77", "IpPort": "50123", "ImpersonationLevel": "%%1833", "RestrictedAdminMode": "%%1843",
        "TargetOutboundUserName": "out", "TargetOutboundDomainName": "OUTSIDE", "VirtualAccount": "%%1843",
        "TargetLinkedLogonId": "0x8b8b9", "ElevatedToken": "%%1842",
    },
    4625: SUBJECT | {
        "TargetUserName": "mallory", "TargetDomainName": "CORP", "Status": "0xc000006d", "FailureReason": "%%2313",
        "SubStatus": "0xc000006a", "LogonType": "3", "IpAddress": "192.0.2.66",
    },
    4634: {"TargetUserName": "alice", "TargetDomainName": "CORP", "TargetLogonId": "0x8b8b8", "LogonType": "10"},
    4648: SUBJECT | {"TargetUserName": "admin", "TargetDomainName": "CORP", "IpAddress": "192.0.2.1"},
    4657: SUBJECT | {
        "ObjectName": "\\REGISTRY\\MACHINE\\SOFTWARE\\Vedette\\Run", "ObjectValueName": "Start", "HandleId": "0x71c",
        "OperationType": "%%1905", "OldValueType": "%%1876", "OldValue": "2", "NewValueType": "%%1873",
        "NewValue": "four", "ProcessId": "0x1b64", "ProcessName": TOOL,
    },
    4663: SUBJECT | {
        "ObjectServer": "Security", "ObjectType": "File", "ObjectName": "C:\\secret.txt", "HandleId": "0x1bc",
        "AccessList": "%%4416", "AccessMask": "0x1", "ResourceAttributes": "S:AI", "ProcessId": "0x1b64",
        "ProcessName": TOOL,
    },
    4672: SUBJECT | {"PrivilegeList": "SeDebugPrivilege"},
    4688: SUBJECT | {
        "NewProcessId": "0x1b80", "NewProcessName": "C:\\Windows\\notepad.exe", "TokenElevationType": "%%1937",
        "ProcessId": "0x1b64", "CommandLine": "notepad.exe C:\\a.txt", "ParentProcessName": TOOL,
        "MandatoryLabel": "S-1-16-12288",
    },
    4697: SUBJECT | {"ServiceName": "evilsvc", "ServiceFileName": "C:\\evil.exe", "ServiceType": "0x10",
                     "ServiceStartType": "2", "ServiceAccount": "LocalSystem"},
    4698: SUBJECT | {"TaskName": "\\Evil", "TaskContent": "<Task><Exec>&amp;evil</Exec></Task>"},
    4719: SUBJECT | {"CategoryId": "%%8273", "SubcategoryId": "%%12544",
                     "SubcategoryGuid": "{0cce9215-69ae-11d9-bed3-505054503030}", "AuditPolicyChanges": "%%8448"},
    4732: SUBJECT | {"MemberName": "CN=eve,DC=corp", "MemberSid": "S-1-5-21-7-1105"},
    4738: SUBJECT | {
        "Dummy": "dummy", "SamAccountName": "alice", "DisplayName": "Alice", "UserPrincipalName": "alice@corp.example",
        "HomeDirectory": "\\\\srv\\alice", "HomePath": "H:", "ScriptPath": "logon.cmd", "ProfilePath": "\\\\srv\\p",
        "UserWorkstations": "WS7", "PasswordLastSet": "11/1/2026 1:02:03 AM", "AccountExpires": "%%1794",
        "PrimaryGroupId": "513", "AllowedToDelegateTo": "cifs/srv", "OldUacValue": "0x15", "NewUacValue": "0x210",
        "UserAccountControl": "%%2089", "UserParameters": "%%1792", "SidHistory": "S-1-5-21-9", "LogonHours": "%%1793",
    },
    4768: {"TargetUserName": "alice", "TargetDomainName": "CORP", "IpAddress": "::ffff:192.0.2.77"},
    4769: {"TargetUserName": "alice@CORP", "TargetDomainName": "CORP", "ServiceName": "krbtgt"},
    4776: {"PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0", "TargetUserName": "alice", "Workstation": "WS8",
           "Status": "0x0"},
    4778: {"AccountName": "alice", "AccountDomain": "CORP", "LogonId": "0x8b8b8", "ClientAddress": "192.0.2.78"},
    4779: {"AccountName": "alice", "AccountDomain": "CORP", "LogonId": "0x8b8b8", "ClientAddress": "192.0.2.78"},
    4950: {"ProfileChanged": "Public", "SettingType": "Enable", "SettingValue": "No"},
    5145: SUBJECT | {"ShareName": "\\\\*\\C$", "ShareLocalPath": "\\??\\C:\\"},
    5154: {"ProcessId": PIDS[TOOL], "Application": "\\device\\harddiskvolume2\\tools\\tool.exe",
           "SourceAddress": "192.0.2.7", "SourcePort": "8443", "Protocol": "6", "FilterRTID": "0",
           "LayerName": "%%14609", "LayerRTID": "42"},
    5156: {"ProcessId": PIDS[TOOL], "Application": "\\device\\harddiskvolume2\\tools\\tool.exe",
           "Direction": "%%14593", "SourceAddress": "192.0.2.7", "SourcePort": "50001", "DestAddress": "192.0.2.8",
           "DestPort": "445", "Protocol": "6", "FilterRTID": "67589", "LayerName": "%%14611", "LayerRTID": "48"},
}  # fmt: skip
"""Records of the audit log, one of each id: their items."""
FAILURE = ("EventProcessingFailure", {"xmlns": "http://manifests.microsoft.com/win/2004/08/windows/eventlog"}, [
    ("Error", {"Code": "15005"}, ""), ("EventID", {}, "4703"), ("PublisherID", {}, SECURITY)])  # fmt: skip
FAILURE_NAMES = {"EventProcessingFailure": "15005", "EventCode": "4703", "PublisherId": SECURITY}


@dataclass
class Scene:
    """The records; each is a second after the one before, the last about now."""

    end: datetime
    times: dict[str, int] = field(default_factory=dict)
    """Name of an act -> its time in microseconds."""
    _second: int = 0

    def moment(self, act: str) -> str:
        """Give the time of the next act, and remember it."""
        self._second += 1
        micros = int(self.end.timestamp()) * 1_000_000 - 300_000_000 + self._second * 1_000_000 + 123_000
        self.times[act] = micros
        return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def write(self, folder: Path) -> None:
        """Write the files that an agent reads, in the order of their names."""
        lines = [json.dumps(one) for one in self._sysmon()]
        (folder / "1-sysmon.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        flat = BODIES[4657] | {"EventID": 4657, "Channel": "security", "SourceName": SECURITY, "Hostname": HOST,
                               "@timestamp": self.moment("4657")}  # fmt: skip
        (folder / "2-flat.jsonl").write_text(json.dumps(flat) + "\n", encoding="utf-8")
        records = [
            event(SECURITY, event_id, body, computer=HOST, created=self.moment(str(event_id)))
            for event_id, body in BODIES.items()
            if event_id != 4657
        ]
        records.append(event("Microsoft-Windows-Eventlog", 1108, user_data=FAILURE, computer=HOST,
                             created=self.moment("1108")))  # fmt: skip
        (folder / "3-security.evtx").write_bytes(evtx(*records, per_chunk=8))
        lines = [json.dumps(one) for one in self._protection()]
        (folder / "4-protection.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _line(self, act: str, provider: str, event_id: int, data: dict[str, str]) -> dict[str, Any]:
        time = self.moment(act)
        if provider == SYSMON:
            data = {"UtcTime": time[:-4].replace("T", " ")} | data
        return line(provider, event_id, data, time=time, computer_name=HOST)

    def _sysmon(self) -> Iterator[dict[str, Any]]:
        yield self._start("shell", SHELL, "C:\\Windows\\explorer.exe", "{00000007-0000-0000-0000-000000000001}", "6000")
        yield self._start("tool", TOOL, SHELL, GUIDS[SHELL], PIDS[SHELL])
        yield self._line("file", SYSMON, 29, self._acting() | {"TargetFilename": DOCUMENT} | hashes(DOCUMENT))
        yield self._line("value", SYSMON, 13, self._acting() | {
            "EventType": "SetValue", "TargetObject": f"{KEY}\\Evil", "Details": "C:\\evil.exe"})  # fmt: skip
        yield self._line("renamed", SYSMON, 14, self._acting() | {
            "EventType": "RenameKey", "TargetObject": KEY, "NewName": f"{KEY}Once"})  # fmt: skip
        yield self._line("driver", SYSMON, 6, {"ImageLoaded": DRIVER} | hashes(DRIVER))
        yield self._line("module", SYSMON, 7, self._acting() | hashes(DLL) | {
            "ImageLoaded": DLL, "Signed": "true", "Signature": "Example Corp", "SignatureStatus": "Valid"})  # fmt: skip
        yield self._line("blocked file", SYSMON, 27, self._acting() | {"TargetFilename": DOCUMENT} | hashes(DOCUMENT))

    def _start(self, act: str, path: str, parent: str, parent_guid: str, parent_pid: str) -> dict[str, Any]:
        return self._line(act, SYSMON, 1, hashes(path) | {
            "ProcessGuid": GUIDS[path], "ProcessId": PIDS[path], "Image": path, "User": "CORP\\eve",
            "CommandLine": COMMANDS[path], "ParentProcessGuid": parent_guid, "ParentProcessId": parent_pid,
            "ParentImage": parent, "ParentCommandLine": COMMANDS.get(parent, "explorer.exe")})  # fmt: skip

    def _acting(self) -> dict[str, str]:
        return {"ProcessGuid": GUIDS[TOOL], "ProcessId": PIDS[TOOL], "Image": TOOL, "User": "CORP\\eve"}

    def _protection(self) -> Iterator[dict[str, Any]]:
        yield self._line("health", DEFENDER, 1151, {
            "AV security intelligence version": "1.400.1.0",
            "AV security intelligence creation time": "10/30/2026 5:06:07 AM"})  # fmt: skip
        found = {
            "Threat ID": "2147519003",
            "Threat Name": "Virus:DOS/EICAR_Test_File",
            "Source ID": "3",
            "Process Name": TOOL,
            "Detection User": "CORP\\eve",
            "Path": f"file:_{DOCUMENT}",
            "Security intelligence Version": "AV: 1.400.1.0, AS: 1.400.1.0",
        }
        yield self._line("detected", DEFENDER, 1116, found | {"Action ID": "9", "Error Code": "0x00000000"})
        yield self._line("failed", DEFENDER, 1119, found | {
            "Action ID": "2", "Error Code": "0x80508023", "Error Description": "The file is in use."})  # fmt: skip
        for act, verdict in (("scanned", "1"), ("malicious", "32768")):
            yield self._line(act, AMSI_PROVIDER, 1101, {
                "appname": "PowerShell", "contentname": f"C:\\{act}.ps1", "scanResult": verdict,
                "content": "0x" + SCRIPT.encode("utf-16-le").hex()})  # fmt: skip
        yield self._line("blocked start", DEFENDER, 1121, {
            "ID": "d4f940ab-401b-4efc-aadc-ad5f3c50688a", "User": "CORP\\eve", "Path": "C:\\calc.exe",
            "Process Name": TOOL, "Target Commandline": "calc.exe /blocked"})  # fmt: skip
        yield self._line("tool stops", SYSMON, 5, self._acting())


def hashes(path: str) -> dict[str, str]:
    """Give the digests of a file as Sysmon writes them."""
    return {"Hashes": ",".join(f"{name.upper()}={value.upper()}" for name, value in DIGESTS[path].items())}
