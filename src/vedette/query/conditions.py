r"""Syntax tree -> a ClickHouse expression with every value bound.

Skip indexes work only on exactly the indexed expression, so that text is always `lower(ifNull(x, '')) LIKE` (never
ILIKE), and digests and ids are always bare. A positive expression may be NULL for a missing field, which
WHERE takes as false; `Not` turns NULL into false first, so that it is true for a missing field. Wrapping each test
in `ifNull` instead would switch the indexes off.
"""

import ipaddress
from typing import assert_never

from vedette.query import glob, regex
from vedette.query.ast import (
    MAX_HOST_NAME,
    And,
    Anywhere,
    Between,
    Condition,
    Equals,
    Exists,
    HasUrl,
    InDomains,
    InNetwork,
    InNetworks,
    Like,
    Node,
    Not,
    OneOf,
    Or,
    Regex,
    Test,
)
from vedette.query.ioc import names
from vedette.query.position import check_characters
from vedette.query.values import is_canonical
from vedette.schema import views
from vedette.schema.dictionary import EVENT_ID, FIELDS, Field, Kind

_List = InNetwork | InNetworks | InDomains | HasUrl
Value = str | int | list[str] | list[int]
_EARLIEST, _LATEST = -2_208_988_800_000_000, 10_413_791_999_999_999
"""Microseconds UTC of 1900 and 2299: what DateTime64 holds."""
_V4 = int(ipaddress.IPv6Address("::ffff:0:0"))


class Parameters:
    """Values bound so far, named p0, p1, ..."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self._lists: dict[tuple[str, ...], str] = {}

    def text(self, value: str) -> str:
        """Bind one text; raises `QueryError` for one that no store can hold."""
        check_characters(value)
        return self._bind(value, "String")

    def texts(self, values: tuple[str, ...]) -> str:
        """Bind a list of texts; the same list of several columns is bound once."""
        if values not in self._lists:
            self._lists[values] = self._bind(list(values), "Array(String)")
        return self._lists[values]

    def number(self, value: int) -> str:
        """Bind an integer."""
        return self._bind(value, "Int64")

    def numbers(self, values: tuple[int, ...]) -> str:
        """Bind a list of integers."""
        return self._bind(list(values), "Array(Int64)")

    def count(self, value: int) -> str:
        """Bind a number that is not negative."""
        return self._bind(value, "UInt64")

    def moment(self, value: int) -> str:
        """Bind microseconds UTC as a DateTime64."""
        return f"fromUnixTimestamp64Micro({self.number(min(max(value, _EARLIEST), _LATEST))}, 'UTC')"

    def _bind(self, value: Value, kind: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"


def name_of(bound: str) -> str:
    """Give the name of the parameter that stands in a statement as `bound`."""
    return bound.removeprefix("{").partition(":")[0]


def column(name: str) -> str:
    """Quote a column that the dictionary knows; anything else is a programming error."""
    if name not in FIELDS and name != EVENT_ID.name:
        raise KeyError(name)
    return f"`{name}`"


def expression(node: Node, bind: Parameters) -> str:
    """Compile `node`: true where it matches; false or NULL elsewhere."""
    match node:
        case And():
            return _joined(node.operands, " AND ", "1", bind)
        case Or():
            return _joined(node.operands, " OR ", "0", bind)
        case Anywhere():
            return _joined(node.conditions, " OR ", "0", bind)
        case Not():
            return f"NOT ifNull({expression(node.operand, bind)}, 0)"
        case Condition():
            return _condition(node, bind)
        case _:
            assert_never(node)


def _joined(operands: tuple[Node, ...], word: str, empty: str, bind: Parameters) -> str:
    if not operands:
        return empty
    return f"({word.join(expression(operand, bind) for operand in operands)})"


def _condition(node: Condition, bind: Parameters) -> str:
    test = _field(node.field, node.test, bind)
    if not node.types:
        return test
    if len(node.types) == 1:
        return f"(`event.type` = {bind.text(node.types[0])} AND {test})"
    return f"(`event.type` IN {bind.texts(node.types)} AND {test})"


def _field(field: Field, test: Test, bind: Parameters) -> str:
    if field.view:
        computed = operand(field, bind)
        return f"isNotNull({computed})" if isinstance(test, Exists) else _text(field, computed, test, bind)
    name = column(field.column)
    if field.key:
        key = bind.text(glob.fold(field.key))
        same = "lower(k)" if field.key.isascii() else _fold_all("k")
        inner = "1" if isinstance(test, Exists) else _text(field, "v", test, bind)
        return f"arrayExists((k, v) -> {same} = {key} AND {inner}, mapKeys({name}), mapValues({name}))"
    match field.kind:
        case Kind.LIST | Kind.MAP:
            values = name if field.kind is Kind.LIST else f"mapValues({name})"
            if isinstance(test, Exists):
                return f"notEmpty({name})"
            return f"arrayExists(x -> {_text(field, 'x', test, bind)}, {values})"
        case Kind.TEXT:
            return f"isNotNull({name})" if isinstance(test, Exists) else _text(field, name, test, bind)
        case Kind.INTEGER | Kind.TIME | Kind.BOOLEAN:
            return f"isNotNull({name})" if isinstance(test, Exists) else _number(field, name, test, bind)
        case _:
            assert_never(field.kind)


def _number(field: Field, name: str, test: Test, bind: Parameters) -> str:
    match test:
        case Equals(value=bool()):
            return f"{name} = {'true' if test.value else 'false'}"
        case Equals(value=int()):
            return f"{name} = {bind.number(int(test.value))}"
        case OneOf():
            return f"{name} IN {bind.numbers(tuple(value for value in test.values if isinstance(value, int)))}"
        case Between():
            place = bind.moment if field.kind is Kind.TIME else bind.number
            return _between(
                name,
                [test.low, test.high],
                [place(bound) if bound is not None else "" for bound in (test.low, test.high)],
            )
        case _:
            raise TypeError(f"{field.name} cannot be tested by {type(test).__name__}")


def _between(name: str, bounds: list[int | None], places: list[str]) -> str:
    parts = [
        f"{name} {sign} {place}"
        for sign, bound, place in zip((">=", "<="), bounds, places, strict=True)
        if bound is not None
    ]
    return f"({' AND '.join(parts)})" if parts else f"isNotNull({name})"


def _fold_all(operand: str) -> str:
    return f"replaceAll(lowerUTF8({operand}), {glob.SIGMAS})"


def _text(field: Field, operand: str, test: Test, bind: Parameters) -> str:
    """Test a text `operand`: a column, or a variable over the entries of a list or map, which are never missing."""
    present = operand if len(operand) == 1 else f"ifNull({operand}, '')"
    match test:
        case Equals() | OneOf():
            values = (test.value,) if isinstance(test, Equals) else test.values
            return _one_of(field, operand, present, tuple(map(str, values)), bind)
        case Like():
            return _like(field, operand, present, test, bind)
        case Regex():
            return _regex(operand, present, test, bind)
        case Between():
            number = f"toInt64OrNull({operand})"
            places = [bind.number(bound) if bound is not None else "" for bound in (test.low, test.high)]
            return _between(number, [test.low, test.high], places)
        case InNetwork() | InNetworks() | InDomains() | HasUrl():
            return _listed(operand, present, test, bind)
        case Exists():
            return "1"
        case _:
            assert_never(test)


def _listed(operand: str, present: str, test: _List, bind: Parameters) -> str:
    match test:
        case InNetwork():
            low, high = network_bounds(test.network)
            address = f"toIPv6OrNull({operand})"
            return f"({address} >= toIPv6({bind.text(low)}) AND {address} <= toIPv6({bind.text(high)}))"
        case InNetworks():
            return _in_networks(operand, test.networks, bind)
        case InDomains():
            return _in_domains(present, test.names, bind)
        case HasUrl():
            return _has_url(present, test.urls, bind)


def _in_networks(operand: str, networks: tuple[str, ...], bind: Parameters) -> str:
    """One look-up for each prefix length that occurs: a list of 10,000 blocks is not 10,000 comparisons."""
    blocks: dict[int, dict[str, None]] = {}
    for network in networks:
        first, length = names.network(network)
        blocks.setdefault(length, {})[first.hex().upper()] = None
    address = f"toIPv6OrDefault({operand})"
    found = [
        f"hex(tupleElement(IPv6CIDRToRange({address}, {length}), 1)) IN {bind.texts(tuple(firsts))}"
        for length, firsts in sorted(blocks.items())
    ]
    return f"(isNotNull(toIPv6OrNull({operand})) AND ({' OR '.join(found) or '0'}))"


def _in_domains(present: str, domains: tuple[str, ...], bind: Parameters) -> str:
    plain = tuple(name for name in domains if name.isascii())
    other = tuple(name for name in domains if not name.isascii())
    parts = [_suffix_in(f"lower({present})", plain, bind)] if plain else []
    parts += [_suffix_in(_fold_all(present), other, bind)] if other else []
    return f"({' OR '.join(parts) or '0'})"


def _suffix_in(name: str, domains: tuple[str, ...], bind: Parameters) -> str:
    labels = f"splitByChar('.', replaceRegexpOne({name}, '[.]$', ''))"
    labels = f"if(lengthUTF8({name}) <= {MAX_HOST_NAME}, {labels}, [])"
    suffixes = f"arrayMap(i -> arrayStringConcat(arraySlice({labels}, i), '.'), arrayEnumerate({labels}))"
    return f"arrayExists(s -> s IN {bind.texts(domains)}, {suffixes})"


def _has_url(present: str, urls: tuple[str, ...], bind: Parameters) -> str:
    url = "u"
    for pattern, replacement in names.URL_STEPS:
        url = f"replaceRegexpOne({url}, {bind.text(pattern)}, {bind.text(replacement)})"
    found = f"extractAll(lower({present}), {bind.text(names.URL_IN_TEXT)})"
    return f"arrayExists(s -> s IN {bind.texts(urls)}, arrayMap(u -> {url}, {found}))"


def _equal(field: Field, operand: str, present: str, value: str, bind: Parameters) -> str:
    if is_canonical(field) or not value:
        return f"{operand} = {bind.text(value)}"
    folded = f"lower({present})" if value.isascii() else _fold_all(present)
    return f"{folded} = {bind.text(value)}"


def _one_of(field: Field, operand: str, present: str, values: tuple[str, ...], bind: Parameters) -> str:
    if len(values) == 1:
        return _equal(field, operand, present, values[0], bind)
    if is_canonical(field):
        return f"{operand} IN {bind.texts(values)}"
    plain = tuple(value for value in values if value and value.isascii())
    other = tuple(value for value in values if not value.isascii())
    parts = [f"lower({present}) IN {bind.texts(plain)}"] if plain else []
    parts += [f"{_fold_all(present)} IN {bind.texts(other)}"] if other else []
    parts += [f"{operand} = {bind.text('')}"] if "" in values else []
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _like(field: Field, operand: str, present: str, test: Like, bind: Parameters) -> str:
    pattern = test.pattern
    if test.cased or is_canonical(field):
        return f"{operand} LIKE {bind.text(pattern)}"
    if pattern.isascii():
        return f"lower({present}) LIKE {bind.text(pattern)}"
    ascii_runs = [run for text in glob.literals(pattern) for run in _ascii_runs(text) if len(run) >= regex.MIN_LITERAL]
    found = f"{_fold_all(present)} LIKE {bind.text(pattern)}"
    if not ascii_runs:
        return found
    longest = max(ascii_runs, key=len)
    return f"(lower({present}) LIKE {bind.text(glob.containing(longest))} AND {found})"


def _ascii_runs(text: str) -> list[str]:
    """Split `text` into runs of letters that only ASCII letters fold to."""
    return "".join(letter if letter.isascii() and letter not in "iks" else "\0" for letter in text).split("\0")


def _regex(operand: str, present: str, test: Regex, bind: Parameters) -> str:
    """RE2 finds few literals under (?i); the ones our parser found let the n-gram index skip what cannot match."""
    found = f"match({operand}, {bind.text(re2_text(test))})"
    needs = [
        "(" + " OR ".join(f"lower({present}) LIKE {bind.text(glob.containing(text))}" for text in texts) + ")"
        for texts in regex.parse(test.pattern, test.flags, weight=regex.RULE_WEIGHT).necessary
    ]
    return f"({' AND '.join([*needs, found])})" if needs else found


def re2_text(test: Regex) -> str:
    """Give an expression with its flags as RE2 reads them; there a dot is any character unless told otherwise."""
    off = "" if "s" in test.flags else "-s"
    return f"(?{test.flags}{off}){test.pattern}" if test.flags or off else test.pattern


def operand(field: Field, bind: Parameters) -> str:
    """Give the value of a field as text, NULL where it is not known: what views are computed of."""
    if field.view:
        return views.FORMS[field.view.form].sql([operand(part, bind) for part in field.view.inputs])
    name = column(field.column)
    if field.key:
        key = bind.text(glob.fold(field.key))
        same = "lower(k)" if field.key.isascii() else _fold_all("k")
        return f"arrayFirstOrNull((v, k) -> {same} = {key}, mapValues({name}), mapKeys({name}))"
    match field.kind:
        case Kind.TEXT:
            return name
        case Kind.LIST:
            return f"if(empty({name}), NULL, concat(arrayStringConcat({name}, ';'), ';'))"
        case Kind.TIME:
            millis = f"leftPad(toString(intDiv(positiveModulo(toUnixTimestamp64Micro({name}), 1000000), 1000)), 3, '0')"
            return f"concat(formatDateTime({name}, '%Y-%m-%d %H:%i:%S', 'UTC'), '.', {millis})"
        case Kind.INTEGER | Kind.BOOLEAN:
            return f"toString({name})"
        case _:
            raise TypeError(f"{field.name} has no single value")


def network_bounds(network: str) -> tuple[str, str]:
    """First and last address of a block, as IPv6; IPv4 is mapped to ::ffff:0:0/96."""
    block = ipaddress.ip_network(network)
    low, high = int(block.network_address), int(block.broadcast_address)
    if block.version == 4:
        low, high = low + _V4, high + _V4
    return str(ipaddress.IPv6Address(low)), str(ipaddress.IPv6Address(high))
