"""The one syntax tree of all query languages. Names are resolved and values are typed before a node exists.

What a field test means, whatever compiles it:

- A missing field matches nothing. `Not` is true where its operand is not: also where the field is missing.
- Text is compared without regard to case; if the value is ASCII, only the case of ASCII letters is disregarded.
- A list matches if one of its entries does; a map if one of its values does.
"""

from collections.abc import Iterator

from msgspec import Struct

from vedette.schema.dictionary import Field

MAX_DEPTH = 64
"""Nodes above one another."""
MAX_CONDITIONS = 1_000
"""Field tests in one query, after names with several meanings became alternatives."""
MAX_VALUES = 10_000
"""Values in all lists of one query."""
MAX_VALUE = 8_192
"""Characters of one value."""
MAX_HOST_NAME = 255
"""Characters of a host name that is looked at label by label."""
MAX_TEXT = 1_048_576
"""Characters of a query."""


class Equals(Struct, frozen=True, tag=True):
    """The whole value; text is folded (see `glob.fold`) unless the field holds digests or ids."""

    value: str | int | bool


class OneOf(Struct, frozen=True, tag=True):
    """One of several values, of one type."""

    values: tuple[str | int, ...]


class Like(Struct, frozen=True, tag=True):
    r"""A folded pattern in SQL's form: `%` any text, `_` one character, `\` before either takes it literally."""

    pattern: str
    cased: bool = False
    """Letters must match in case as well; the pattern is not folded then."""


class Regex(Struct, frozen=True, tag=True):
    """An RE2 expression found anywhere in the text; flags: i (any case), s (dot is any character), m (lines)."""

    pattern: str
    flags: str = "is"


class Between(Struct, frozen=True, tag=True):
    """A number or moment (microseconds UTC) in [low, high]; None is open."""

    low: int | None = None
    high: int | None = None


class Exists(Struct, frozen=True, tag=True):
    """The field is known, be it empty."""


class InNetwork(Struct, frozen=True, tag=True):
    """An address in a CIDR block; IPv4 counts as ::ffff:0:0/96, so that `::/0` is every address."""

    network: str


class InNetworks(Struct, frozen=True, tag=True):
    """An address in one of several CIDR blocks, each as in `InNetwork`: for lists."""

    networks: tuple[str, ...]


class InDomains(Struct, frozen=True, tag=True):
    """A host name of at most 255 characters that is one of these folded names or below one; a last dot is no part."""

    names: tuple[str, ...]


class HasUrl(Struct, frozen=True, tag=True):
    """A text in which one of these URLs stands, as `ioc.names` writes URLs: whole, without fragment."""

    urls: tuple[str, ...]


Test = Equals | OneOf | Like | Regex | Between | Exists | InNetwork | InNetworks | InDomains | HasUrl


class Condition(Struct, frozen=True, tag=True):
    """`test` on one column of events of `types` (empty: any type)."""

    field: Field
    test: Test
    types: tuple[str, ...] = ()


class Anywhere(Struct, frozen=True, tag=True):
    """Free text in the most telling columns; which they are is `terms.ANYWHERE`'s business."""

    conditions: tuple[Condition, ...]
    pattern: str


class And(Struct, frozen=True, tag=True):
    """All operands; none means every event."""

    operands: tuple["Node", ...]


class Or(Struct, frozen=True, tag=True):
    """At least one operand; none means no event."""

    operands: tuple["Node", ...]


class Not(Struct, frozen=True, tag=True):
    """Where the operand does not match."""

    operand: "Node"


Node = And | Or | Not | Condition | Anywhere

EVERYTHING = And(())
NOTHING = Or(())


def conditions(node: Node) -> Iterator[Condition]:
    """Every field test below `node`."""
    match node:
        case Condition():
            yield node
        case Anywhere():
            yield from node.conditions
        case Not():
            yield from conditions(node.operand)
        case And() | Or():
            for operand in node.operands:
                yield from conditions(operand)


def time_bounds(node: Node) -> Between:
    """Event times outside of which nothing can match, as far as conditions that must all hold say."""
    parts = node.operands if isinstance(node, And) else (node,)
    tests = [
        part.test
        for part in parts
        if isinstance(part, Condition) and part.field.name == "event.time" and isinstance(part.test, Between)
    ]
    lows = [test.low for test in tests if test.low is not None]
    highs = [test.high for test in tests if test.high is not None]
    return Between(max(lows, default=None), min(highs, default=None))


def all_of(*operands: Node) -> Node:
    """Conjunction, flat where it can be."""
    flat = tuple(dict.fromkeys(_flat(And, operands)))
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(*operands: Node) -> Node:
    """Disjunction, flat where it can be; the same test of one column for several event types is one test."""
    flat = tuple(dict.fromkeys(_merged(_flat(Or, operands))))
    return flat[0] if len(flat) == 1 else Or(flat)


def _flat(kind: type[And] | type[Or], operands: tuple[Node, ...]) -> list[Node]:
    return [part for one in operands for part in (one.operands if isinstance(one, kind) else (one,))]


def _merged(operands: list[Node]) -> Iterator[Node]:
    types: dict[tuple[str, Test], frozenset[str] | None] = {}
    for operand in operands:
        if isinstance(operand, Condition):
            key = operand.field.name, operand.test
            known = types.get(key, frozenset())
            types[key] = known | set(operand.types) if operand.types and known is not None else None
    for operand in operands:
        if not isinstance(operand, Condition):
            yield operand
        elif (operand.field.name, operand.test) in types:
            merged = types.pop((operand.field.name, operand.test))
            yield Condition(operand.field, operand.test, tuple(sorted(merged or ())))
