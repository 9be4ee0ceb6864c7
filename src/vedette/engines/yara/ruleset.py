"""A set of YARA rule files with a version: from a folder of this host, or as one block of bytes from elsewhere."""

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import msgspec

from vedette.runtime.errors import ConfigError
from vedette.schema.fields import Micros

SUFFIXES = (".yar", ".yara")
LARGEST_FILE, LARGEST_SET = 8 << 20, 256 << 20
"""Bytes of one rule file, and of all files of a set."""
BUILTIN = "builtin/"
"""What the names of the product's own rule files begin with."""


class RuleFile(msgspec.Struct, frozen=True):
    """One file of rules; `modified` counts as its release time when no rule in it has a date."""

    name: str
    source: bytes
    modified: Micros = 0


class RuleSet(msgspec.Struct, frozen=True):
    """Rule files in order of their names. The version is a digest of what they say."""

    files: tuple[RuleFile, ...] = ()
    problems: dict[str, str] = {}
    """Files that could not be taken: name -> why."""

    @property
    def version(self) -> str:
        """32 hex digits: the same files have the same version on every host."""
        digest = hashlib.sha256()
        for file in self.files:
            for part in (file.name.encode(), file.source, file.modified.to_bytes(8, "little", signed=True)):
                digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()[:32]

    def encode(self) -> bytes:
        """Give the set as bytes, for `decode` on another host."""
        return msgspec.msgpack.encode(self)


def decode(data: bytes) -> RuleSet:
    """Give the set that `RuleSet.encode` wrote. Raises ConfigError."""
    try:
        return msgspec.msgpack.decode(data, type=RuleSet)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"this is no YARA rule set: {error}") from error


def builtin() -> RuleSet:
    """Give the rules that the product brings along: test files that prove that it works."""
    folder = files("vedette.engines.yara").joinpath("builtin")
    found = [
        RuleFile(BUILTIN + file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(SUFFIXES)
    ]
    return RuleSet(_ordered(found))


def from_folder(folder: Path) -> RuleSet:
    """Give the rule files below `folder`; one that does not exist is an empty set."""
    taken: list[RuleFile] = []
    problems: dict[str, str] = {}
    left = LARGEST_SET
    for path in rule_paths(folder):
        name = path.relative_to(folder).as_posix()
        try:
            facts = path.stat()
            if facts.st_size > min(LARGEST_FILE, left):
                problems[name] = f"too large: {facts.st_size} bytes (a file {LARGEST_FILE}, a set {LARGEST_SET})"
                continue
            source = path.read_bytes()
        except OSError as error:
            problems[name] = f"cannot be read: {error.strerror}"
            continue
        left -= len(source)
        taken.append(RuleFile(name, source, facts.st_mtime_ns // 1000))
    return RuleSet(_ordered(taken), problems)


def rule_paths(folder: Path) -> list[Path]:
    """Give the rule files below a folder, hidden ones not."""
    found = (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def joined(*sets: RuleSet) -> RuleSet:
    """Give one set of several."""
    problems: dict[str, str] = {}
    for one in sets:
        problems |= one.problems
    return RuleSet(_ordered(file for one in sets for file in one.files), problems)


def _ordered(taken: Iterable[RuleFile]) -> tuple[RuleFile, ...]:
    return tuple(sorted(taken, key=lambda file: file.name))
