"""What the texts in Windows records mean: numbers, times, ids, accounts, paths, digests. None = not known."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from vedette.schema.fields import Micros

UNKNOWN: Final = frozenset(("", "-", "?", "N/A", "(null)", "NULL"))
"""How Windows and Sysmon write that they do not know."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_DIGITS: Final = 20
_FILETIME_EPOCH: Final = 11_644_473_600_000_000
"""1601-01-01 in microseconds before 1970."""
_AMERICAN: Final = "%m/%d/%Y %I:%M:%S %p"
_HEX: Final = frozenset("0123456789abcdef")
_GUID: Final = 40
_WORD: Final = 1024
"""Characters that are looked at, and so remembered, of texts that are short in real records."""


def known(text: str | None) -> str | None:
    """Give a text that says something."""
    return None if text is None or text in UNKNOWN else text


def number(value: object, maximum: int = 2**32 - 1) -> int | None:
    """Read a number in decimal or, with 0x, in hex; None when it is none or out of bounds."""
    if type(value) is int:
        return value if 0 <= value <= maximum else None
    if not isinstance(value, str) or len(value) > _DIGITS:
        return None
    try:
        read = int(value, 16) if value[:2] in ("0x", "0X") else int(value) if value.isascii() else -1
    except ValueError:
        return None
    return read if 0 <= read <= maximum else None


def moment(text: object) -> Micros | None:
    """Read `2021-12-04T21:19:16.741995Z` or `2021-12-04 21:19:16.741`; UTC where no zone is given."""
    if not isinstance(text, str) or not 10 <= len(text) <= 40:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return _american(text)
    try:
        return (read.replace(tzinfo=UTC) - _EPOCH if read.tzinfo is None else read - _EPOCH) // _MICRO
    except OverflowError:
        return None


def _american(text: str) -> Micros | None:
    """Read `6/9/2020 5:53:46 AM`, as Defender writes times on an English Windows."""
    try:
        return (datetime.strptime(text, _AMERICAN).replace(tzinfo=UTC) - _EPOCH) // _MICRO
    except ValueError:
        return None


def filetime(text: str | None) -> Micros | None:
    """Read hundreds of nanoseconds since 1601."""
    ticks = number(text, 2**63 - 1)
    return None if ticks is None else ticks // 10 - _FILETIME_EPOCH


def guid(text: str | None) -> str | None:
    """Give a GUID as 32 hex digits; None for none and for the one of zeros."""
    return None if text is None or len(text) > _GUID else _guid(text)


@lru_cache(16_384)
def _guid(text: str) -> str | None:
    digits = text.strip("{}").replace("-", "").lower()
    return digits if len(digits) == 32 and set(digits) <= _HEX and digits.strip("0") else None


def account(text: str | None) -> tuple[str | None, str | None]:
    """Split an account into domain and name at its last backslash."""
    return (None, None) if text is None or text in UNKNOWN else _account(text[:_WORD])


@lru_cache(4096)
def _account(text: str) -> tuple[str | None, str | None]:
    domain, separator, name = text.rpartition("\\")
    return (domain or None, name) if separator else (None, text)


def digests(text: str | None) -> dict[str, str]:
    """Read `SHA1=...,MD5=...` of Sysmon: name in lower case -> digest in lower-case hex."""
    return _digests((text or "")[:_WORD])


@lru_cache(8192)
def _digests(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        value = value.strip().lower()
        if value and set(value) <= _HEX:
            found[name.strip().lower()] = value
    return found


def digest(found: dict[str, str], name: str, length: int) -> str | None:
    """Give one digest when it is as long as it must be."""
    value = found.get(name)
    return value if value is not None and len(value) == length else None


def split(path: str) -> tuple[str | None, str]:
    """Give folder and name of a path."""
    directory, separator, name = path.rpartition("\\")
    if not separator:
        return None, path
    return (directory + "\\" if not directory or directory.endswith(":") else directory), name


def address(text: str | None) -> str | None:
    """Give an IP address, an IPv4 one written as IPv6 as IPv4; `LOCAL` and unknown ones are none."""
    text = known(text)
    if text is None or text.upper() == "LOCAL":
        return None
    return text[7:] if text[:7].lower() == "::ffff:" and "." in text else text
