"""An IOC over the items of a host: pure, three-valued, with the tests that matched.

An item is a file, a process, a port, ... as OpenIOC names them; its facts are terms below it, each with its values.
A term that no item tells is unknown. Terms of one kind of item that are joined by AND are about one item, so that a
group is tried item by item; terms of several kinds are about the host.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby

import re2
from msgspec import Struct

from vedette.query import glob, moments
from vedette.query.ioc import names
from vedette.query.ioc.criteria import All, Criteria, Some, Term
from vedette.query.values import Operator, integer

MAX_MATCHED = 100
"""Matches that a verdict lists."""
_ORDERED: dict[Operator, Callable[[int, int], bool]] = {
    Operator.ABOVE: operator.gt,
    Operator.FROM: operator.ge,
    Operator.BELOW: operator.lt,
    Operator.UPTO: operator.le,
}


class Item(Struct, frozen=True):
    """One thing of a host: `kind` as `FileItem`; `facts`: term below it, as `Md5sum` -> its values as text."""

    kind: str
    facts: Mapping[str, tuple[str, ...]]


class Match(Struct, frozen=True):
    """A test that was true: the term, what was seen, and the number of the item."""

    term: str
    value: str
    seen: str
    item: int
    id: str = ""
    line: int = 0


class Verdict(Struct, frozen=True):
    """True, False or None (not known), and which tests made it true."""

    holds: bool | None
    matched: tuple[Match, ...] = ()


_UNKNOWN = Verdict(None)
_FALSE = Verdict(False)  # noqa: FBT003 - the value itself


def evaluate(criteria: Criteria, items: Sequence[Item]) -> Verdict:
    """Whether `items` fulfil `criteria`."""
    match criteria:
        case Term():
            kind = _kind(criteria)
            of_kind = [(number, item) for number, item in enumerate(items) if _holds(item.kind, kind)]
            return _any(_term(criteria, number, item) for number, item in of_kind)
        case Some():
            return _any(evaluate(operand, items) for operand in criteria.operands)
        case All():
            return _all(list(_groups(criteria, items)))


def _groups(criteria: All, items: Sequence[Item]) -> Iterator[Verdict]:
    """Operands of one kind of item together, one item at a time; mixed operands alone, about the host."""
    kinds = sorted(((_kind(operand), place) for place, operand in enumerate(criteria.operands)), key=lambda one: one)
    for kind, group in groupby(kinds, key=lambda one: one[0]):
        operands = [criteria.operands[place] for _kind_of, place in group]
        if not kind:
            yield from (evaluate(operand, items) for operand in operands)
            continue
        of_kind = [(number, item) for number, item in enumerate(items) if _holds(item.kind, kind)]
        yield _any(_all([_on_item(operand, number, item) for operand in operands]) for number, item in of_kind)


def _kind(criteria: Criteria) -> str:
    """The one kind of item that every term below is about, in lower case, or ""."""
    if isinstance(criteria, Term):
        return criteria.name.partition("/")[0].lower()
    kinds = {_kind(operand) for operand in criteria.operands}
    return kinds.pop() if len(kinds) == 1 else ""


def _holds(have: str, asked: str) -> bool:
    return have.lower() == asked


def _on_item(criteria: Criteria, number: int, item: Item) -> Verdict:
    match criteria:
        case Term():
            return _term(criteria, number, item)
        case Some():
            return _any(_on_item(operand, number, item) for operand in criteria.operands)
        case All():
            return _all([_on_item(operand, number, item) for operand in criteria.operands])


def _any(verdicts: Iterator[Verdict]) -> Verdict:
    """True with the first that is; unknown if any is unknown, or there is none."""
    nothing, known = True, True
    for verdict in verdicts:
        if verdict.holds:
            return verdict
        nothing, known = False, known and verdict.holds is not None
    return _FALSE if known and not nothing else _UNKNOWN


def _all(verdicts: list[Verdict]) -> Verdict:
    if any(verdict.holds is False for verdict in verdicts):
        return _FALSE
    if any(verdict.holds is None for verdict in verdicts) or not verdicts:
        return _UNKNOWN
    matched = [match for verdict in verdicts for match in verdict.matched]
    return Verdict(True, tuple(matched[:MAX_MATCHED]))  # noqa: FBT003 - the value itself


def _term(term: Term, number: int, item: Item) -> Verdict:
    """A term on one item. Several values of a fact: one that matches is enough."""
    kind, _, path = term.name.partition("/")
    if not _holds(item.kind, kind.lower()):
        return _UNKNOWN
    seen = next((values for name, values in item.facts.items() if name.lower() == path.lower()), ())
    check = _check(term)
    if not seen or check is None:
        return _UNKNOWN
    answers = [check(value) for value in seen]
    found = next((value for value, answer in zip(seen, answers, strict=True) if answer), None)
    if found is None and None in answers:
        return _UNKNOWN
    if (found is not None) == term.negated:
        return _FALSE
    shown = seen[0] if found is None else found
    match = Match(term.name, term.value, shown[:1_024], number, term.id, term.line)
    return Verdict(True, (match,))  # noqa: FBT003 - the value itself


@cache
def _check(term: Term) -> Callable[[str], bool | None] | None:
    """Test of one value: None = the value cannot be compared so. None itself: the term cannot be tested."""
    if term.operator in _ORDERED:
        return _ordered(term)
    if term.operator is Operator.MATCHES:
        return _regex(term)
    if term.operator is Operator.WITHIN or (term.kind.upper() == "IP" and "/" in term.value):
        return _within(term.value)
    if term.operator is Operator.IS and " TO " in term.value and term.kind.lower() in {"int", "date", "ip"}:
        return _between(term)
    return _text(term)


def _text(term: Term) -> Callable[[str], bool | None]:
    fold = str if term.exact_case else glob.fold
    value = fold(term.value)
    if term.like:
        shape = glob.to_regex(value)
        return lambda seen: shape.fullmatch(fold(seen)) is not None
    if term.operator is Operator.IS:
        same = _same(term)
        return lambda seen: fold(seen) == value or same(seen)
    part = {Operator.CONTAINS: str.__contains__, Operator.STARTS: str.startswith, Operator.ENDS: str.endswith}
    test = part[term.operator]
    return lambda seen: bool(test(fold(seen), value))


def _same(term: Term) -> Callable[[str], bool]:
    """Equality of what may be written in several ways: host names, addresses, whole numbers."""
    spelled = {*names.forms(term.value)} if term.name.lower().startswith(("dns", "network/dns")) else set()
    packed = names.address(term.value)
    number = integer(term.value) if term.kind == "int" else None

    def same(seen: str) -> bool:
        if spelled and not spelled.isdisjoint(names.forms(seen)):
            return True
        if packed is not None and names.address(seen) == packed:
            return True
        return number is not None and integer(seen) == number

    return same


def _number(text: str) -> int | None:
    """Whole number, or moment in microseconds UTC: both are ordered."""
    found = integer(text)
    if found is not None:
        return found
    at = moments.moment(text, 0)
    return at.start if at else None


def _ordered(term: Term) -> Callable[[str], bool | None] | None:
    value, compare = _number(term.value), _ORDERED[term.operator]
    if value is None:
        return None
    return lambda seen: None if (number := _number(seen)) is None else bool(compare(number, value))


def _between(term: Term) -> Callable[[str], bool | None] | None:
    low, _, high = term.value.partition(" TO ")
    read = names.address if term.kind.upper() == "IP" else _number
    first, last = read(low.strip()), read(high.strip())
    if first is None or last is None:
        return None
    return lambda seen: None if (one := read(seen)) is None else bool(first <= one <= last)  # type: ignore[operator]


def _within(network: str) -> Callable[[str], bool | None] | None:
    try:
        first, length = names.network(network)
    except ValueError:
        return None
    bits = 128 - length
    want = int.from_bytes(first) >> bits
    return lambda seen: None if (one := names.address(seen)) is None else int.from_bytes(one) >> bits == want


def _regex(term: Term) -> Callable[[str], bool | None] | None:
    """Linear in time whatever the expression is: RE2."""
    options = re2.Options()
    options.case_sensitive = term.exact_case
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        found = re2.compile(term.value, options)
    except re2.error:
        return None
    return lambda seen: found.search(seen) is not None
