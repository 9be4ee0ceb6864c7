"""Whom a record is about, and what it says of an authentication: tables by the record's id (Security log)."""

from typing import Final

from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import address, known
from vedette.schema.entities import Auth, Session, User

_SUBTYPES: Final = {
    4624: "logon",
    4625: "logon_failed",
    4634: "logoff",
    4647: "logoff",
    4648: "explicit_credentials",
    4672: "special_privileges",
    4768: "kerberos_tgt",
    4769: "kerberos_tgs",
    4770: "kerberos_tgs",
    4771: "logon_failed",
    4772: "logon_failed",
    4773: "logon_failed",
    4776: "ntlm",
    4777: "logon_failed",
    4778: "rdp_reconnect",
    4779: "rdp_disconnect",
    4964: "special_privileges",
}
"""Id of a record in the Security log -> subtype of authentication."""
_ABOUT_TARGET: Final = frozenset(_SUBTYPES) - {4648, 4672, 4964} | {4627, 4740, 4767}
"""Records whose account is the one that logged on, not the one that reported it."""
_ACCOUNTS: Final = (
    ("TargetUserName", "TargetDomainName", "TargetUserSid"),
    ("SubjectUserName", "SubjectDomainName", "SubjectUserSid"),
    ("AccountName", "AccountDomain", ""),
)
_SUBJECT_FIRST: Final = (_ACCOUNTS[1], _ACCOUNTS[0], _ACCOUNTS[2])
_NOBODY: Final = "S-1-0-0"
_LOGON_TYPES: Final = {
    "2": "local", "3": "network", "4": "batch", "5": "service", "7": "unlock", "8": "network", "9": "new_credentials",
    "10": "remote", "11": "local", "12": "remote", "13": "unlock",
}  # fmt: skip
_LOCAL_MACHINE: Final = frozenset(("::1", "127.0.0.1"))


def user(record: Record, memory: Memory) -> User | None:
    """Give the account for which the record was made: in its items, else in its header."""
    data = record.data
    for names in _ACCOUNTS if record.system.event_id in _ABOUT_TARGET else _SUBJECT_FIRST:
        name, domain, sid = (known(data.get(item)) for item in names)
        if sid == _NOBODY:
            sid = None
        if name or sid:
            return memory.user(domain, name, sid)
    header = record.user
    return None if header is None else memory.user(header.domain, header.name, header.id)


def auth(record: Record) -> Auth | None:
    """Give what a record of the Security log says of an authentication."""
    subtype = _SUBTYPES.get(record.system.event_id or 0)
    if subtype is None:
        return None
    data = record.data
    domain = known(data.get("TargetDomainName")) or known(data.get("AccountDomain"))
    return Auth(
        subtype=subtype,
        domain=domain or known(data.get("SubjectDomainName")),
        remote_ip=address(data.get("IpAddress")) or address(data.get("ClientAddress")),
        method=known(data.get("AuthenticationPackageName")) or known(data.get("PackageName")),
    )


def session(record: Record) -> Session | None:
    """Give the logon session of a record of the Security log."""
    data = record.data
    about_target = record.system.event_id in _ABOUT_TARGET
    names = ("TargetLogonId", "LogonId", "SubjectLogonId") if about_target else ("SubjectLogonId", "TargetLogonId")
    logon = next((found for name in names if (found := known(data.get(name)))), None)
    kind = _LOGON_TYPES.get(data.get("LogonType", "")) if about_target else None
    host = known(data.get("WorkstationName")) or known(data.get("Workstation")) or known(data.get("ClientName"))
    remote = host or address(data.get("IpAddress")) if about_target else None
    if remote in _LOCAL_MACHINE:
        remote = None
    if logon is None and kind is None and remote is None:
        return None
    return Session(logon_id=logon, type=kind, remote_host=remote)
