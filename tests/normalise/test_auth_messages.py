"""What messages of login programs mean; the texts are those that the programs write."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.normalise.auth_messages import NOTHING, meaning


@pytest.mark.parametrize(
    ("program", "message", "result", "subtype", "account", "remote"),
    [
        ("sshd", "Accepted publickey for joe from 127.0.0.1 port 45738 ssh2: ED25519 SHA256:K", "success", "logon",
         "joe", "127.0.0.1"),
        ("sshd-session", "Accepted password for joe from fe80::1%eth0 port 4 ssh2", "success", "logon", "joe",
         "fe80::1%eth0"),
        ("sshd", "Failed password for root from 10.0.0.9 port 4 ssh2", "failure", "logon_failed", "root", "10.0.0.9"),
        ("sshd", "Invalid user bob from ::1 port 22", "failure", "logon_failed", "bob", "::1"),
        ("sshd", "Connection closed by authenticating user joe 127.0.0.1 port 4 [preauth]", "failure", "logon_failed",
         "joe", "127.0.0.1"),
        ("sshd", "Disconnected from user joe 127.0.0.1 port 4", "success", "logoff", "joe", "127.0.0.1"),
        ("sudo", "     joe : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", "success", "explicit_credentials", "joe",
         None),
        ("sudo", "joe : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/", "failure", "logon_failed", "joe", None),
        ("sudo", "joe : user NOT in sudoers ; TTY=pts/0", "failure", "logon_failed", "joe", None),
        ("su", "FAILED SU (to root) joe on pts/0", "failure", "logon_failed", "root", None),
        ("su", "(to root) joe on pts/0", "success", "explicit_credentials", "root", None),
        ("login", "FAILED LOGIN (1) on '/dev/tty1' FOR 'joe', Authentication failure", "failure", "logon_failed",
         "joe", None),
        ("su", "pam_unix(su:auth): authentication failure; logname= uid=5 euid=0 tty=pts/0 ruser=x rhost=  user=root",
         "failure", "logon_failed", "root", None),
        ("sshd", "pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=10.0.0.5  user=root", "failure",
         "logon_failed", "root", "10.0.0.5"),
        ("cron", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", "success", None, "root",
         None),
        ("useradd", "new user: name=eve, UID=1001, GID=1001, home=/home/eve", "success", None, "eve", None),
        ("systemd", "Failed to start x.service - X.", "failure", None, None, None),
        ("systemd", "Started x.service - X.", "success", None, None, None),
    ],
)  # fmt: skip
def test_message(
    program: str, message: str, result: str, subtype: str | None, account: str | None, remote: str | None
) -> None:
    told = meaning(program, message)
    assert (told.result, told.subtype, told.account, told.remote) == (result, subtype, account, remote)


def test_an_address_in_a_typed_name_is_not_taken_for_the_real_one() -> None:
    told = meaning("sshd", "Failed password for invalid user x from 9.9.9.9 port 1 ssh2 from 1.2.3.4 port 22 ssh2")
    assert told.remote == "1.2.3.4"


def test_another_program_cannot_speak_for_sshd() -> None:
    assert meaning("logger", "Accepted password for root from 1.2.3.4 port 1 ssh2") == NOTHING


@given(st.sampled_from(["sshd", "sudo", "su", "login", "systemd", "x"]), st.text(max_size=400))
def test_any_message_is_read_without_error(program: str, message: str) -> None:
    meaning(program, message)


@pytest.mark.parametrize("piece", [" from ", "Failed password for ", "1 ", " port ", "a:", "::"])
def test_a_hostile_message_costs_little(piece: str) -> None:
    for start in (
        "",
        "Failed password for invalid user ",
        "Accepted publickey for ",
        "pam_unix(x:auth): authentication failure; ",
    ):
        before = time.process_time()
        for program in ("sshd", "sudo", "su", "x"):
            meaning(program, start + piece * 100_000)
        assert time.process_time() - before < 0.5
