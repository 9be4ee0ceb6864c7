"""Single values that are looked for by equality: digests, names, addresses, URLs; and which columns hold such."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from vedette.query import ast, glob
from vedette.query.ast import Condition, Equals, HasUrl, InDomains, InNetworks, Node, OneOf, Test
from vedette.query.ioc import names
from vedette.schema.dictionary import FIELDS

PORTION = 5_000
"""Indicators of one statement."""


class Kind(StrEnum):
    """What an indicator is."""

    MD5 = "md5"
    SHA256 = "sha256"
    IMPHASH = "imphash"
    DOMAIN = "domain"
    """A name and all below it."""
    HOST = "host"
    """Exactly this name."""
    ADDRESS = "address"
    NETWORK = "network"
    URL = "url"
    FILE_NAME = "file_name"
    FILE_PATH = "file_path"
    PIPE = "pipe"
    REGISTRY_KEY = "registry_key"


_FILES = ("file", "process.file", "process.parent.file", "target.file")
_HOST_COLUMNS = ("dns.query", "dns.answers", "socket.remote_host")
_ADDRESS_COLUMNS = ("socket.remote_ip", "dns.answers", "auth.remote_ip", "winlog.data.IpAddress")
COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.MD5: (*(f"{one}.md5" for one in _FILES), "detect.object_md5"),
    Kind.SHA256: (*(f"{one}.sha256" for one in _FILES), "detect.object_sha256", "script.sha256"),
    Kind.IMPHASH: ("file.imphash", "process.file.imphash"),
    Kind.DOMAIN: _HOST_COLUMNS,
    Kind.HOST: _HOST_COLUMNS,
    Kind.ADDRESS: _ADDRESS_COLUMNS,
    Kind.NETWORK: _ADDRESS_COLUMNS,
    Kind.URL: ("process.command_line", "script.content"),
    Kind.FILE_NAME: ("file.name", "process.file.name"),
    Kind.FILE_PATH: ("file.path", "process.file.path"),
    Kind.PIPE: ("pipe.name",),
    Kind.REGISTRY_KEY: ("registry.key", "registry.path"),
}
"""Columns in which an indicator of each kind is looked for."""
TERMS = {
    Kind.MD5: "FileItem/Md5sum",
    Kind.SHA256: "FileItem/Sha256sum",
    Kind.IMPHASH: "FileItem/PEInfo/ImportHash",
    Kind.DOMAIN: "DnsEntryItem/Host",
    Kind.HOST: "DnsEntryItem/Host",
    Kind.ADDRESS: "PortItem/remoteIP",
    Kind.NETWORK: "PortItem/remoteIP",
    Kind.URL: "UrlHistoryItem/URL",
    Kind.FILE_NAME: "FileItem/FileName",
    Kind.FILE_PATH: "FileItem/FullPath",
    Kind.PIPE: "PipeItem/Name",
    Kind.REGISTRY_KEY: "RegistryItem/KeyPath",
}
"""The same as a term of OpenIOC: what the items of a host tell."""


class Indicator(Struct, frozen=True):
    """One value, as it is compared; a host name may have two spellings."""

    kind: Kind
    values: tuple[str, ...]
    line: int = 0

    @property
    def text(self) -> str:
        """What to show."""
        return self.values[0]


def indicator(kind: Kind, text: str, line: int = 0) -> Indicator | None:
    """An indicator in its canonical form; None if `text` is none of this kind."""
    values: tuple[str, ...]
    match kind:
        case Kind.MD5 | Kind.IMPHASH | Kind.SHA256:
            digits = 64 if kind is Kind.SHA256 else 32
            values = (text.lower(),) if len(text) == digits and set(text.lower()) <= set("0123456789abcdef") else ()
        case Kind.DOMAIN | Kind.HOST:
            values = names.forms(text.removeprefix("*.").removeprefix("."))
        case Kind.ADDRESS:
            packed = names.address(text.strip())
            values = () if packed is None else (names.written(packed),)
        case Kind.NETWORK:
            values = names.block(text)
        case Kind.URL:
            values = (names.url(text),) if names.is_url(text) else ()
        case _:
            values = (glob.fold(text),) if text else ()
    return Indicator(kind, values, line) if values and len(values[0]) <= ast.MAX_VALUE else None


def portions(indicators: tuple[Indicator, ...], most: int = PORTION) -> Iterator[Node]:
    """Trees that together match what `indicators` do, each of at most `most` of them."""
    by_kind: dict[Kind, dict[str, None]] = {}
    for one in indicators:
        by_kind.setdefault(one.kind, {}).update(dict.fromkeys(one.values))
    for kind, values in by_kind.items():
        listed = tuple(values)
        for start in range(0, len(listed), most):
            yield _node(kind, listed[start : start + most])


def _node(kind: Kind, values: tuple[str, ...]) -> Node:
    return ast.any_of(*[Condition(FIELDS[name], _test(kind, values)) for name in COLUMNS[kind]])


def _test(kind: Kind, values: tuple[str, ...]) -> Test:
    match kind:
        case Kind.DOMAIN:
            return InDomains(values)
        case Kind.HOST:
            return OneOf(tuple(f"{value}{dot}" for value in values for dot in ("", ".")))
        case Kind.ADDRESS | Kind.NETWORK:
            return InNetworks(values)
        case Kind.URL:
            return HasUrl(values)
        case _:
            return OneOf(values) if len(values) > 1 else Equals(values[0])
