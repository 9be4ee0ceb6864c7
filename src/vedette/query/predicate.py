"""Syntax tree -> a Python predicate over one event, a flat row {column: value}; None or absent = unknown.

Says the same as the SQL of `conditions`; a property test holds the two equal. Lists are sequences of text, maps are
dicts, times are integer microseconds UTC. Regular expressions run on Python's engine, which can backtrack for long on
hostile ones: for tests and previews of a few rows; detection has its own engine.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from vedette.query import glob, regex
from vedette.query.ast import (
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
from vedette.query.values import is_canonical
from vedette.query.views import computed
from vedette.schema.dictionary import Field, Kind

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]
_DECIMAL = re.compile(r"-?[0-9]{1,18}")


def compile_predicate(node: Node) -> Predicate:
    """Compile `node`."""
    match node:
        case And():
            return _all([compile_predicate(operand) for operand in node.operands])
        case Or():
            return _any([compile_predicate(operand) for operand in node.operands])
        case Anywhere():
            return _any([compile_predicate(condition) for condition in node.conditions])
        case Not():
            return _not(compile_predicate(node.operand))
        case Condition():
            return _condition(node)
        case _:
            assert_never(node)


def _all(parts: list[Predicate]) -> Predicate:
    return lambda row: all(part(row) for part in parts)


def _any(parts: list[Predicate]) -> Predicate:
    return lambda row: any(part(row) for part in parts)


def _not(part: Predicate) -> Predicate:
    return lambda row: not part(row)


def _condition(node: Condition) -> Predicate:
    test = _field(node.field, node.test)
    types = frozenset(node.types)
    return lambda row: (not types or row.get("event.type") in types) and test(row)


def _field(field: Field, test: Test) -> Predicate:
    name, holds = field.column, check(field, test)
    if field.view:
        return lambda row: (value := computed(field, row)) is not None and holds(value)
    if field.key:
        key, plain = glob.fold(field.key), field.key.isascii()
        same = glob.fold_ascii if plain else glob.fold
        return lambda row: any(same(k) == key and holds(v) for k, v in (row.get(name) or {}).items())
    if field.kind in {Kind.LIST, Kind.MAP}:
        if isinstance(test, Exists):
            return lambda row: bool(row.get(name))
        if field.kind is Kind.MAP:
            return lambda row: any(holds(value) for value in (row.get(name) or {}).values())
        return lambda row: any(holds(value) for value in row.get(name) or ())
    return lambda row: (value := row.get(name)) is not None and holds(value)


def check(field: Field, test: Test) -> Callable[[Any], bool]:
    """Test of one known value of `field`; of one entry, if it is a list or map."""
    match test:
        case Exists():
            return lambda _value: True
        case Between():
            return _between(test, text=field.kind not in {Kind.INTEGER, Kind.TIME})
        case Equals() | OneOf():
            values = (test.value,) if isinstance(test, Equals) else test.values
            return _one_of(field, tuple(values))
        case Like():
            return _like(field, test)
        case Regex():
            search = regex.parse(test.pattern, test.flags, weight=regex.RULE_WEIGHT).compiled().search
            return lambda value: search(value) is not None
        case InNetwork() | InNetworks() | InDomains() | HasUrl():
            return _listed(test)
        case _:
            assert_never(test)


def _listed(test: InNetwork | InNetworks | InDomains | HasUrl) -> Callable[[Any], bool]:
    match test:
        case InNetwork():
            return _in_networks((test.network,))
        case InNetworks():
            return _in_networks(test.networks)
        case InDomains():
            return _in_domains(frozenset(test.names))
        case HasUrl():
            urls = frozenset(test.urls)
            return lambda value: any(url in urls for url in names.urls_in(value))


def _between(test: Between, *, text: bool) -> Callable[[Any], bool]:
    low, high = test.low, test.high

    def holds(value: Any) -> bool:
        if text:
            if not _DECIMAL.fullmatch(value):
                return False
            value = int(value)
        return (low is None or value >= low) and (high is None or value <= high)

    return holds


def _one_of(field: Field, values: tuple[str | int, ...]) -> Callable[[Any], bool]:
    wanted = frozenset(values)
    if field.kind in {Kind.INTEGER, Kind.BOOLEAN} or is_canonical(field):
        return lambda value: value in wanted
    plain = frozenset(value for value in values if isinstance(value, str) and value.isascii())
    other = wanted - plain
    return lambda value: glob.fold_ascii(value) in plain or bool(other and glob.fold(value) in other)


def _like(field: Field, test: Like) -> Callable[[Any], bool]:
    pattern = test.pattern
    shape = glob.to_regex(pattern)
    if test.cased or is_canonical(field):
        return lambda value: shape.fullmatch(value) is not None
    fold = glob.fold_ascii if pattern.isascii() else glob.fold
    return lambda value: shape.fullmatch(fold(value)) is not None


def _in_networks(networks: tuple[str, ...]) -> Callable[[Any], bool]:
    """One look-up for each prefix length that occurs."""
    blocks: dict[int, set[int]] = {}
    for network in networks:
        first, length = names.network(network)
        blocks.setdefault(128 - length, set()).add(int.from_bytes(first) >> (128 - length))

    def holds(value: Any) -> bool:
        packed = names.address(value)
        if packed is None:
            return False
        number = int.from_bytes(packed)
        return any(number >> bits in firsts for bits, firsts in blocks.items())

    return holds


def _in_domains(domains: frozenset[str]) -> Callable[[Any], bool]:
    plain = frozenset(name for name in domains if name.isascii())
    other = domains - plain

    def holds(value: Any) -> bool:
        if any(name in plain for name in names.above(glob.fold_ascii(value))):
            return True
        return bool(other) and any(name in other for name in names.above(glob.fold(value)))

    return holds
