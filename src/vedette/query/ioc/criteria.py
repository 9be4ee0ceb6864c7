"""What an IOC asks, whatever language it was written in: a tree of tests of OpenIOC terms."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from vedette.query.values import Operator
from vedette.runtime.errors import VedetteError

MAX_BYTES = 3_145_728
"""Of one OpenIOC, STIX or MISP file; flat lists are read line by line and have no such bound."""
MAX_DEPTH = 32
"""Groups within groups."""
MAX_TERMS = 10_000
"""Tests in one file."""
MAX_PROBLEMS = 1_000
"""Different ones that are told apart."""
MAX_VALUE = 8_192
"""Characters of one value."""


class IocError(VedetteError):
    """An IOC file cannot be used."""

    def __init__(self, problem: str, *, file: str, line: int = 0) -> None:
        self.problem, self.file, self.line = problem, file, line
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")


class Term(Struct, frozen=True, kw_only=True, tag=True):
    """One test of one OpenIOC term, as `FileItem/Md5sum is ...`. A term that is not known is neither true nor false."""

    name: str
    operator: Operator = Operator.IS
    value: str
    kind: str = "string"
    """Type of the value as the file says: string, md5, int, date, duration, IP."""
    like: bool = False
    """The value holds LIKE's wildcards: `%` and `_`."""
    negated: bool = False
    exact_case: bool = False
    line: int = 0
    id: str = ""


class All(Struct, frozen=True, tag=True):
    """Every operand."""

    operands: tuple["Criteria", ...]
    line: int = 0


class Some(Struct, frozen=True, tag=True):
    """At least one operand."""

    operands: tuple["Criteria", ...]
    line: int = 0


Criteria = Term | All | Some


class Problem(Struct, frozen=True):
    """A part of a file that is not matched: `term`, why, and the first line it stands on (0: unknown)."""

    term: str
    reason: str
    line: int = 0
    count: int = 1
    """How often."""


def terms(criteria: Criteria) -> Iterator[Term]:
    """Every test below."""
    if isinstance(criteria, Term):
        yield criteria
    else:
        for operand in criteria.operands:
            yield from terms(operand)


def counted(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Join equal problems, in order of appearance; of more than 1,000 different ones the rest is only counted."""
    found: dict[tuple[str, str], Problem] = {}
    rest = 0
    for problem in problems:
        key = problem.term, problem.reason
        known = found.get(key)
        if known is not None:
            found[key] = Problem(known.term, known.reason, known.line, known.count + problem.count)
        elif len(found) < MAX_PROBLEMS:
            found[key] = problem
        else:
            rest += problem.count
    more = [Problem("(more)", f"there are more than {MAX_PROBLEMS:,} different problems", count=rest)] if rest else []
    return (*found.values(), *more)
