"""What the messages of login programs mean: sshd, sudo, su, login, PAM, account tools, systemd.

One table: program, pattern, meaning. Texts are those of OpenSSH 9, sudo 1.9, shadow 4, util-linux 2.38, Linux-PAM 1.5,
systemd 252. A message that no line matches means nothing: result and account stay unknown.
"""

import re
from typing import Final, NamedTuple

from vedette.schema.entities import Auth


class Meaning(NamedTuple):
    """What a message says; None and "" where it says nothing."""

    result: str | None = None
    subtype: str | None = None
    account: str | None = None
    remote: str | None = None
    method: str | None = None

    def auth(self) -> Auth | None:
        """Give what it says of an authentication."""
        if self.subtype or self.remote or self.method:
            return Auth(subtype=self.subtype, remote_ip=self.remote, method=self.method)
        return None


NOTHING: Final = Meaning()
_SCANNED: Final = 2048
"""Characters of a message that are looked at: what matters stands at its start."""

_SSHD: Final = "sshd sshd-session"
_USER = r"(?P<account>[^\s;:()]{1,256})"
_ANY_USER = r"(?P<account>.{1,256})"
"""What a stranger typed as a name; taken greedily, so that ` from ADDRESS` in a name is not taken for the real one."""
_FROM = r"(?P<remote>[0-9A-Fa-f.:%\w-]{1,255})"
_SUDO_NO: Final = (
    "(?:\\d+ incorrect password attempts?|command not allowed|user NOT in sudoers|user NOT authorized|"
    "a password is required|a terminal is required)"
)
_TABLE: Final = tuple(
    (frozenset(programs.split()), re.compile(pattern, re.DOTALL), result, subtype)
    for programs, pattern, result, subtype in (
        (_SSHD, rf"Accepted (?P<method>[\w/-]+) for {_ANY_USER} from {_FROM} port \d+", "success", "logon"),
        (_SSHD, rf"Failed (?P<method>[\w/-]+) for (?:invalid user )?{_ANY_USER} from {_FROM} port \d+", "failure",
         "logon_failed"),
        (_SSHD, rf"Invalid user {_ANY_USER} from {_FROM}(?: port \d+)?$", "failure", "logon_failed"),
        (_SSHD, rf"Connection (?:closed|reset) by (?:authenticating|invalid) user {_ANY_USER} {_FROM} port \d+",
         "failure", "logon_failed"),
        (_SSHD, rf"(?:error: )?maximum authentication attempts exceeded for {_ANY_USER} from {_FROM} port \d+",
         "failure", "logon_failed"),
        (_SSHD, rf"User {_ANY_USER} from {_FROM} not allowed because", "failure", "logon_failed"),
        (_SSHD, rf"Disconnected from user {_ANY_USER} {_FROM} port \d+", "success", "logoff"),
        ("sudo", rf"\s*{_USER} : {_SUDO_NO} ;", "failure", "logon_failed"),
        ("sudo", rf"\s*{_USER} : (?:TTY|PWD)=", "success", "explicit_credentials"),
        ("su", rf"FAILED SU \(to {_USER}\)", "failure", "logon_failed"),
        ("su", rf"\(to {_USER}\) \S+ on ", "success", "explicit_credentials"),
        ("login", rf"FAILED LOGIN \(\d+\) on '[^']*'(?: from '{_FROM}')? FOR '{_USER}'", "failure", "logon_failed"),
        ("login", r"(?P<account>ROOT) LOGIN ", "success", "logon"),
        ("", rf"pam_unix\([\w-]+:auth\): authentication failure;.*?rhost={_FROM}?(?:\s+user={_USER})?\s*$", "failure",
         "logon_failed"),
        ("", rf"pam_\w+\([\w-]+:session\): session opened for user {_USER}?(?:\(| by|$)", "success", None),
        ("", rf"pam_\w+\([\w-]+:session\): session closed for user {_USER}", "success", None),
        ("systemd-logind", rf"New session \S+ of user {_USER}\.", "success", "logon"),
        ("useradd adduser", r"new user: name=(?P<account>[^,\s]{1,256})", "success", None),
        ("userdel", r"delete user '(?P<account>[^']{1,256})'", "success", None),
        ("usermod", r"(?:change|add) (?:user )?'(?P<account>[^']{1,256})'", "success", None),
        ("passwd chpasswd", r"(?:pam_unix\(\w+:chauthtok\): )?password changed for (?P<account>\S{1,256})", "success",
         None),
        ("groupadd", r"new group: name=", "success", None),
        ("systemd", r"(?:Started|Finished|Stopped|Reached target|Mounted|Listening on)\b", "success", None),
        ("systemd", r"Failed to (?:start|mount|listen|stop)\b|\S+: Failed with result|Dependency failed", "failure",
         None),
    )
)  # fmt: skip


def meaning(program: str, message: str) -> Meaning:
    """Say what a message of `program` means."""
    text = message[:_SCANNED]
    for programs, pattern, result, subtype in _TABLE:
        if programs and program not in programs:
            continue
        found = pattern.match(text)
        if found is not None:
            facts = found.groupdict()
            return Meaning(result, subtype, facts.get("account"), facts.get("remote"), facts.get("method"))
    return NOTHING
