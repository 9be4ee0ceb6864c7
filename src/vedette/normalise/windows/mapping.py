"""Which records become which events: one table by provider and id. Whatever is not in it stays a record, `os_log`."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from vedette.normalise.windows import (
    consumers,
    defender,
    log_events,
    powershell,
    prevention,
    security,
    sessions,
    sysmon,
    sysmon_files,
    sysmon_registry,
    wmi_activity,
)
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.schema.events.base import Event

Build: TypeAlias = Callable[[Record, Memory], Event]


class Rule(NamedTuple):
    """How records of one kind become events of the types named."""

    build: Build
    types: tuple[str, ...]


_SYSMON: Final = "Microsoft-Windows-Sysmon"
_SECURITY: Final = "Microsoft-Windows-Security-Auditing"
_POWERSHELL: Final = "Microsoft-Windows-PowerShell"
_DEFENDER: Final = "Microsoft-Windows-Windows Defender"
_SESSIONS: Final = "Microsoft-Windows-TerminalServices-LocalSessionManager"

TABLE: Final[tuple[tuple[str, str, Build, str], ...]] = (
    (_SYSMON, "1", sysmon.process_start, "process_start"),
    (_SYSMON, "2", sysmon_files.file_attributes, "file_change"),
    (_SYSMON, "3", sysmon.network_connect, "network_connect"),
    (_SYSMON, "5", sysmon.process_stop, "process_stop"),
    (_SYSMON, "6", sysmon_files.driver_load, "driver_load"),
    (_SYSMON, "7", sysmon_files.module_load, "module_load"),
    (_SYSMON, "8", sysmon.remote_thread, "remote_thread"),
    (_SYSMON, "10", sysmon.process_access, "process_access"),
    (_SYSMON, "11 15 29", sysmon_files.file_create, "file_create"),
    (_SYSMON, "12 13 14", sysmon_registry.registry_change, "registry_change"),
    (_SYSMON, "17 18", sysmon_registry.pipe_event, "pipe_event"),
    (_SYSMON, "19 20 21", sysmon_registry.wmi_event, "wmi_event"),
    (_SYSMON, "22", sysmon.dns_query, "dns_query"),
    (_SYSMON, "23 26", sysmon_files.file_delete, "file_change"),
    (_SYSMON, "27 28", sysmon_files.file_block, "file_block"),
    (_SECURITY, "4688", security.process_start, "process_start"),
    (_SECURITY, "4689", security.process_stop, "process_stop"),
    (_SECURITY, "4657", security.registry_change, "registry_change"),
    (_SECURITY, "5154", security.port_listen, "port_listen"),
    (_SECURITY, "5156 5157", security.network_connect, "network_connect"),
    (_POWERSHELL, "4104", powershell.script_block, "script_block"),
    (_POWERSHELL, "4103", powershell.hosted, "os_log"),
    ("PowerShellCore", "4104", powershell.script_block, "script_block"),
    ("PowerShellCore", "4103", powershell.hosted, "os_log"),
    ("PowerShell", "400 403 600 800", powershell.hosted, "os_log"),
    ("Microsoft-Windows-WMI-Activity", "5859 5860 5861", wmi_activity.wmi_event, "wmi_event"),
    (_DEFENDER, "1006 1015 1116", defender.detected, "epp_detect"),
    (_DEFENDER, "1007 1008 1117 1118 1119", defender.processed, "epp_result"),
    (_DEFENDER, "1121", prevention.attack_surface, "process_block file_block"),
    (_DEFENDER, "1150 1151", defender.health, "os_log"),
    ("Microsoft-Windows-AppLocker", "8004 8007 8022", prevention.applocker, "process_block file_block"),
    ("Microsoft-Windows-CodeIntegrity", "3077", prevention.code_integrity, "process_block file_block"),
    ("Microsoft-Windows-SoftwareRestrictionPolicies", "865 866 867 868 882", prevention.software_restriction,
     "process_block"),
    ("Microsoft-Windows-DNS-Client", "3008 3020", consumers.dns_query, "dns_query"),
    ("Microsoft-Antimalware-Scan-Interface", "1101", consumers.amsi_scan, "amsi_scan epp_detect"),
    (_SESSIONS, "21 22 23 24 25 39 40", sessions.terminal_session, "terminal_session"),
    ("Microsoft-Windows-TerminalServices-RemoteConnectionManager", "1149", sessions.connected, "os_log"),
    ("Microsoft-Windows-Eventlog", "1108", log_events.failed_to_log, "os_log"),
)  # fmt: skip
"""(provider, ids, function, event types that it makes)."""

RULES: Final[Mapping[tuple[str | None, int | None], Rule]] = {
    (provider, int(event_id)): Rule(build, tuple(types.split()))
    for provider, ids, build, types in TABLE
    for event_id in ids.split()
}


class Normaliser:
    """Turns records into events, one each, in the order in which they are given.

    `native` names the event types that live sources of the host already give: records that would repeat them stay
    `os_log`. In a replay there is no live source.
    """

    def __init__(self, native: frozenset[str] = frozenset()) -> None:
        self._memory = Memory()
        self._rules = {
            kind: rule.build
            for kind, rule in RULES.items()
            if rule.types == ("os_log",) or not native & set(rule.types)
        }

    def event(self, record: Record) -> Event:
        """Give the event of a record."""
        system = record.system
        build = self._rules.get((system.provider_name, system.event_id), log_events.os_log)
        return build(record, self._memory)

    def as_log(self, record: Record) -> Event:
        """Give a record as `os_log`, whatever it tells: another one has told it already."""
        return log_events.os_log(record, self._memory)


def types_of(record: Record) -> tuple[str, ...]:
    """Give the event types that a record can become."""
    rule = RULES.get((record.system.provider_name, record.system.event_id))
    return rule.types if rule else ("os_log",)
