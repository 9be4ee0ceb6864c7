"""An indicator, and what could match it in a column, as 16 bytes: what the table compares."""

from collections.abc import Callable, Iterator
from hashlib import blake2b

from vedette.query import glob
from vedette.query.ioc import names
from vedette.query.ioc.indicators import COLUMNS, Indicator, Kind

KEY = 16
_DIGESTS = frozenset({Kind.MD5, Kind.SHA256, Kind.IMPHASH})
_HOSTS = frozenset({Kind.DOMAIN, Kind.HOST})
_ORDER = {kind: bytes([number]) for number, kind in enumerate(Kind)}

KINDS: dict[str, tuple[Kind, ...]] = {
    column: tuple(kind for kind, columns in COLUMNS.items() if column in columns)
    for column in dict.fromkeys(column for columns in COLUMNS.values() for column in columns)
}
"""Column -> kinds of indicators that are looked for in it."""


class Keys:
    """Makes keys. A key of text is a keyed hash, so that nobody can make a name that meets another's key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, indicator: Indicator) -> list[bytes]:
        """One key for each spelling of an indicator."""
        kind = indicator.kind
        if kind in _DIGESTS:
            return [_digest(kind, value) for value in indicator.values]
        if kind in {Kind.ADDRESS, Kind.NETWORK}:
            return [self._block(*names.network(value)) for value in indicator.values]
        return [self._text(kind, value) for value in indicator.values]

    def lookups(
        self, kinds: tuple[Kind, ...], lengths: tuple[int, ...], labels: int
    ) -> Callable[[str], Iterator[bytes]]:
        """What gives the keys that a value could meet, if only such kinds, prefixes and labels occur."""
        wanted = frozenset(kinds)
        text = tuple(kind for kind in kinds if kind not in _DIGESTS | _HOSTS | {Kind.ADDRESS, Kind.NETWORK, Kind.URL})
        digest = next((kind for kind in kinds if kind in _DIGESTS), None)

        def keys(value: str) -> Iterator[bytes]:
            if digest is not None and len(value) == (64 if digest is Kind.SHA256 else 32):
                yield from _known_digest(digest, value)
            for kind in text:
                if folded := _folded(value):
                    yield self._text(kind, folded)
            if wanted & _HOSTS:
                yield from self._names(value, wanted, labels)
            if lengths and wanted & {Kind.ADDRESS, Kind.NETWORK}:
                yield from self._blocks(value, lengths)
            if Kind.URL in wanted and "://" in value:
                yield from (self._text(Kind.URL, url) for url in names.urls_in(value))

        return keys

    def _names(self, value: str, wanted: frozenset[Kind], labels: int) -> Iterator[bytes]:
        folded = _folded(value)
        above = names.above(folded) if folded else []
        if Kind.HOST in wanted and above:
            yield self._text(Kind.HOST, above[0])
        if Kind.DOMAIN in wanted and labels:
            yield from (self._text(Kind.DOMAIN, name) for name in above[-labels:])

    def _blocks(self, value: str, lengths: tuple[int, ...]) -> Iterator[bytes]:
        packed = names.address(value)
        if packed is not None:
            number = int.from_bytes(packed)
            for length in lengths:
                yield self._block((number >> (128 - length) << (128 - length)).to_bytes(16), length)

    def _block(self, first: bytes, length: int) -> bytes:
        return blake2b(b"/%d %s" % (length, first), digest_size=KEY, key=self._secret).digest()

    def _text(self, kind: Kind, value: str) -> bytes:
        return blake2b(_ORDER[kind] + value.encode(), digest_size=KEY, key=self._secret).digest()


def _folded(value: str) -> str:
    """`value` as the store compares it; "" if its ASCII look is only due to folding (the Kelvin sign is no k)."""
    folded = glob.fold(value)
    return "" if folded.isascii() and not value.isascii() else folded


def _digest(kind: Kind, value: str) -> bytes:
    """The digest's first bytes, which nobody chooses, marked by its kind."""
    number = bytes.fromhex(value)[:KEY]
    return number[:-1] + bytes([number[-1] ^ _ORDER[kind][0]])


def _known_digest(kind: Kind, value: str) -> Iterator[bytes]:
    """Nothing for what is no digest as events have them: lower-case hexadecimal digits."""
    try:
        if bytes.fromhex(value).hex() == value:
            yield _digest(kind, value)
    except ValueError:
        return
