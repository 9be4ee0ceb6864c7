"""Flat lists: one digest, domain, address, block or URL a line; a comment follows `#`, `;`, a comma or a tab.

A line may say what it is, and is then taken whole: `file_name=evil.exe`, `host=exactly.this.example`.
"""

import re
from collections.abc import Iterable, Iterator

from vedette.query.ioc import names
from vedette.query.ioc.criteria import Problem
from vedette.query.ioc.indicators import Indicator, Kind, indicator

MAX_LINE = 8_192
_DIGEST = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128}")
_DIGESTS = {32: Kind.MD5, 64: Kind.SHA256}
_FIELD = re.compile(r"[;,\t]| #")
_NAMED = re.compile(rf"({'|'.join(Kind)})=(.+)", re.DOTALL)
_PORT = re.compile(r"(.+):\d{1,5}")


def read_lines(lines: Iterable[str], *, subdomains: bool = True) -> Iterator[Indicator | Problem]:
    """One indicator or problem for each line that says something.

    `subdomains`: a plain domain also means the names below it, as `*.name` and `.name` always do.
    """
    for number, line in enumerate(lines, 1):
        text = line[: MAX_LINE + 1].strip().lstrip("\ufeff")
        if not text or text.startswith(("#", ";", "//")):
            continue
        if len(text) > MAX_LINE:
            yield Problem(text[:40] + "…", f"a line of more than {MAX_LINE:,} characters", number)
            continue
        yield _read(text, number, subdomains=subdomains)


def _read(text: str, line: int, *, subdomains: bool) -> Indicator | Problem:
    if digest := _digest(_FIELD.split(text, maxsplit=1)[0].strip(), line):
        return digest
    if named := _NAMED.fullmatch(text):
        return indicator(Kind(named[1]), named[2], line) or Problem(text[:80], f"this is no {named[1]}", line)
    text = names.refanged(text)
    if names.is_url(text):
        text = text.split()[0].partition(";")[0]
        return indicator(Kind.URL, text, line) or Problem(text, "this is no URL", line)
    text = _FIELD.split(text, maxsplit=1)[0].strip().strip("\"'")
    if found := _address(text, line) or _name(text, line, subdomains=subdomains):
        return found
    return Problem(text[:80], "this is no digest, domain, address, block or URL", line)


def _address(text: str, line: int) -> Indicator | None:
    """A block, or an address, which may have a port."""
    if "/" in text and (found := indicator(Kind.NETWORK, text, line)):
        return found
    port = _PORT.fullmatch(text)
    plain = indicator(Kind.ADDRESS, text.removeprefix("[").removesuffix("]"), line)
    return plain or (indicator(Kind.ADDRESS, port[1].strip("[]"), line) if port else None)


def _name(text: str, line: int, *, subdomains: bool) -> Indicator | None:
    kind = Kind.DOMAIN if subdomains or text.startswith((".", "*.")) else Kind.HOST
    return indicator(kind, text, line) if names.is_host_name(text.removeprefix("*.").removeprefix(".")) else None


def _digest(text: str, line: int) -> Indicator | Problem | None:
    if not _DIGEST.fullmatch(text):
        return None
    kind = _DIGESTS.get(len(text))
    found = indicator(kind, text, line) if kind else None
    return found or Problem(f"digest of {len(text)} digits", "no event carries it; MD5 and SHA-256 are", line)
