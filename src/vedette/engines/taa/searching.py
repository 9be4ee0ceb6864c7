"""Which of many patterns a text matches: by Hyperscan, or by n-grams and RE2 where there is no build of it.

A Hyperscan database is bound to the processor's features. Databases are made in parts: when a few patterns are new,
they get a small part of their own, and the large one stays as it is.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from vedette.engines.taa import patterns
from vedette.query.ast import Like, Regex
from vedette.query.glob import fold_ascii

try:
    import hyperscan

    AVAILABLE = True
except ImportError:  # no build for this processor
    AVAILABLE = False

Pattern = Like | Regex
Check = Callable[[str], bool]


class Database(Struct, frozen=True):
    """A compiled part as bytes, for the disk."""

    patterns: tuple[Pattern, ...]
    data: bytes


class Search(Protocol):
    """Finds patterns, by their number."""

    def find(self, text: str, data: bytes) -> list[int]:
        """Give the numbers of the patterns that `text` (as UTF-8: `data`) matches; some may come twice."""
        ...

    def databases(self) -> tuple[Database, ...]:
        """Give what was compiled, to be kept."""
        ...


_ODD = "\u0130"
"""The one letter whose lower case is two: Hyperscan does not know that."""
FEW = 256
"""New patterns that get a part of their own."""


def search(wanted: Sequence[Pattern], kept: Sequence[Database] = (), *, plain: bool = False) -> Search:
    """Give a search for `wanted`, out of what was `kept` as far as that goes; `plain`: without Hyperscan."""
    if plain or not AVAILABLE:
        return Grams(wanted)
    return Hyper(wanted, kept)


class Hyper:
    """By Hyperscan; expressions are confirmed by RE2, whose meaning is the store's."""

    def __init__(self, wanted: Sequence[Pattern], kept: Sequence[Database]) -> None:
        self._confirm: dict[int, Check] = {}
        self._always: list[tuple[int, Check]] = []
        self._odd: list[tuple[int, Check]] = []
        self._parts: list[tuple[Database, Any, list[int]]] = []
        number = {pattern: position for position, pattern in enumerate(wanted)}
        for one in _parts(wanted, kept):
            part, database = _ready(one)
            self._parts.append((part, database, [number.get(pattern, -1) for pattern in part.patterns]))
        for pattern, position in number.items():
            if _flags(pattern) is None:
                self._always.append((position, patterns.check(pattern)))
            elif isinstance(pattern, Regex):
                self._confirm[position] = patterns.check(pattern)
            elif _beyond_ascii(pattern):
                self._confirm[position] = patterns.check(pattern)
                self._odd.append((position, self._confirm[position]))

    def find(self, text: str, data: bytes) -> list[int]:
        """See `Search`."""
        found: list[int] = []
        for _, database, numbers in self._parts:
            if database is None:
                continue
            hits: list[int] = []
            database.scan(data, match_event_handler=_note, context=hits)
            if hits:
                found += [number for hit in hits if (number := numbers[hit]) >= 0]
        if found and self._confirm:
            found = [hit for hit in found if hit not in self._confirm or self._confirm[hit](text)]
        if self._always:
            found += [position for position, check in self._always if check(text)]
        if _ODD in text:
            found += [position for position, check in self._odd if check(text)]
        return found

    def databases(self) -> tuple[Database, ...]:
        """See `Search`."""
        return tuple(part for part, _, _ in self._parts)


def _note(identity: int, _start: int, _end: int, _flags: int, hits: list[int]) -> None:
    hits.append(identity)


def _parts(wanted: Sequence[Pattern], kept: Sequence[Database]) -> list[Database]:
    """Give the parts that cover `wanted`: the kept large one and a small one of what it lacks, or one of all."""
    if not wanted:
        return []
    base = max(kept, key=lambda part: len(part.patterns), default=None)
    if base is not None:
        has = set(base.patterns)
        missing = tuple(pattern for pattern in wanted if pattern not in has)
        stale = len(has) + len(missing) - len(wanted)
        if len(missing) <= FEW and stale <= max(FEW, len(has) // 4):
            small = next((part for part in kept if set(part.patterns) == set(missing)), Database(missing, b""))
            return [base, small] if missing else [base]
    return [Database(tuple(wanted), b"")]


def _ready(part: Database) -> tuple[Database, Any]:
    """Give a part with its database, compiled when its bytes are missing or of another processor."""
    database = _loaded(part)
    if database is None:
        part = _compiled(part.patterns)
        database = _loaded(part)
    return part, database


def _loaded(part: Database) -> Any:
    """Give a usable database of a part; None when its bytes are of another processor, or of nothing."""
    if not part.data:
        return None
    try:
        database = hyperscan.loadb(part.data, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error:
        return None
    return database


def _compiled(of: Sequence[Pattern]) -> Database:
    texts, numbers, flags = [], [], []
    for number, pattern in enumerate(of):
        how = _flags(pattern)
        if how is None:
            continue
        texts.append(_expression(pattern).encode())
        numbers.append(number)
        flags.append(how)
    if not texts:
        return Database(tuple(of), b"")
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=texts, ids=numbers, elements=len(texts), flags=flags)
    return Database(tuple(of), hyperscan.dumpb(database))


def _expression(pattern: Pattern) -> str:
    if isinstance(pattern, Regex):
        return pattern.pattern
    return patterns.expression(pattern.pattern, units="text" if _beyond_ascii(pattern) else "bytes")


def _beyond_ascii(pattern: Pattern) -> bool:
    """Whether the case of letters beyond ASCII counts as equal: Hyperscan finds enough then, RE2 confirms."""
    return isinstance(pattern, Like) and not pattern.cased and not pattern.pattern.isascii()


def _flags(pattern: Pattern) -> int | None:
    """Give Hyperscan's flags for a pattern; None when it cannot have it. An expression need only match enough."""
    once = int(hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY)
    caseless = int(hyperscan.HS_FLAG_CASELESS)
    if isinstance(pattern, Like):
        if pattern.cased:
            return once
        return once | caseless | (int(hyperscan.HS_FLAG_UTF8) if _beyond_ascii(pattern) else 0)
    known = _regex_flags(pattern, once)
    return known if known >= 0 else None


@lru_cache(4096)
def _regex_flags(pattern: Regex, once: int) -> int:
    how = once | int(hyperscan.HS_FLAG_UTF8)
    how |= int(hyperscan.HS_FLAG_CASELESS) if "i" in pattern.flags else 0
    how |= int(hyperscan.HS_FLAG_DOTALL) if "s" in pattern.flags else 0
    how |= int(hyperscan.HS_FLAG_MULTILINE) if "m" in pattern.flags else 0
    for more in (0, int(hyperscan.HS_FLAG_PREFILTER)):
        try:
            trial = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            trial.compile(expressions=[pattern.pattern.encode()], ids=[0], elements=1, flags=[how | more])
        except hyperscan.error:
            continue
        return how | more
    return -1


class Grams:
    """By the first letters of a necessary text of each pattern, then by RE2."""

    LENGTH = 4

    def __init__(self, wanted: Sequence[Pattern]) -> None:
        self._wanted = tuple(wanted)
        self._by_gram: dict[str, list[int]] = {}
        self._short: list[int] = []
        self._checks: dict[int, Check] = {}
        for number, pattern in enumerate(wanted):
            texts = patterns.literals(pattern)
            if not texts or min(map(len, texts)) < self.LENGTH or not all(map(str.isascii, texts)):
                self._short.append(number)
                continue
            for text in texts:
                self._by_gram.setdefault(text[: self.LENGTH], []).append(number)

    def find(self, text: str, data: bytes) -> list[int]:  # noqa: ARG002 - Hyperscan's need
        """See `Search`."""
        folded = fold_ascii(text)
        length = self.LENGTH
        grams = {folded[at : at + length] for at in range(len(folded) - length + 1)} & self._by_gram.keys()
        candidates = itertools.chain(self._short, *(self._by_gram[gram] for gram in grams))
        return [number for number in dict.fromkeys(candidates) if self._check(number)(text)]

    def _check(self, number: int) -> Check:
        check = self._checks.get(number)
        if check is None:
            check = self._checks[number] = patterns.check(self._wanted[number])
        return check

    def databases(self) -> tuple[Database, ...]:
        """See `Search`."""
        return ()
