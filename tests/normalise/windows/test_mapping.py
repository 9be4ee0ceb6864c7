"""Records -> events: values in, values out. Reading is tested in test_readers.py."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from tests.normalise.windows.made import DEFENDER, HOST, MICROS, SECURITY, SYSMON, events, facts, record

from vedette.normalise.windows.mapping import RULES, TABLE, Normaliser
from vedette.normalise.windows.memory import Recent
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.events.base import Event
from vedette.schema.identity import process_entity_id
from vedette.wire.builder import Builder

MD5, SHA256 = "9321c107d1f7e336cda550a2bf049108", "ad6b98c01ee849874e4b4502c3d7853196f6044240d3271e4ab3fc6e3c08e9a4"
IMPHASH = "159d56d406180a332fbc99290f30700e"
HASHES = f"SHA1={'A' * 40},MD5={MD5.upper()},SHA256={SHA256.upper()},IMPHASH={IMPHASH.upper()}"
GUID, ENTITY = "{a57649d1-db54-61ab-775c-dc0100000000}", "a57649d1db5461ab775cdc0100000000"
PARENT_GUID, PARENT_ENTITY = "{a57649d1-ace8-61a6-885b-920000000000}", "a57649d1ace861a6885b920000000000"
UTC = "2026-11-01 10:00:00.123"
AT = MICROS - 377_000
TOOL = "C:\\TOOLS\\PsExec64.exe"
ACTING = {"UtcTime": UTC, "ProcessGuid": GUID, "ProcessId": "2124", "Image": TOOL, "User": "OFFSEC\\admmig"}
START = ACTING | {
    "RuleName": "technique_id=T1035", "FileVersion": "2.2", "Description": "-", "Product": "Sysinternals PsExec",
    "Company": "Sysinternals", "OriginalFileName": "psexec.c", "CommandLine": "PsExec64.exe  -i -s cmd",
    "CurrentDirectory": "C:\\TOOLS\\", "LogonGuid": "{a57649d1-9e9d-61a6-56ef-830000000000}", "LogonId": "0x83ef56",
    "TerminalSessionId": "2", "IntegrityLevel": "High", "Hashes": HASHES, "ParentProcessGuid": PARENT_GUID,
    "ParentProcessId": "532", "ParentImage": "C:\\Windows\\System32\\cmd.exe", "ParentCommandLine": '"cmd.exe" ',
}  # fmt: skip


def one(*args: Any, **more: Any) -> dict[str, Any]:
    (event,) = events(record(*args, **more))
    return {"type": tag(type(event)), **facts(event)}


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("winlog", *names)}


def data(event: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = event["winlog"].get("data", {})
    return found


def test_a_start_told_by_sysmon() -> None:
    event = one(SYSMON, 1, START)
    assert without(event) == {
        "type": "process_start",
        "time": AT,
        "user": {"name": "admmig", "domain": "OFFSEC"},
        "session": {"id": "2", "logon_id": "0x83ef56"},
        "process": {
            "entity_id": ENTITY, "pid": 2124, "command_line": "PsExec64.exe  -i -s cmd", "start_time": AT,
            "working_directory": "C:\\TOOLS\\", "integrity": "High",
            "file": {
                "name": "PsExec64.exe", "directory": "C:\\TOOLS", "path": TOOL, "md5": MD5, "sha256": SHA256,
                "imphash": IMPHASH, "original_name": "psexec.c", "company": "Sysinternals", "version": "2.2",
                "product": "Sysinternals PsExec", "description": "-",
            },
            "parent": {
                "entity_id": PARENT_ENTITY, "pid": 532, "command_line": '"cmd.exe" ',
                "file": {"name": "cmd.exe", "directory": "C:\\Windows\\System32",
                         "path": "C:\\Windows\\System32\\cmd.exe"},
            },
        },
    }  # fmt: skip
    assert data(event) == {name: START[name] for name in ("RuleName", "LogonGuid", "Hashes")}
    assert event["winlog"]["system"]["event_id"] == 1


def test_a_stop_is_joined_with_its_start_and_the_parent_with_its_own() -> None:
    parent = START | {"ProcessGuid": PARENT_GUID, "ProcessId": "532", "Image": "C:\\Windows\\System32\\cmd.exe",
                      "CommandLine": "cmd.exe /k", "ParentProcessGuid": "-"}  # fmt: skip
    child = {name: text for name, text in START.items() if not name.startswith("ParentC")}
    stop = ACTING | {"UtcTime": "2026-11-01 10:00:09.000"}
    _, started, stopped = events(record(SYSMON, 1, parent), record(SYSMON, 1, child), record(SYSMON, 5, stop,
                                 time="2026-11-01T10:00:09.1Z"))  # fmt: skip
    assert stopped.process is not None
    assert started.process is not None
    end = MICROS + 8_500_000
    assert facts(stopped.process) == facts(started.process) | {"end_time": end}
    assert facts(stopped.process.parent) == {
        "entity_id": PARENT_ENTITY, "pid": 532, "command_line": "cmd.exe /k",
        "file": {"name": "cmd.exe", "directory": "C:\\Windows\\System32", "path": "C:\\Windows\\System32\\cmd.exe",
                 "md5": MD5, "sha256": SHA256},
    }  # fmt: skip
    assert (tag(type(stopped)), stopped.time) == ("process_stop", end)


def test_the_acting_process_of_a_file_has_the_hashes_of_its_start() -> None:
    _, made = events(record(SYSMON, 1, START), record(SYSMON, 11, ACTING | {
        "TargetFilename": "C:\\Temp\\a.txt", "CreationUtcTime": "2026-11-01 09:00:00.000"}))  # fmt: skip
    told = facts(made)
    assert told["process"]["file"]["sha256"] == SHA256
    assert told["file"] == {"name": "a.txt", "directory": "C:\\Temp", "path": "C:\\Temp\\a.txt",
                            "created": MICROS - 3_600_500_000}  # fmt: skip


@pytest.mark.parametrize(
    ("event_id", "kind", "more", "expected"),
    [
        (29, "file_create", {"TargetFilename": "C:\\a.exe", "Hashes": HASHES},
         {"name": "a.exe", "directory": "C:\\", "path": "C:\\a.exe", "md5": MD5, "sha256": SHA256, "imphash": IMPHASH}),
        (23, "file_change", {"TargetFilename": "C:\\T\\a", "Hashes": "MD5=" + MD5, "IsExecutable": "false"},
         {"name": "a", "directory": "C:\\T", "path": "C:\\T\\a", "md5": MD5, "operation": "delete"}),
        (2, "file_change", {"TargetFilename": "C:\\T\\a", "PreviousCreationUtcTime": UTC},
         {"name": "a", "directory": "C:\\T", "path": "C:\\T\\a", "operation": "attributes"}),
        (27, "file_block", {"TargetFilename": "C:\\T\\a", "Hashes": "MD5=" + MD5},
         {"name": "a", "directory": "C:\\T", "path": "C:\\T\\a", "md5": MD5}),
        (7, "module_load", {"ImageLoaded": "C:\\T\\a.dll", "Hashes": "SHA256=" + SHA256, "Signed": "true",
                            "Signature": "Microsoft Windows", "SignatureStatus": "Valid"},
         {"name": "a.dll", "directory": "C:\\T", "path": "C:\\T\\a.dll", "sha256": SHA256, "signature_status": "ok",
          "signer": "Microsoft Windows"}),
        (7, "module_load", {"ImageLoaded": "a.dll", "Signed": "false", "Signature": "-",
                            "SignatureStatus": "Unavailable"},
         {"name": "a.dll", "path": "a.dll", "signature_status": "unsigned"}),
    ],
)  # fmt: skip
def test_files_in_records_of_sysmon(event_id: int, kind: str, more: dict[str, str], expected: dict[str, Any]) -> None:
    event = one(SYSMON, event_id, ACTING | more)
    assert (event["type"], event["file"], event["time"]) == (kind, expected, AT)
    assert event["process"]["entity_id"] == ENTITY


def test_a_driver_has_no_acting_process() -> None:
    event = one(SYSMON, 6, {"UtcTime": UTC, "ImageLoaded": "C:\\x.sys", "Hashes": HASHES, "Signature": "Evil",
                            "SignatureStatus": "Expired", "Signed": "true"})  # fmt: skip
    assert without(event) == {"type": "driver_load", "time": AT, "file": {
        "name": "x.sys", "directory": "C:\\", "path": "C:\\x.sys", "md5": MD5, "sha256": SHA256, "imphash": IMPHASH,
        "signer": "Evil", "signature_status": "invalid"}}  # fmt: skip


@pytest.mark.parametrize(
    ("initiated", "expected"),
    [
        ("true", {"direction": "outbound", "local_ip": "10.0.0.1", "local_port": 62095, "remote_ip": "10.0.0.2",
                  "remote_port": 443, "remote_host": "server"}),
        ("false", {"direction": "inbound", "local_ip": "10.0.0.2", "local_port": 443, "remote_ip": "10.0.0.1",
                   "remote_port": 62095}),
    ],
)  # fmt: skip
def test_the_local_end_is_ours_whoever_began(initiated: str, expected: dict[str, Any]) -> None:
    event = one(SYSMON, 3, ACTING | {
        "Protocol": "tcp", "Initiated": initiated, "SourceIp": "10.0.0.1", "SourceHostname": "-",
        "SourcePort": "62095", "DestinationIp": "10.0.0.2", "DestinationHostname": "server", "DestinationPort": "443",
    })  # fmt: skip
    assert event["socket"] == {"protocol": "tcp"} | expected
    assert data(event)["Initiated"] == initiated
    assert ("SourceIp" in data(event)) is (initiated == "false")


def test_registry_in_records_of_sysmon() -> None:
    key = "HKLM\\System\\Run"
    value = one(SYSMON, 13, ACTING | {"EventType": "SetValue", "TargetObject": f"{key}\\Evil",
                                      "Details": "DWORD (0x00000001)"})  # fmt: skip
    assert value["registry"] == {"key": key, "path": f"{key}\\Evil", "value_name": "Evil", "operation": "set_value",
                                 "value_data": "DWORD (0x00000001)", "value_type": "REG_DWORD"}  # fmt: skip
    made = one(SYSMON, 12, ACTING | {"EventType": "CreateKey", "TargetObject": key})
    assert made["registry"] == {"key": key, "path": key, "operation": "create_key"}
    renamed = one(SYSMON, 14, ACTING | {"EventType": "RenameKey", "TargetObject": key, "NewName": f"{key}Once"})
    assert renamed["registry"] == {"key": f"{key}Once", "path": f"{key}Once", "operation": "rename",
                                   "previous": {"key": key}}  # fmt: skip
    assert data(renamed)["TargetObject"] == key


def test_pipes_threads_accesses_look_ups_and_wmi_of_sysmon() -> None:
    assert one(SYSMON, 17, ACTING | {"PipeName": "\\evil"})["pipe"] == {"name": "\\evil", "operation": "create"}
    assert one(SYSMON, 18, ACTING | {"PipeName": "\\evil"})["pipe"]["operation"] == "connect"
    pair = {"UtcTime": UTC, "SourceProcessGUID": GUID, "SourceProcessId": "2124", "SourceImage": TOOL,
            "TargetProcessGUID": PARENT_GUID, "TargetProcessId": "532", "TargetImage": "C:\\lsass.exe"}  # fmt: skip
    target = {"entity_id": PARENT_ENTITY, "pid": 532, "file": {"name": "lsass.exe", "directory": "C:\\",
                                                               "path": "C:\\lsass.exe"}}  # fmt: skip
    access = one(SYSMON, 10, pair | {"GrantedAccess": "0x1410", "CallTrace": "ntdll.dll+9f934"})
    assert access["target"] == target | {"granted_access": "0x1410", "call_trace": "ntdll.dll+9f934"}
    assert (access["process"]["entity_id"], access["process"]["file"]["path"]) == (ENTITY, TOOL)
    thread = one(SYSMON, 8, pair | {"StartAddress": "0x7F", "StartModule": "-", "StartFunction": "LoadLibraryW"})
    assert thread["target"] == target | {"start_address": "0x7F", "start_function": "LoadLibraryW"}
    assert one(SYSMON, 22, ACTING | {"QueryName": "x.org", "QueryStatus": "9003", "QueryResults":
               "type:  5 y.org;::ffff:10.0.0.9;"})["dns"] == {"query": "x.org", "status": "NXDOMAIN",
                                                             "answers": ("type:  5 y.org", "10.0.0.9")}  # fmt: skip
    wmi = one(SYSMON, 20, {"UtcTime": UTC, "Operation": "Created", "User": "OFFSEC\\admmig", "Name": ' "Evil"',
                           "Type": "Command Line", "Destination": ' "cmd.exe /c x"'})  # fmt: skip
    assert wmi["wmi"] == {"operation": "consumer created", "name": "Evil", "destination": "cmd.exe /c x"}
    assert data(wmi)["Name"] == ' "Evil"'


AUDIT = {"SubjectUserSid": "S-1-5-18", "SubjectUserName": "WS1$", "SubjectDomainName": "CORP",
         "SubjectLogonId": "0x3e7"}  # fmt: skip
NEW = AUDIT | {
    "NewProcessId": "0x84c", "NewProcessName": TOOL, "TokenElevationType": "%%1937", "ProcessId": "0x214",
    "CommandLine": "PsExec64.exe  -i -s cmd", "TargetUserSid": "S-1-5-21-1", "TargetUserName": "eve",
    "TargetDomainName": "CORP", "TargetLogonId": "0x8", "ParentProcessName": "C:\\Windows\\System32\\cmd.exe",
    "MandatoryLabel": "S-1-16-12288",
}  # fmt: skip


def test_a_start_and_its_stop_told_by_the_audit_log() -> None:
    started, stopped = events(record(SECURITY, 4688, NEW), record(SECURITY, 4689, AUDIT | {
        "Status": "0xc0000005", "ProcessId": "0x84c", "ProcessName": TOOL}, time="2026-11-01T10:00:01.5Z"))  # fmt: skip
    entity = process_entity_id(HOST, "", 2124, MICROS * 1000)
    told = facts(started)
    assert told["user"] == {"name": "eve", "domain": "CORP", "id": "S-1-5-21-1"}
    assert told["process"] == {
        "entity_id": entity, "pid": 2124, "command_line": "PsExec64.exe  -i -s cmd", "start_time": MICROS,
        "file": {"name": "PsExec64.exe", "directory": "C:\\TOOLS", "path": TOOL}, "integrity": "High",
        "parent": {"pid": 532, "file": {"name": "cmd.exe", "directory": "C:\\Windows\\System32",
                                        "path": "C:\\Windows\\System32\\cmd.exe"}},
    }  # fmt: skip
    assert data(told) == NEW
    assert facts(stopped)["process"] == told["process"] | {"end_time": MICROS + 1_000_000, "exit_code": -1073741819}
    assert facts(stopped)["user"]["name"] == "WS1$"


def test_one_start_told_twice_has_one_id() -> None:
    by_sysmon, by_audit = events(record(SYSMON, 1, START), record(SECURITY, 4688, NEW))
    assert by_sysmon.process is not None
    assert by_audit.process is not None
    assert by_sysmon.process.entity_id == by_audit.process.entity_id == ENTITY
    later = record(SECURITY, 4688, NEW, time="2026-11-01T11:00:00Z")  # the PID again
    _, again = events(record(SYSMON, 1, START), later)
    assert again.process is not None
    assert again.process.entity_id != ENTITY


def test_a_pid_of_another_program_or_host_is_not_joined() -> None:
    written = {"ProcessId": "0x84c", "ProcessName": "C:\\Windows\\other.exe", "ObjectName": "C:\\x"}
    _, other, elsewhere, same = events(
        record(SECURITY, 4688, NEW), record(SECURITY, 4663, written),
        record(SECURITY, 4663, written | {"ProcessName": TOOL}, computer_name="ws2"),
        record(SECURITY, 4663, written | {"ProcessName": "\\device\\harddiskvolume2\\tools\\psexec64.exe"}),
    )  # fmt: skip
    assert [event.process and event.process.entity_id is not None for event in (other, elsewhere, same)] == [
        False, False, True,
    ]  # fmt: skip


def test_a_registry_value_with_what_it_was_before() -> None:
    event = one(SECURITY, 4657, AUDIT | {
        "ObjectName": "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\EventLog", "ObjectValueName": "Start",
        "OperationType": "%%1905", "OldValueType": "%%1876", "OldValue": "2", "NewValueType": "%%1876",
        "NewValue": "4", "ProcessId": "0x1e9c", "ProcessName": "C:\\payload.exe"})  # fmt: skip
    key = "HKLM\\SYSTEM\\ControlSet001\\Services\\EventLog"
    assert event["registry"] == {
        "key": key, "path": f"{key}\\Start", "value_name": "Start", "value_data": "4", "value_type": "REG_DWORD",
        "operation": "set_value", "previous": {"value_data": "2", "value_type": "REG_DWORD"},
    }  # fmt: skip
    assert (event["process"]["pid"], event["process"]["file"]["name"]) == (7836, "payload.exe")


def test_network_of_the_audit_log() -> None:
    filtered = {"ProcessID": "3428", "Application": "\\device\\harddiskvolume2\\a.exe", "Protocol": "6",
                "FilterRTID": "67589", "LayerName": "%%14611", "LayerRTID": "48"}  # fmt: skip
    ends = {"SourceAddress": "10.0.0.1", "SourcePort": "50000", "DestAddress": "10.0.0.2", "DestPort": "445"}
    out = one(SECURITY, 5156, filtered | ends | {"Direction": "%%14593"})
    assert out["socket"] == {"protocol": "tcp", "direction": "outbound", "local_ip": "10.0.0.1", "local_port": 50000,
                             "remote_ip": "10.0.0.2", "remote_port": 445}  # fmt: skip
    refused = one(SECURITY, 5157, filtered | ends | {"Direction": "%%14592"})
    assert refused["socket"] == {"protocol": "tcp", "direction": "inbound", "local_ip": "10.0.0.2", "local_port": 445,
                                 "remote_ip": "10.0.0.1", "remote_port": 50000, "outcome": "denied"}  # fmt: skip
    listening = one(SECURITY, 5154, filtered | {"SourceAddress": "::", "SourcePort": "8000"})
    assert (listening["type"], listening["socket"]) == (
        "port_listen", {"protocol": "tcp", "local_ip": "::", "local_port": 8000})  # fmt: skip
    assert listening["process"]["pid"] == 3428
    assert data(listening)["ProcessId"] == "3428"
    assert one(SECURITY, 5158, filtered | {"SourceAddress": "::", "SourcePort": "8000"})["type"] == "os_log"


LOGON = AUDIT | {
    "TargetUserSid": "S-1-5-21-9", "TargetUserName": "alice", "TargetDomainName": "CORP", "TargetLogonId": "0x99",
    "LogonType": "10", "AuthenticationPackageName": "Negotiate", "WorkstationName": "LAPTOP", "ProcessId": "0x0",
    "ProcessName": "-", "IpAddress": "::ffff:10.1.2.3", "IpPort": "0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("event_id", "subtype"),
    [
        (4624, "logon"), (4625, "logon_failed"), (4634, "logoff"), (4647, "logoff"), (4648, "explicit_credentials"),
        (4672, "special_privileges"), (4768, "kerberos_tgt"), (4769, "kerberos_tgs"), (4776, "ntlm"),
        (4778, "rdp_reconnect"), (4779, "rdp_disconnect"),
    ],
)  # fmt: skip
def test_subtypes_of_authentication(event_id: int, subtype: str) -> None:
    event = one(SECURITY, event_id, LOGON)
    assert (event["type"], event["auth"]["subtype"], event["auth"]["domain"]) == ("os_log", subtype, "CORP")
    assert event["auth"]["remote_ip"] == "10.1.2.3"
    about = "WS1$" if event_id in {4648, 4672} else "alice"
    assert event["user"]["name"] == about
    assert data(event) == LOGON


def test_a_logon_names_its_session_and_a_null_account_is_none() -> None:
    event = one(SECURITY, 4624, LOGON)
    assert event["session"] == {"logon_id": "0x99", "type": "remote", "remote_host": "LAPTOP"}
    assert "process" not in event
    nobody = one(SECURITY, 4625, {"SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "TargetUserSid": "S-1-0-0",
                                  "TargetUserName": "mallory", "TargetDomainName": "", "IpAddress": "-"})  # fmt: skip
    assert nobody["user"] == {"name": "mallory"}
    assert nobody["auth"] == {"subtype": "logon_failed"}
    reconnected = one(
        SECURITY,
        4778,
        {
            "AccountName": "bob",
            "AccountDomain": "CORP",
            "LogonID": "0x6a423",
            "SessionName": "RDP-Tcp#8",
            "ClientName": "JUMP",
            "ClientAddress": "10.2.2.9",
        },
    )
    assert reconnected["user"] == {"name": "bob", "domain": "CORP"}
    assert reconnected["auth"] == {"subtype": "rdp_reconnect", "domain": "CORP", "remote_ip": "10.2.2.9"}
    assert reconnected["session"] == {"logon_id": "0x6a423", "remote_host": "JUMP"}


def test_only_the_security_log_tells_of_authentication() -> None:
    """Other providers use the same numbers: 4625 of EventSystem, 4104 of Winlogon."""
    event = one("Microsoft-Windows-EventSystem", 4625, {"param1": "86400"})
    assert set(event) == {"type", "time", "winlog"}


def test_what_live_sources_give_stays_a_record() -> None:
    native = frozenset({"process_start"})
    audit, sysmon, stop = events(record(SECURITY, 4688, NEW), record(SYSMON, 1, START), record(SYSMON, 5, ACTING),
                                 native=native)  # fmt: skip
    assert [tag(type(event)) for event in (audit, sysmon, stop)] == ["os_log", "os_log", "process_stop"]
    assert data(facts(audit)) == NEW
    assert data(facts(sysmon)) == START


def test_record_1108_has_its_three_names() -> None:
    event = one("Microsoft-Windows-Eventlog", 1108, channel="Security", event_data=None, user_data={
        "xml_name": "EventProcessingFailure", "Error": {"#attributes": {"Code": "15005"}}, "EventID": "4703",
        "PublisherID": SECURITY})  # fmt: skip
    assert data(event) == {"EventProcessingFailure": "15005", "EventCode": "4703", "PublisherId": SECURITY}


def test_script_blocks_and_hosts_of_powershell() -> None:
    provider = "Microsoft-Windows-PowerShell"
    _, block = events(record(SYSMON, 1, START | {"ProcessId": "576", "CommandLine": "powershell"}), record(
        provider, 4104, {"MessageNumber": "1", "MessageTotal": "2", "ScriptBlockText": "iex $x", "ScriptBlockId":
        "e6f1558a-49ad-4fb6-9e4b-5460f390873f", "Path": ""}, user={"identifier": "S-1-5-21-1"}))  # fmt: skip
    told = facts(block)
    assert told["script"] == {"content": "iex $x", "block_id": "e6f1558a-49ad-4fb6-9e4b-5460f390873f"}
    assert (told["process"]["command_line"], told["user"]["id"]) == ("powershell", "S-1-5-21-1")
    assert data(told) == {"MessageNumber": "1", "MessageTotal": "2"}
    context = "\tHostName=ConsoleHost\r\n\tHostApplication=powershell.exe -enc AAAA\r\n\tUserId=CORP\\eve\r\n"
    hosted = one("PowerShell", 400, {"param1": "Available"} | {"Data": context}, process={"pid": 0})
    assert (hosted["process"], hosted["user"]) == (
        {"command_line": "powershell.exe -enc AAAA"}, {"name": "eve", "domain": "CORP"})  # fmt: skip
    module = one(provider, 4103, {"ContextInfo": "  Host Application = pwsh -c x\r\n  User = CORP\\eve\r\n",
                                  "Payload": "CommandInvocation(Out-Default)"})  # fmt: skip
    assert (module["type"], module["process"]["command_line"]) == ("os_log", "pwsh -c x")


FOUND = {
    "Detection Time": "2026-11-01T09:59:59.000Z", "Threat ID": "2147519003", "Threat Name": "Virus:DOS/EICAR_Test_File",
    "Category ID": "42", "Source ID": "3", "Source Name": "Real-Time Protection", "Process Name": TOOL,
    "Detection User": "CORP\\eve", "Path": f"containerfile:_C:\\a.zip;file:_{TOOL}", "Action ID": "9",
    "Error Code": "0x00000000", "Error Description": "The operation completed successfully. ",
    "Security intelligence Version": "AV: 1.327.2245.0, AS: 1.327.2245.0, NIS: 1.327.2245.0",
}  # fmt: skip
HEALTH = {"AV security intelligence version": "1.327.2245.0",
          "AV security intelligence creation time": "10/31/2026 5:53:46 AM"}  # fmt: skip


def test_a_detection_has_its_databases_release_hashes_and_process() -> None:
    *_, found = events(record(SYSMON, 1, START), record(DEFENDER, 1151, HEALTH), record(DEFENDER, 1116, FOUND))
    told = facts(found)
    assert told["detect"] == {
        "engine": "defender", "result": "detected", "object_name": TOOL, "record_id": "2147519003",
        "db_time": MICROS - 101_174_500_000, "mode": "on_access", "category": "Virus:DOS/EICAR_Test_File",
        "object_md5": MD5, "object_sha256": SHA256,
    }  # fmt: skip
    assert (told["time"], told["user"]) == (MICROS - 1_500_000, {"name": "eve", "domain": "CORP"})
    assert (told["process"]["entity_id"], told["process"]["pid"]) == (ENTITY, 2124)
    assert (told["file"]["path"], told["file"]["md5"]) == (TOOL, MD5)
    assert data(told)["ThreatName"] == "Virus:DOS/EICAR_Test_File"


def test_of_two_processes_of_a_program_none_is_guessed() -> None:
    other = START | {"ProcessGuid": PARENT_GUID, "ProcessId": "77"}
    *_, found = events(record(SYSMON, 1, START), record(SYSMON, 1, other), record(DEFENDER, 1116, FOUND))
    assert found.process is not None
    assert (found.process.entity_id, found.process.pid) == (None, None)


@pytest.mark.parametrize(
    ("event_id", "more", "result", "reason"),
    [
        (1117, {"Action ID": "2"}, "quarantined", None),
        (1117, {"Action ID": "3"}, "removed", None),
        (1119, {"Action ID": "2", "Error Code": "0x80508023", "Error Description": "Not found. "}, "error",
         "0x80508023: Not found."),
    ],
)  # fmt: skip
def test_what_was_done_about_it(event_id: int, more: dict[str, str], result: str, reason: str | None) -> None:
    event = one(DEFENDER, event_id, FOUND | more)
    assert (event["type"], event["detect"]["result"], event["detect"].get("error_reason")) == (
        "epp_result", result, reason)  # fmt: skip


def test_a_behaviour_names_its_process_by_pid() -> None:
    path = "behavior:_process: C:\\x.exe, pid:6264:60;process:_pid:6264,ProcessStart:133700000000000000"
    event = one(DEFENDER, 1015, FOUND | {"Path": path, "Process Name": "Unknown"})
    assert event["process"] == {"pid": 6264, "start_time": 1_725_526_400_000_000}


def test_what_windows_blocked() -> None:
    applocker = "Microsoft-Windows-AppLocker"
    rule = {"PolicyName": "EXE", "RuleId": "{921cc481}", "TargetUser": "S-1-5-21-1", "TargetProcessId": "2124",
            "FilePath": "%OSDRIVE%\\X.EXE", "FullFilePath": "C:\\x.exe", "FileHash": "A" * 64}  # fmt: skip
    start = one(applocker, 8004, None, event_data=None, user_data={"xml_name": "RuleAndFileData"} | rule)
    assert without(start, "time") == {
        "type": "process_block", "user": {"id": "S-1-5-21-1"}, "process": {"pid": 2124},
        "file": {"name": "x.exe", "directory": "C:\\", "path": "C:\\x.exe"},
        "prevention": {"rule_id": "{921cc481}", "method": "deny"},
    }  # fmt: skip
    assert one(applocker, 8004, rule | {"PolicyName": "DLL"})["type"] == "file_block"
    assert one(applocker, 8007, rule | {"PolicyName": "SCRIPT"})["type"] == "file_block"
    assert one(applocker, 8003, rule)["type"] == "os_log"
    integrity = one("Microsoft-Windows-CodeIntegrity", 3077, {
        "File Name": "\\Device\\Volume3\\x.dll", "Process Name": "C:\\y.exe", "SHA256 Flat Hash": SHA256.upper(),
        "PolicyGUID": "{a244370e}", "OriginalFileName": "x.dll"})  # fmt: skip
    assert (integrity["type"], integrity["file"]["sha256"], integrity["blocked"]) == (
        "file_block", SHA256, {"hash_type": 1})  # fmt: skip
    assert integrity["process"]["file"]["path"] == "C:\\y.exe"
    reduction = one(
        DEFENDER,
        1121,
        {
            "ID": "D4F940AB-401B-4EFC-AADC-AD5F3C50688A",
            "User": "CORP\\eve",
            "Path": "C:\\Windows\\System32\\cmd.exe",
            "Process Name": "C:\\winword.exe",
            "Target Commandline": "cmd /c calc",
            "Parent Commandline": "winword",
        },
    )
    assert (reduction["type"], reduction["blocked"]) == ("process_block", {"command_line": "cmd /c calc"})
    assert reduction["prevention"]["rule_id"] == "D4F940AB-401B-4EFC-AADC-AD5F3C50688A"
    srp = one("Microsoft-Windows-SoftwareRestrictionPolicies", 866, {"Data": "C:\\x.exe\n{rule}\nC:\\"})
    assert (srp["file"]["path"], srp["prevention"]["rule_id"]) == ("C:\\x.exe", "{rule}")


def test_terminal_sessions() -> None:
    provider = "Microsoft-Windows-TerminalServices-LocalSessionManager"

    def told(event_id: int, second: int, **items: str) -> Any:
        made = {"xml_name": "EventXML"} | items
        return record(provider, event_id, None, event_data=None, user_data=made, time=f"2026-11-01T10:00:0{second}Z")

    user = {"User": "CORP\\eve", "SessionID": "3"}
    on, off, back, out = (facts(event)["session"] for event in events(
        told(21, 1, Address="10.9.9.9", **user), told(24, 2, Address="10.9.9.9", **user),
        told(25, 3, Address="10.9.9.10", **user), told(23, 4, **user)))  # fmt: skip
    start, base = MICROS + 500_000, {"id": "3", "type": "remote", "user": "eve"}
    assert on == base | {"remote_host": "10.9.9.9", "start": start, "state": "active"}
    assert off == base | {"remote_host": "10.9.9.9", "start": start, "state": "disconnected"}
    assert back == base | {"remote_host": "10.9.9.10", "start": start, "state": "active"}
    assert out == base | {"remote_host": "10.9.9.10", "start": start, "end": start + 3_000_000, "state": "closed"}
    (local,) = events(told(21, 1, Address="LOCAL", **user))
    assert facts(local)["session"]["type"] == "local"
    early = one("Microsoft-Windows-TerminalServices-RemoteConnectionManager", 1149, None, event_data=None, user_data={
        "xml_name": "EventXML", "Param1": "eve", "Param2": "CORP", "Param3": "10.9.9.9"})  # fmt: skip
    assert (early["type"], early["auth"]) == ("os_log", {"domain": "CORP", "remote_ip": "10.9.9.9"})


def test_look_ups_scanned_scripts_and_wmi_of_windows_itself() -> None:
    query = one("Microsoft-Windows-DNS-Client", 3008, {"QueryName": "x.org", "QueryType": "28", "QueryStatus": "0",
                                                       "QueryResults": "2001:db8::1;"})  # fmt: skip
    assert query["dns"] == {"query": "x.org", "type": "28", "status": "NOERROR", "answers": ("2001:db8::1",)}
    amsi = "Microsoft-Antimalware-Scan-Interface"
    content = "0x" + "iex".encode("utf-16-le").hex()
    scanned = {"appname": "PowerShell_C:\\p.exe", "contentname": "a.ps1", "content": content, "scanResult": "1"}
    clean = one(amsi, 1101, scanned)
    assert (clean["type"], clean["detect"]["result"]) == ("amsi_scan", "clean")
    assert clean["script"] == {"content": "iex", "content_name": "a.ps1", "app_name": "PowerShell_C:\\p.exe"}
    found = one(amsi, 1101, scanned | {"scanResult": "32768"})
    assert (found["type"], found["detect"]["result"], found["script"]["content"]) == ("epp_detect", "detected", "iex")
    wmi = one("Microsoft-Windows-WMI-Activity", 5861, None, event_data=None, user_data={
        "xml_name": "Operation_ESStoConsumerBinding", "Namespace": "//./root/subscription", "ESS": "Evil",
        "CONSUMER": 'CommandLineEventConsumer="Evil"', "PossibleCause": "x"})  # fmt: skip
    assert wmi["wmi"] == {"operation": "binding created", "filter": "Evil", "namespace": "//./root/subscription",
                          "consumer": 'CommandLineEventConsumer="Evil"'}  # fmt: skip


def test_every_rule_says_which_types_it_makes() -> None:
    """With empty items as with full ones, every kind of record becomes one event of a type that its row names."""
    names = {tag(kind) for kind in EVENT_TYPES}
    assert len(RULES) == sum(len(ids.split()) for _, ids, _, _ in TABLE)
    for (provider, event_id), rule in RULES.items():
        assert set(rule.types) <= names
        (event,) = events(record(provider or "", event_id or 0))
        assert tag(type(event)) in rule.types
        odd = dict.fromkeys((*START, *NEW, *FOUND, "TargetFilename", "TargetObject", "NewName", "content"), "\\")
        (event,) = events(record(provider or "", event_id or 0, odd))
        assert isinstance(event, Event)
        assert Builder([event]).encode(1)


def test_memory_is_bounded_in_entries_and_in_characters() -> None:
    recent: Recent[int, int] = Recent(16)
    for number in range(1000):
        recent.put(number, number)
    assert len(recent) <= 16
    assert 999 in recent
    texts: Recent[tuple[str, int], str] = Recent(1000, 10_000)
    for number in range(1000):
        texts.put(("x" * 90, number), "y", "z" * 10)
    assert 80 <= len(texts) <= 100
    texts.forget(("x" * 90, 999))
    assert ("x" * 90, 999) not in texts


def test_a_forged_log_of_long_texts_does_not_fill_the_memory() -> None:
    normaliser = Normaliser()
    tracemalloc.start()
    for number in range(3000):
        forged = START | {"ProcessGuid": f"{{{number:032}}}", "ProcessId": str(number),
                          "CommandLine": f"{number}" * 9000, "Image": f"C:\\{number}" * 8000,
                          "User": f"{number}" * 8000}  # fmt: skip
        normaliser.event(record(SYSMON, 1, forged))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200 << 20, f"{kept >> 20} MiB"
