"""Session files of systemd-logind, /run/systemd/sessions/ID: `NAME=value` lines. Values in, values out."""

import re
from typing import Final

import msgspec

from vedette.schema.fields import Micros

_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)


class LogindSession(msgspec.Struct, frozen=True):
    """One session as logind keeps it. `audit` is the audit session id, 0 when there is none."""

    id: str
    user: str | None = None
    uid: int | None = None
    kind: str = ""
    """tty, x11, wayland, web, unspecified."""
    category: str = ""
    """user, greeter, lock-screen, background, manager."""
    state: str = ""
    """opening, online, active, closing."""
    remote: bool = False
    remote_host: str | None = None
    tty: str | None = None
    leader: int | None = None
    audit: int = 0
    start: Micros | None = None
    service: str = ""


def parse(session: str, text: str) -> LogindSession:
    """Read the file of session `session`; lines that are not understood are left out."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            values[name] = _unquoted(value.strip())
    return LogindSession(
        id=session,
        user=values.get("USER") or None,
        uid=_number(values.get("UID")),
        kind=values.get("TYPE", ""),
        category=values.get("CLASS", ""),
        state=values.get("STATE", ""),
        remote=values.get("REMOTE") == "1",
        remote_host=values.get("REMOTE_HOST") or None,
        tty=values.get("TTY") or None,
        leader=_number(values.get("LEADER")),
        audit=_number(values.get("AUDIT")) or 0,
        start=_number(values.get("REALTIME")),
        service=values.get("SERVICE", ""),
    )


def _unquoted(value: str) -> str:
    """Undo the C escapes that logind writes for unusual characters."""
    if "\\" not in value:
        return value
    raw = _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], value.encode("utf-8", "replace")
    )
    return raw.decode("utf-8", "replace")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) <= 18 else None
