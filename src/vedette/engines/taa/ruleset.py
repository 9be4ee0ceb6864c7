"""Texts of rules -> a compiled set, with what an earlier one left on the disk.

The file holds the rules by the digest of their text and the databases by field, so that a changed rule costs what is
its own. It is of this version of Vedette and, as far as the databases go, of this processor.
"""

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from msgspec import Struct

from vedette import __version__
from vedette.engines.taa.compiled import Compiled
from vedette.engines.taa.correlated import Correlated, usable
from vedette.engines.taa.engine import Taa
from vedette.engines.taa.searching import Database
from vedette.query import packed
from vedette.query.ast import Node
from vedette.query.packed import Packed, Packer, Tables, Unpacker
from vedette.query.sigma import MAX_BYTES, Correlation, Placeholders, Refused, Rule, Ruling, read
from vedette.query.sigma.sources import Source
from vedette.runtime.files import write_atomic
from vedette.schema.rule_facts import RuleFacts

FORMAT = 1
MAX_FILES = 20_000
MOST_BYTES = 256 << 20
"""Of a kept set, unpacked."""


class RuleText(Struct, frozen=True):
    """A file of rules: where it is from, for messages, and what it says."""

    where: str
    text: bytes


class Loaded(Struct, frozen=True):
    """A set of rules ready for use, and what could not be used."""

    compiled: Compiled
    correlations: tuple[Correlation, ...]
    refused: tuple[Refused, ...]
    parsed: int
    """Files that had to be parsed: the others were known."""

    def engine(self) -> Taa | Correlated:
        """Give the engine of these rules, with memory when there are correlations."""
        base = Taa(self.compiled)
        return Correlated(base, self.compiled.rules, self.correlations) if self.correlations else base

    @property
    def ids(self) -> frozenset[str]:
        """Rules that can give findings."""
        return frozenset(one.id for one in self.compiled.rules) | {one.id for one in self.correlations}


class _Rule(Struct, frozen=True, array_like=True):
    facts: RuleFacts
    name: str
    types: tuple[str, ...]
    family: str
    channels: tuple[str, ...]
    condition: Packed
    detection: Packed


class _File(Struct, frozen=True, array_like=True):
    """What one file says."""

    rules: tuple[_Rule, ...]
    correlations: tuple[Correlation, ...]
    refused: tuple[Refused, ...]


class _Set(Struct, frozen=True):
    """The file on the disk."""

    key: str
    machine: str
    tables: Tables
    files: dict[str, _File]
    databases: dict[str, tuple[Database, ...]]


def read_folder(folder: Path) -> Iterator[RuleText]:
    """Give the rule files below a folder, in order; or the one file. Those too large are cut: reading them says so."""
    if folder.is_file():
        with folder.open("rb") as file:
            yield RuleText(folder.name, file.read(MAX_BYTES + 1))
        return
    for number, path in enumerate(sorted(folder.rglob("*.y*ml"))):
        if path.suffix in {".yml", ".yaml"} and path.is_file() and number < MAX_FILES:
            with path.open("rb") as file:
                yield RuleText(str(path.relative_to(folder)), file.read(MAX_BYTES + 1))


def load(
    texts: Iterable[RuleText],
    *,
    kept: Path | None = None,
    placeholders: Placeholders | None = None,
    plain: bool = False,
) -> Loaded:
    """Give the set of `texts`; `kept` names the file where it is kept for the next time."""
    earlier = _Earlier(kept, placeholders or {})
    files: dict[str, list[Ruling]] = {}
    parsed = 0
    for one in texts:
        digest = hashlib.blake2b(one.text, digest_size=16, person=b"vedette rule").hexdigest() + one.where
        known = earlier.rulings(digest)
        if known is None:
            known = read(one.text, one.where, placeholders)
            parsed += 1
        files[digest] = known
    rules, correlations, refused = _chosen(files.values())
    correlations, useless = usable(rules, correlations)
    compiled = Compiled(rules, earlier.databases, plain=plain)
    if kept is not None and (parsed or len(files) != earlier.count or compiled.databases() != earlier.databases):
        _keep(kept, earlier.key, files, compiled)
    return Loaded(compiled, correlations, (*refused, *useless), parsed)


def _chosen(files: Iterable[list[Ruling]]) -> tuple[list[Rule], tuple[Correlation, ...], tuple[Refused, ...]]:
    """Sort rulings by kind; of two rules with one id the second is refused."""
    rules: list[Rule] = []
    correlations: list[Correlation] = []
    refused: list[Refused] = []
    ids: set[str] = set()
    for ruling in (one for of_file in files for one in of_file):
        if isinstance(ruling, Refused):
            refused.append(ruling)
        elif ruling.id in ids:
            refused.append(
                Refused(where="", rule=ruling.id, title=ruling.facts.title, reason="another rule has this id")
            )
        else:
            ids.add(ruling.id)
            if isinstance(ruling, Rule):
                rules.append(ruling)
            else:
                correlations.append(ruling)
    return rules, tuple(correlations), tuple(refused)


class _Earlier:
    """What an earlier run kept, as far as it can be used."""

    def __init__(self, path: Path | None, placeholders: Placeholders) -> None:
        self.key = _key(placeholders)
        found = _read(path) if path is not None else None
        usable = found is not None and found.key == self.key
        self._files: Mapping[str, _File] = found.files if found is not None and usable else {}
        self._unpacker = Unpacker(found.tables) if found is not None and usable else None
        fits = found is not None and found.machine == machine()
        self.databases: Mapping[str, tuple[Database, ...]] = found.databases if found is not None and fits else {}
        self.count = len(self._files)

    def rulings(self, digest: str) -> list[Ruling] | None:
        """Give the rules of a file that was read before."""
        file = self._files.get(digest)
        if file is None or self._unpacker is None:
            return None
        return [*map(self._rule, file.rules), *file.correlations, *file.refused]

    def _rule(self, rule: _Rule) -> Rule:
        unpack = self._unpacker.unpack if self._unpacker else _impossible
        source = Source(rule.types, rule.family, rule.channels, unpack(rule.condition))
        return Rule(facts=rule.facts, name=rule.name, source=source, detection=unpack(rule.detection))


def _impossible(_packed: Packed) -> Node:
    raise TypeError("there are no tables to unpack from")


def _read(path: Path) -> _Set | None:
    try:
        packed_set = path.read_bytes()
        content = zstandard.ZstdDecompressor().decompress(packed_set, max_output_size=MOST_BYTES)
        return msgspec.msgpack.decode(content, type=_Set)
    except (OSError, zstandard.ZstdError, msgspec.MsgspecError, RecursionError):
        return None  # none yet, or of another version: everything is made anew


def _keep(path: Path, key: str, files: Mapping[str, list[Ruling]], compiled: Compiled) -> None:
    packer = Packer()
    made = {digest: _file(packer, rulings) for digest, rulings in files.items()}
    whole = _Set(key, machine(), packer.tables, made, compiled.databases())
    content = msgspec.msgpack.encode(whole)
    if len(content) <= MOST_BYTES:
        write_atomic(path, zstandard.ZstdCompressor(level=1, write_content_size=True).compress(content))


def _file(packer: Packer, rulings: list[Ruling]) -> _File:
    return _File(
        tuple(_packed(packer, one) for one in rulings if isinstance(one, Rule)),
        tuple(one for one in rulings if isinstance(one, Correlation)),
        tuple(one for one in rulings if isinstance(one, Refused)),
    )


def _packed(packer: Packer, rule: Rule) -> _Rule:
    source = rule.source
    return _Rule(
        rule.facts, rule.name, source.types, source.family, source.channels, packer.pack(source.condition),
        packer.pack(rule.detection),
    )  # fmt: skip


def _key(placeholders: Placeholders) -> str:
    """Name what a kept parse depends on beside the rule's text."""
    text: Any = [FORMAT, __version__, sorted(placeholders.items()), packed.__name__]
    return hashlib.blake2b(msgspec.msgpack.encode(text), digest_size=16).hexdigest()


def machine() -> str:
    """Name the processor's features and the library, on which compiled databases depend."""
    features = platform.machine()
    try:
        with Path("/proc/cpuinfo").open() as file:
            features += next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        features += platform.processor()
    try:
        features += version("hyperscan")
    except PackageNotFoundError:
        features += "none"
    return hashlib.blake2b((features + os.name).encode(), digest_size=16).hexdigest()
