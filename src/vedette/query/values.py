"""A written value becomes a typed test of one field, or a problem that says what the field expects."""

import ipaddress
import re
from enum import StrEnum

from msgspec import Struct

from vedette.query import glob, moments, regex
from vedette.query.ast import Between, Equals, Exists, InNetwork, Like, OneOf, Regex, Test
from vedette.query.position import excerpt
from vedette.schema.dictionary import Field, Kind

_INTEGER = re.compile(r"([+-]?)(?:0x([0-9a-f]{1,16})|(\d{1,20}))\s*(kb|mb|gb|tb|kib|mib|gib|tib)?", re.IGNORECASE)
_SIZES = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_CANONICAL_LEAVES = ("md5", "sha1", "sha256", "imphash", "entity_id")
_CANONICAL = frozenset({"host.id", "event.id", "event.epoch", "event.type", "tenant"})
_ADDRESS_LEAVES = ("ip", "ipaddress", "answers")


class Operator(StrEnum):
    """How a field is compared with a value."""

    IS = "="
    ABOVE = ">"
    FROM = ">="
    BELOW = "<"
    UPTO = "<="
    CONTAINS = "contains"
    STARTS = "starts with"
    ENDS = "ends with"
    MATCHES = "matches"
    WITHIN = "cidr"


ORDERED = frozenset({Operator.ABOVE, Operator.FROM, Operator.BELOW, Operator.UPTO})


class Value(Struct, frozen=True):
    """A value as it was written: `text` without quotes and escapes, `like` set if it holds wildcards."""

    text: str
    offset: int = 0
    like: str = ""
    """The same as a LIKE pattern, unfolded."""


Bounds = tuple[tuple[Operator, Value | None], tuple[Operator, Value | None]]
"""Lower and upper bound of a range, each with its operator; None is open."""


class ValueProblem(ValueError):  # noqa: N818 - it becomes a QueryError where the position is known
    """The field cannot be compared like this; the text says what it expects."""


def is_canonical(field: Field) -> bool:
    """Whether the field holds lower-case digests or ids, compared byte for byte."""
    leaf = field.name.rpartition(".")[2]
    return not field.key and (field.name in _CANONICAL or leaf.endswith(_CANONICAL_LEAVES))


def is_address(field: Field) -> bool:
    """Whether the field holds IP addresses."""
    return field.name.rpartition(".")[2].lower().endswith(_ADDRESS_LEAVES)


def typed(field: Field, operator: Operator, value: Value, now: int) -> Test:
    """Test of `field` that `operator` and `value` write; raises `ValueProblem`."""
    if operator is Operator.IS and value.like and not value.like.strip("%"):
        return Exists()
    if field.kind is Kind.TIME:
        return _time(field, operator, value, now)
    if field.kind is Kind.INTEGER:
        return _integer(field, operator, value)
    if field.kind is Kind.BOOLEAN:
        return _boolean(field, operator, value)
    return _text(field, operator, value)


def between(field: Field, bounds: Bounds, now: int) -> Between:
    """Range between `bounds`; raises `ValueProblem`."""
    found = [typed(field, operator, value, now) for operator, value in bounds if value]
    ranges = [bound for bound in found if isinstance(bound, Between)]
    return Between(
        next((bound.low for bound in ranges if bound.low is not None), None),
        next((bound.high for bound in ranges if bound.high is not None), None),
    )


def one_of(tests: list[Test]) -> list[Test]:
    """Join the equalities of some alternatives into one list."""
    equal = [test.value for test in tests if isinstance(test, Equals)]
    rest = [test for test in tests if not isinstance(test, Equals)]
    texts = tuple(dict.fromkeys(value for value in equal if isinstance(value, str)))
    numbers = tuple(dict.fromkeys(value for value in equal if isinstance(value, int) and not isinstance(value, bool)))
    truths = [Equals(value) for value in equal if isinstance(value, bool)]
    lists: list[Test] = [_equal_to(values) for values in (texts, numbers) if values]
    return [*lists, *truths, *rest]


def _equal_to(values: tuple[str, ...] | tuple[int, ...]) -> Test:
    return OneOf(values) if len(values) > 1 else Equals(values[0])


def _expects(field: Field, what: str, value: Value) -> ValueProblem:
    return ValueProblem(f"{field.name} is {what}; “{excerpt(value.text)}” is not")


def _time(field: Field, operator: Operator, value: Value, now: int) -> Test:
    at = moments.moment(value.text, now)
    if at is None or value.like:
        raise ValueProblem(f"{field.name} expects {moments.EXPECTED}; “{excerpt(value.text)}” is none")
    match operator:
        case Operator.IS:
            return Between(at.start, at.end - 1)
        case Operator.ABOVE:
            return Between(low=at.last + 1)
        case Operator.FROM:
            return Between(low=at.start)
        case Operator.BELOW:
            return Between(high=at.start - 1)
        case Operator.UPTO:
            return Between(high=at.last)
        case _:
            raise ValueProblem(f"{field.name} is a time and cannot be searched with “{operator}”; use >, <, or a..b")


def integer(text: str) -> int | None:
    """Whole number that `text` writes: decimal, 0x hexadecimal, or with KB, MB, GB, TB (1,024-fold)."""
    found = _INTEGER.fullmatch(text.strip())
    if not found:
        return None
    number = int(found[2], 16) if found[2] else int(found[3])
    number *= _SIZES[found[4][0].lower()] if found[4] else 1
    number = -number if found[1] == "-" else number
    return number if _LOWEST <= number <= _HIGHEST else None


def _integer(field: Field, operator: Operator, value: Value) -> Test:
    number = None if value.like else integer(value.text)
    if number is None:
        raise _expects(field, "a whole number (as in 443, 0x1bb or 10MB)", value)
    if operator is Operator.IS:
        return Equals(number)
    if operator in ORDERED:
        return _ordered(operator, number)
    raise ValueProblem(f"{field.name} is a number and cannot be searched with “{operator}”; use =, >, < or a..b")


def _ordered(operator: Operator, number: int) -> Between:
    if operator in {Operator.ABOVE, Operator.FROM}:
        return Between(low=number + (operator is Operator.ABOVE))
    return Between(high=number - (operator is Operator.BELOW))


def _boolean(field: Field, operator: Operator, value: Value) -> Test:
    truth = None if value.like else _TRUTH.get(value.text.strip().lower())
    if truth is None:
        raise _expects(field, "true or false", value)
    if operator is not Operator.IS:
        raise ValueProblem(f"{field.name} is true or false and cannot be searched with “{operator}”")
    return Equals(truth)


def _text(field: Field, operator: Operator, value: Value) -> Test:
    match operator:
        case Operator.IS if value.like:
            return Like(glob.fold(value.like))
        case Operator.IS:
            return _equal_text(field, value)
        case Operator.CONTAINS | Operator.STARTS | Operator.ENDS:
            return _part(field, operator, value)
        case Operator.MATCHES:
            return _regex(value)
        case Operator.WITHIN:
            return _network(value)
        case _:
            return _number_in_text(field, operator, value)


def _equal_text(field: Field, value: Value) -> Test:
    if is_address(field):
        if "/" in value.text and (network := _as_network(value.text)):
            return InNetwork(network)
        if (address := _as_address(value.text)) is not None:
            mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
            # Records keep addresses as Windows writes them, IPv4 ones often as ::ffff:10.0.0.1: all forms are meant.
            if mapped is not None or field.name.startswith("winlog.data."):
                return InNetwork(str(ipaddress.ip_network(mapped or address)))
            return Equals(str(address))
    return Equals(glob.fold(value.text))


def _part(field: Field, operator: Operator, value: Value) -> Test:
    if not value.text:
        raise ValueProblem(f"“{operator}” expects some text; to ask whether {field.name} is known write {field.name}:*")
    text = glob.escape(glob.fold(value.text))
    before = "" if operator is Operator.STARTS else "%"
    after = "" if operator is Operator.ENDS else "%"
    return Like(f"{before}{text}{after}")


def _regex(value: Value) -> Test:
    try:
        regex.parse(value.text)
    except regex.RegexError as error:
        raise ValueProblem(f"in the regular expression, character {error.offset + 1}: {error.problem}") from error
    return Regex(value.text)


def _as_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


def _as_network(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None


def _network(value: Value) -> Test:
    network = _as_network(value.text)
    if network is None:
        raise ValueProblem(f"“{excerpt(value.text)}” is not an address block such as 10.0.0.0/8 or 2001:db8::/32")
    return InNetwork(network)


def _number_in_text(field: Field, operator: Operator, value: Value) -> Test:
    """Items of event data are text even where they are numbers, so they may be compared as numbers."""
    if not field.name.startswith(("winlog.data.", "event.extra.", "process.env.")):
        raise ValueProblem(f"{field.name} is text and cannot be searched with “{operator}”; only numbers and times can")
    number = integer(value.text)
    if number is None:
        raise ValueProblem(f"“{operator}” expects a whole number; “{excerpt(value.text)}” is none")
    return _ordered(operator, number)
