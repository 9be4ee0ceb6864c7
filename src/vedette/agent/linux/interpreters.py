"""What an interpreter runs, by its arguments: a file, a text, a module. Pure; the table is `interpreters.tsv`."""

from enum import Enum
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple


class Role(Enum):
    """What the value of an option is."""

    TEXT = "text"
    FIRST = "first"
    FILE = "file"
    MODULE = "module"
    VALUE = "value"
    REST = "rest"


class Interpreter(NamedTuple):
    """How a program reads its arguments. `operand`: what its first argument without an option is."""

    operand: Role
    short: dict[str, Role]
    long: dict[str, Role]


class Invocation(NamedTuple):
    """A script that is run: `kind` FILE, TEXT or MODULE; `option` is how it was told, "" = as operand."""

    kind: Role
    value: str
    option: str = ""


@cache
def _table() -> list[tuple[str, Interpreter]]:
    text = resources.files(__package__).joinpath("interpreters.tsv").read_text(encoding="ascii")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    roles = (Role.TEXT, Role.FIRST, Role.FILE, Role.MODULE, Role.VALUE, Role.REST)
    found = []
    for names, operand, *options, long in rows:
        short = {letter: role for role, letters in zip(roles, options, strict=True) for letter in letters.strip("-")}
        words = dict(word.split(":") for word in long.split(",") if word != "-")
        known = Interpreter(Role(operand), short, {name: Role(role) for name, role in words.items()})
        found += [(name, known) for name in names.split(",")]
    return found


@lru_cache(maxsize=1024)
def interpreter(name: str) -> Interpreter | None:
    """Give the interpreter with this file name; None when it is none."""
    return next((known for pattern, known in _table() if fnmatchcase(name, pattern)), None)


def invocation(known: Interpreter, arguments: tuple[str, ...]) -> Invocation | None:
    """Give what is run with `arguments` (without the program's name); None: what comes by input, or nothing."""
    at, operand = 0, known.operand
    while at < len(arguments):
        argument = arguments[at]
        if argument == "--":
            at += 1
            break
        if argument[:1] not in ("-", "+") or argument in ("-", "+"):
            break
        role, option, value = _option(known, argument)
        if role is Role.FIRST:
            operand = Role.TEXT
        elif role is not None and role is not Role.REST:
            if value is None:
                at += 1
                value = arguments[at] if at < len(arguments) else ""
            if role is not Role.VALUE:
                return Invocation(role, value, option)
        at += 1
    if at >= len(arguments) or (arguments[at] == "-" and operand is Role.FILE):
        return None
    return Invocation(operand, arguments[at])


def _option(known: Interpreter, argument: str) -> tuple[Role | None, str, str | None]:
    """Read an argument that begins with a dash: role, the option, its value if that is in the same argument."""
    if argument.startswith("--"):
        name, sign, value = argument[2:].partition("=")
        return known.long.get(name), f"--{name}", value if sign else None
    first: Role | None = None
    for at, letter in enumerate(argument[1:], start=2):
        role = known.short.get(letter)
        if role is Role.FIRST:
            first = role
        elif role is not None:
            return role, f"-{letter}", argument[at:] or None
    return first, "", None
