"""Session files of logind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.normalise.logind import parse

FILE = """# This is private data. Do not parse.
UID=1000
USER=joe
ACTIVE=1
IS_DISPLAY=1
STATE=active
REMOTE=1
LEADER_FD_SAVED=0
TYPE=tty
ORIGINAL_TYPE=tty
CLASS=user
SCOPE=session-3.scope
FIFO=/run/systemd/sessions/3.ref
REMOTE_HOST=10.1.2.3
SERVICE=sshd
LEADER=15063
AUDIT=3
TTY=pts/0
REALTIME=1795498910852000
MONOTONIC=9912
"""


def test_a_session_of_ssh() -> None:
    session = parse("3", FILE)
    assert (session.user, session.uid, session.remote, session.remote_host) == ("joe", 1000, True, "10.1.2.3")
    assert (session.audit, session.leader, session.tty, session.service) == (3, 15063, "pts/0", "sshd")
    assert (session.start, session.state, session.category, session.kind) == (1795498910852000, "active", "user", "tty")


def test_escaped_text_and_missing_lines() -> None:
    session = parse("c1", "USER=a\\x20b\nREMOTE_HOST=\nLEADER=x\n")
    assert (session.user, session.remote_host, session.leader, session.audit) == ("a b", None, None, 0)


@given(st.text(max_size=300))
def test_any_text_is_read_without_error(text: str) -> None:
    parse("1", text)
    parse("1", f"USER=\\{text}")
