"""One test of an OpenIOC term becomes typed tests of one column, or a problem that says what does not fit."""

import ipaddress
import re
from functools import lru_cache

import re2

from vedette.query import glob
from vedette.query.ast import Between, Equals, Exists, InNetwork, Like, OneOf, Regex, Test
from vedette.query.ioc import names
from vedette.query.ioc.columns import Column
from vedette.query.ioc.criteria import MAX_VALUE, Term
from vedette.query.values import Operator, Value, ValueProblem, is_address, typed
from vedette.schema.dictionary import Field, Kind

_TO = re.compile(r"\s*(.+?)\s+TO\s+(.+?)\s*", re.DOTALL)
_DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "imphash": 32}
_HEX = re.compile(r"[0-9a-f]*")
_HOSTS = frozenset({"dns.query", "socket.remote_host", "dns.answers"})
_RANGED = frozenset({"int", "date", "duration", "ip"})
MAX_REGEX_MEMORY = 8 << 20
"""Bytes that one compiled expression may take."""
_FIXED = 0
"""Moment that relative times count from: an IOC's dates are absolute."""


def tests_of(column: Column, term: Term) -> tuple[Test, ...]:
    """Alternatives that together are the test, without its negation. Raises `ValueProblem`."""
    if len(term.value) > MAX_VALUE:
        raise ValueProblem(f"a value of {len(term.value):,} characters; at most {MAX_VALUE:,} are allowed")
    if term.kind == "duration":
        raise ValueProblem("no event carries a duration")
    if column.extension:
        return (_extension(term),)
    if found := _range(column.field, term):
        return found
    if term.operator is Operator.IS and not term.like:
        return _whole(column.field, term)
    test = _typed(column.field, term)
    test = _with_case(test, term) if term.exact_case else test
    if isinstance(test, Regex):
        _check_size(test.pattern)
    return (test,)


@lru_cache(maxsize=512)
def _check_size(pattern: str) -> None:
    """Refuse an expression that RE2 cannot hold: the stream could not run it."""
    options = re2.Options()
    options.max_mem = MAX_REGEX_MEMORY
    options.log_errors = False
    try:
        re2.compile(f"(?is:{pattern})", options)
    except re2.error as error:
        raise ValueProblem(f"the regular expression is too big: {error}") from error


def _typed(field: Field, term: Term) -> Test:
    like = term.value if term.like else ""
    return typed(field, term.operator, Value(term.value, 0, like), _FIXED)


def _whole(field: Field, term: Term) -> tuple[Test, ...]:
    digits = _DIGESTS.get(field.name.rpartition(".")[2])
    if digits:
        return (_digest(digits, term),)
    if field.name in _HOSTS and (forms := names.forms(term.value)):
        return (OneOf(tuple(f"{form}{dot}" for form in forms for dot in ("", "."))),)
    test = _typed(field, term)
    if term.exact_case and isinstance(test, Equals) and isinstance(test.value, str):
        return (Regex(f"(?-i)^{_quoted(term.value)}$"),)
    return (test,)


def _digest(digits: int, term: Term) -> Test:
    text = term.value.strip().lower()
    if len(text) != digits or not _HEX.fullmatch(text):
        raise ValueProblem(f"it is no digest of {digits} hexadecimal digits, so that nothing can match it")
    return Equals(text)


def _extension(term: Term) -> Test:
    if term.operator is not Operator.IS or term.exact_case:
        raise ValueProblem("a file's extension can only be asked for with “is”, whatever its case")
    return Like("%." + glob.escape(glob.fold(term.value.lstrip("."))))


def _with_case(test: Test, term: Term) -> Test:
    """`test` of text that is compared as it is written."""
    text = _quoted(term.value)
    match test, term.operator:
        case Like(), Operator.CONTAINS:
            return Regex(f"(?-i){text}")
        case Like(), Operator.STARTS:
            return Regex(f"(?-i)^{text}")
        case Like(), Operator.ENDS:
            return Regex(f"(?-i){text}$")
        case Regex(), _:
            return Regex(f"(?-i){test.pattern}")
        case ((Between() | Exists() | InNetwork()), _):
            return test
        case _:
            raise ValueProblem("wildcards cannot be compared with regard to case")


def _quoted(text: str) -> str:
    """`text` as a regular expression; letters of other alphabets need no escape."""
    return re.sub(r"[^\w]", lambda found: f"\\x{{{ord(found[0]):x}}}", text)


def _range(field: Field, term: Term) -> tuple[Test, ...]:
    """`A TO B`, as OpenIOC writes ranges of numbers, dates and addresses."""
    found = _TO.fullmatch(term.value) if term.operator is Operator.IS and term.kind.lower() in _RANGED else None
    if not found:
        return ()
    if is_address(field):
        return tuple(InNetwork(str(network)) for network in _networks(found[1], found[2]))
    if field.kind not in {Kind.INTEGER, Kind.TIME}:
        raise ValueProblem(f"{field.name} is text and has no ranges")
    low = typed(field, Operator.FROM, Value(found[1]), _FIXED)
    high = typed(field, Operator.UPTO, Value(found[2]), _FIXED)
    if not isinstance(low, Between) or not isinstance(high, Between):
        raise ValueProblem(f"{field.name} has no ranges")
    return (Between(low.low, high.high),)


def _networks(low: str, high: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
        if isinstance(first, ipaddress.IPv4Address) and isinstance(last, ipaddress.IPv4Address):
            return list(ipaddress.summarize_address_range(first, last))
        if isinstance(first, ipaddress.IPv6Address) and isinstance(last, ipaddress.IPv6Address):
            return list(ipaddress.summarize_address_range(first, last))
    except ValueError as error:
        raise ValueProblem(f"“{low} TO {high}” is no range of addresses") from error
    raise ValueProblem(f"“{low} TO {high}” mixes IPv4 and IPv6")
