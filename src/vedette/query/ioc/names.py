"""Host names, addresses, URLs and digests in the one form in which they are compared; defanged forms are understood."""

import ipaddress
import re

import idna

from vedette.query import glob
from vedette.query.ast import MAX_HOST_NAME

_DEFANGED = (
    (re.compile(r"\[\s*(?:\.|dot)\s*\]|\(\s*(?:\.|dot)\s*\)|\{\s*(?:\.|dot)\s*\}", re.IGNORECASE), "."),
    (re.compile(r"\[\s*:\s*\]"), ":"),
    (re.compile(r"\[\s*:\s*//\s*\]|\[\s*://\s*\]"), "://"),
    (re.compile(r"\[\s*/\s*\]"), "/"),
    (re.compile(r"\[\s*(?:@|at)\s*\]", re.IGNORECASE), "@"),
    (re.compile(r"^(h)(?:xx|tt|xt|tx)(ps?)\b", re.IGNORECASE), r"\1tt\2"),
    (re.compile(r"^(f)(?:x)(p)\b", re.IGNORECASE), r"\1t\2"),
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_SCHEME = re.compile(r"(?:https?|ftp)://", re.IGNORECASE)
MAX_NAME = 253
URL_IN_TEXT = r"(?:https?|ftp)://[^\x00-\x20\"'<>|\\^`{}]+"
"""A URL within a folded text; the same expression runs in the store."""
URL_STEPS = (
    (r"#.*", ""),
    (r"^(http://[^/?:]*):80([/?]|$)", r"\1\2"),
    (r"^(https://[^/?:]*):443([/?]|$)", r"\1\2"),
    (r"[/.,;)\]]+$", ""),
)
"""(expression, replacement), applied in order: fragment, default port, what follows a URL in a text."""
_STEPS = tuple((re.compile(pattern), replacement) for pattern, replacement in URL_STEPS)
_URLS = re.compile(URL_IN_TEXT)


def refanged(text: str) -> str:
    """Undo the usual ways of making an indicator unclickable: hxxp, [.], (dot), [:]//."""
    text = text.strip()
    for pattern, replacement in _DEFANGED:
        text = pattern.sub(replacement, text)
    return text


def forms(text: str) -> tuple[str, ...]:
    """Spellings of a host name in events: as in DNS, and in letters; without trailing dot, lower case. () = no name."""
    name = text.strip().removesuffix(".").lower()
    if not name or len(name) > MAX_NAME * 4:
        return ()
    try:
        ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ()
    if len(ascii_name) > MAX_NAME or not all(map(_LABEL.fullmatch, ascii_name.split("."))):
        return ()
    if "xn--" not in ascii_name:
        return (ascii_name,)
    try:
        return tuple(dict.fromkeys((ascii_name, idna.decode(ascii_name), name)))
    except (idna.IDNAError, UnicodeError):
        return (ascii_name,)


def is_host_name(text: str) -> bool:
    """Whether `text` is a host name of at least two labels that is no address."""
    found = forms(text)
    return bool(found) and "." in found[0] and not found[0].rpartition(".")[2].isdigit()


def address(text: str) -> bytes | None:
    """16 bytes of an IPv4 (mapped) or IPv6 address, however it is written; None for other text, and with a zone."""
    try:
        found = ipaddress.ip_address("" if "%" in text else text)
    except ValueError:
        return None
    return b"\0" * 10 + b"\xff\xff" + found.packed if len(found.packed) == 4 else found.packed


def network(text: str) -> tuple[bytes, int]:
    """(first address as 16 bytes, prefix length of 128) of a CIDR block. Raises ValueError for other text."""
    found = ipaddress.ip_network(text, strict=False)
    if found.version == 6:
        return found.network_address.packed, found.prefixlen
    return b"\0" * 10 + b"\xff\xff" + found.network_address.packed, found.prefixlen + 96


def above(name: str) -> list[str]:
    """`name` and every domain it is in, without a last dot; [] for a name that is too long to be one."""
    if len(name) > MAX_HOST_NAME:
        return []
    labels = name.removesuffix(".").split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def is_url(text: str) -> bool:
    """Whether `text` starts as a URL that is looked for."""
    return bool(_SCHEME.match(text))


def url(text: str) -> str:
    """A URL as it is compared: lower case, without fragment, default port and trailing slashes or stops."""
    text = glob.fold_ascii(text.strip())
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text


def urls_in(text: str) -> list[str]:
    """URLs in a text, as they are compared."""
    return [url(found) for found in _URLS.findall(glob.fold_ascii(text))]


def written(packed: bytes) -> str:
    """16 bytes of an address, as people write it."""
    found = ipaddress.IPv6Address(packed)
    return str(found.ipv4_mapped or found)


def block(text: str) -> tuple[str, ...]:
    """A CIDR block in its canonical form; () for other text."""
    try:
        return (str(ipaddress.ip_network(text.strip(), strict=False)),)
    except ValueError:
        return ()
