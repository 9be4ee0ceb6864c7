"""What a record of a Unix log says, before the acting process is joined to it."""

from typing import Final

from msgspec import Struct

from vedette.schema.entities import Auth, OsLog
from vedette.schema.fields import Micros

NO_ID: Final = 0xFFFFFFFF
"""No login uid, no session: the kernel's -1."""
LONGEST: Final = 16_384
"""Characters of a message that are kept."""


class LogRecord(Struct, frozen=True, kw_only=True):
    """One record. `account` is whom it is about; the other ids are those of the process that caused it."""

    time: Micros
    oslog: OsLog
    auth: Auth | None = None
    pid: int | None = None
    uid: int | None = None
    login_uid: int = NO_ID
    session: int = NO_ID
    """Audit session id."""
    account: str | None = None
    executable: str | None = None
    terminal: str | None = None
    """As the record tells it: a line like `pts/0`, or a word like `ssh` or `cron`."""
    remote: str | None = None
    """Name, else address, of the remote host."""
    change: str = ""
    """Of a login session: `assigned` (it got its number), `opened`, `closed`; else empty."""


def cut(text: str) -> str:
    """Shorten a message to what is kept, saying so."""
    return text if len(text) <= LONGEST else text[: LONGEST - 12] + " [truncated]"
