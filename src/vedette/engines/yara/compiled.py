"""A rule set ready to scan with. Whoever only keeps it or hands it on need not load the library."""

from functools import lru_cache
from importlib.metadata import version

import msgspec

from vedette.schema.fields import Micros


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule, or a whole file when `rule` is empty, is left out."""

    file: str
    problem: str
    rule: str = ""
    line: int = 0


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A rule set ready to scan with. `rules` holds machine code for this host: take it from nobody else."""

    version: str
    compiler: str
    """Version of the library that made it and alone can read it."""
    rules: bytes
    count: int
    released: Micros
    names_matter: bool
    """Some rule asks for more than the bytes: the verdict may differ under another name."""
    problems: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()
    """Of the rules: file, colon, identifier."""


@lru_cache(maxsize=1)
def library_version() -> str:
    """Version of yara-x; compiled rules of one version are not read by another."""
    return version("yara-x")
