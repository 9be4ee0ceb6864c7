"""From a name, an operator and a value, wherever they were written, to nodes of the syntax tree."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable

from vedette.query import ast, glob
from vedette.query.ast import Anywhere, Condition, Equals, Exists, InNetwork, Like, Node, OneOf, Test
from vedette.query.position import error_at, excerpt
from vedette.query.values import ORDERED, Operator, Value, ValueProblem, between, one_of, typed
from vedette.schema.dictionary import EVENT_TYPE_VALUES, FIELDS, Field, Kind, Meaning, UnknownFieldError, resolve

ANYWHERE = (
    "process.command_line",
    "process.file.path",
    "process.file.name",
    "process.parent.file.path",
    "file.path",
    "file.name",
    "registry.path",
    "dns.query",
    "socket.remote_ip",
    "socket.remote_host",
    "user.name",
    "host.name",
)
"""Columns in which a bare word is searched."""
ANYWHERE_DIGEST = {
    32: ("process.file.md5", "file.md5", "process.parent.file.md5", "process.entity_id", "process.parent.entity_id"),
    64: ("process.file.sha256", "file.sha256", "process.parent.file.sha256"),
}
"""Columns in which a bare digest or id of so many hex digits is searched."""
ANYWHERE_ADDRESS = ("socket.remote_ip", "socket.local_ip", "host.ip")
_HEX = re.compile(r"[0-9a-fA-F]+")
TYPE = "event.type"


class Terms:
    """Builds the nodes of one query `text` and holds its bounds.

    Relative times count from `now`; `unknown` is added to the sentence about an unknown field.
    """

    def __init__(self, text: str, now: int, *, unknown: str = "") -> None:
        self._text, self._now, self._unknown = text, now, unknown
        self._conditions = self._values = 0

    def compare(self, name: Value, operator: Operator, value: Value) -> Node:
        """`name operator value`."""
        meanings = self._meanings(name)
        if meanings[0].field.name == TYPE:
            return self._types(operator, [value])
        self._check_value(value)
        self._values += 1
        return self._each(meanings, value, lambda field: [typed(field, operator, value, self._now)])

    def one_of(self, name: Value, values: list[Value]) -> Node:
        """`name in (values)`; each may hold wildcards."""
        if not values:
            raise error_at(self._text, name.offset, "a list of values is empty")
        self._values += len(values)
        if self._values > ast.MAX_VALUES:
            raise error_at(self._text, name.offset, f"a query can list at most {ast.MAX_VALUES:,} values")
        meanings = self._meanings(name)
        if meanings[0].field.name == TYPE:
            return self._types(Operator.IS, values)
        options: list[tuple[Meaning, list[Test]]] = [(meaning, []) for meaning in meanings]
        for value in values:
            self._check_value(value)
            self._add_option(options, value)
        nodes = [self._condition(meaning, test) for meaning, tests in options for test in one_of(tests)]
        return ast.any_of(*nodes)

    def between(
        self, name: Value, low: Value | None, high: Value | None, *, after: bool = False, before: bool = False
    ) -> Node:
        """`name` from (or `after`) `low` up to (or `before`) `high`; None is open."""
        meanings = self._meanings(name)
        if not (low or high):
            return self.exists(name)
        bounds = (
            (Operator.ABOVE if after else Operator.FROM, low),
            (Operator.BELOW if before else Operator.UPTO, high),
        )
        return self._each(meanings, low or high or name, lambda field: [between(field, bounds, self._now)])

    def exists(self, name: Value) -> Node:
        """`name` is known."""
        meanings = self._meanings(name)
        return ast.any_of(*[self._condition(meaning, Exists()) for meaning in meanings])

    def since(self, start: int) -> Node:
        """Events from `start` (microseconds UTC) on."""
        return self._condition(Meaning(FIELDS["event.time"]), ast.Between(low=start))

    def anywhere(self, value: Value, *, regex: bool = False) -> Node:
        """Bare word: digests and addresses in their columns, other text in the most telling ones."""
        self._check_value(value)
        if not value.like.strip("%") and (value.like or not value.text):
            return ast.EVERYTHING
        fields, test = (ANYWHERE, self._regex(value)) if regex else _anywhere(value)
        found = tuple(self._condition(Meaning(FIELDS[field]), test) for field in fields)
        return Anywhere(found, value.text)

    def ranges(self, name: Value) -> bool:
        """Whether every reading of `name` is a number or a time, so that `a..b` means a range."""
        return all(meaning.field.kind in {Kind.INTEGER, Kind.TIME} for meaning in self._meanings(name))

    def _meanings(self, name: Value) -> tuple[Meaning, ...]:
        try:
            meanings = resolve(name.text)
        except UnknownFieldError as error:
            raise error_at(
                self._text,
                name.offset,
                f"there is no field “{excerpt(name.text)}”{self._unknown}",
                error.suggestions,
            ) from error
        usable = tuple(meaning for meaning in meanings if meaning.field.searchable)
        if not usable:
            raise error_at(self._text, name.offset, f"{name.text} is stored, not searchable")
        return usable

    def _each(self, meanings: tuple[Meaning, ...], value: Value, tests: Callable[[Field], list[Test]]) -> Node:
        """Alternatives of all meanings that the value fits; an error only if it fits none."""
        nodes: list[Node] = []
        problems: list[ValueProblem] = []
        for meaning in meanings:
            try:
                found = tests(meaning.field)
            except ValueProblem as problem:
                problems.append(problem)
            else:
                nodes += [self._condition(meaning, test) for test in found]
        if not nodes:
            raise error_at(self._text, value.offset, str(problems[0])) from problems[0]
        return ast.any_of(*nodes)

    def _add_option(self, options: list[tuple[Meaning, list[Test]]], value: Value) -> None:
        problem: ValueProblem | None = None
        fits = False
        for meaning, tests in options:
            try:
                tests.append(typed(meaning.field, Operator.IS, value, self._now))
                fits = True
            except ValueProblem as error:
                problem = problem or error
        if not fits:
            raise error_at(self._text, value.offset, str(problem)) from problem

    def _condition(self, meaning: Meaning, test: Test) -> Condition:
        self._conditions += 1
        if self._conditions > ast.MAX_CONDITIONS:
            raise error_at(
                self._text, 0, f"more than {ast.MAX_CONDITIONS:,} comparisons in one query; use lists (in) or split it"
            )
        field = meaning.field
        narrowed = meaning.types and not field.types <= meaning.types
        return Condition(field, test, tuple(sorted(meaning.types)) if narrowed else ())

    def _regex(self, value: Value) -> Test:
        try:
            return typed(FIELDS[ANYWHERE[0]], Operator.MATCHES, value, self._now)
        except ValueProblem as problem:
            raise error_at(self._text, value.offset, str(problem)) from problem

    def _check_value(self, value: Value) -> None:
        if len(value.text) > ast.MAX_VALUE:
            raise error_at(
                self._text,
                value.offset,
                f"a value of {len(value.text):,} characters; at most {ast.MAX_VALUE:,} are allowed",
            )

    def _types(self, operator: Operator, values: list[Value]) -> Node:
        """`event.type`: our names and KATA's, with wildcards over both."""
        if operator in ORDERED or operator in {Operator.MATCHES, Operator.WITHIN}:
            raise error_at(self._text, values[0].offset, f"event.type has no “{operator}”; use = or in")
        found: list[str] = []
        for value in values:
            found += self._type(operator, value)
        names = tuple(dict.fromkeys(found))
        if set(names) >= FIELDS[TYPE].types:
            return ast.EVERYTHING
        return self._condition(Meaning(FIELDS[TYPE]), OneOf(names) if len(names) > 1 else Equals(names[0]))

    def _type(self, operator: Operator, value: Value) -> Iterable[str]:
        wanted = value.text.strip().lower()
        if operator is Operator.IS and not value.like and wanted in EVENT_TYPE_VALUES:
            return EVENT_TYPE_VALUES[wanted]
        text = glob.escape(wanted)
        like = {
            Operator.IS: value.like.lower() or text,
            Operator.CONTAINS: f"%{text}%",
            Operator.STARTS: f"{text}%",
            Operator.ENDS: f"%{text}",
        }[operator]
        shape = glob.to_regex(like)
        names = [ours for accepted, types in EVENT_TYPE_VALUES.items() if shape.fullmatch(accepted) for ours in types]
        if not names:
            listed = ", ".join(sorted(FIELDS[TYPE].types))
            near = difflib.get_close_matches(wanted, EVENT_TYPE_VALUES, cutoff=0.6)
            problem = f"there is no event type “{excerpt(value.text)}”; the types are {listed}"
            raise error_at(self._text, value.offset, problem, near)
        return names


def _anywhere(value: Value) -> tuple[tuple[str, ...], Test]:
    text = value.text.strip()
    if value.like:
        return ANYWHERE, Like(f"%{glob.fold(value.like)}%".replace("%%", "%"))
    if _HEX.fullmatch(text) and len(text) in ANYWHERE_DIGEST:
        return ANYWHERE_DIGEST[len(text)], Equals(text.lower())
    if "/" in text:
        try:
            return ANYWHERE_ADDRESS, InNetwork(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            pass
    return ANYWHERE, Like(glob.containing(value.text))
