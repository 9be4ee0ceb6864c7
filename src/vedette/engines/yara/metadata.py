"""What the `meta` of a YARA rule tells: the name of the threat, the date of the rule."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping

from vedette.schema.fields import Micros

THREAT = ("threat", "threat_name", "tc_detection_name", "malware", "malware_name", "malware_family", "family")
"""Keys under which public rule sets name the threat, best first."""
DATES = ("modified", "last_modified", "date", "creation_date")

_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")


def threat_name(identifier: str, meta: Mapping[str, object]) -> str:
    """Give the name of the threat; the rule's identifier when its meta has none."""
    for key in THREAT:
        value = meta.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:1024]
    return identifier


def released(metas: Iterable[Mapping[str, object]], *, until: Micros) -> Micros | None:
    """Give the newest date that these rules bear, in microseconds UTC; dates after `until` are mistakes."""
    dates = [date for meta in metas for key in DATES if (date := _date(meta.get(key))) is not None and date <= until]
    return max(dates, default=None)


def _date(value: object) -> Micros | None:
    found = _DATE.search(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        date = dt.datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=dt.UTC)
    except ValueError:
        return None
    return int(date.timestamp()) * 1_000_000
