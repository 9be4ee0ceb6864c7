"""Lines of a syslog file such as /var/log/auth.log -> log records. RFC 3164 as rsyslog writes it, or RFC 3339 times."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from vedette.normalise.auth_messages import meaning
from vedette.normalise.log_record import LogRecord, cut
from vedette.schema.entities import OsLog
from vedette.schema.fields import Micros

_LINE: Final = re.compile(
    r"(?:(?P<old>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(?P<iso>\d{4}-\d\d-\d\dT\S{8,32})) (?P<host>\S{1,255}) "
    r"(?P<program>[^\s\[:]{1,128})(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)",
    re.DOTALL,
)


def parse(line: str, now: Micros, zone: tzinfo | None = None) -> LogRecord | None:
    """Read one line; None when it is none. Old lines have no year and are in `zone` (None: that of the host)."""
    found = _LINE.fullmatch(line.rstrip("\n"))
    if found is None:
        return None
    time = _time(found, now, zone)
    if time is None:
        return None
    program, message = found["program"], found["message"]
    told = meaning(program, message)
    return LogRecord(
        time=time,
        oslog=OsLog(type=program, result=told.result, source="syslog", unit=program, message=cut(message)),
        auth=told.auth(),
        pid=int(found["pid"]) if found["pid"] else None,
        account=told.account,
        remote=told.remote,
    )


def _time(found: re.Match[str], now: Micros, zone: tzinfo | None) -> Micros | None:
    try:
        if found["iso"]:
            moment = datetime.fromisoformat(found["iso"])
            return _micros(moment if moment.tzinfo else moment.replace(tzinfo=zone).astimezone())
        current = datetime.fromtimestamp(now / 1e6, UTC)
        text = f"{current.year} {found['old']}"
        moment = datetime.strptime(text, "%Y %b %d %H:%M:%S").replace(tzinfo=zone).astimezone()
        if moment > current + timedelta(days=1):  # written last year
            moment = moment.replace(year=moment.year - 1)
        return _micros(moment)
    except (ValueError, OverflowError, OSError):
        return None


def _micros(moment: datetime) -> Micros:
    return round(moment.timestamp() * 1_000_000)
