"""Criteria -> a syntax tree over one event, with three-valued logic: a term that the event does not tell is unknown.

An item of OpenIOC (a file, a process) can be several things of an event: the file written, the program that wrote it.
A group of terms joined by AND is about one of them, so that it is compiled for each such *view* and any may hold.
Unknown is neither true nor false: a negated test holds only where the field is known, and what cannot be answered
takes its AND group with it, never its OR group.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from vedette.query import ast
from vedette.query.ast import Condition, Exists, Node, Test
from vedette.query.ioc import columns, tests
from vedette.query.ioc.columns import Answer, Column
from vedette.query.ioc.criteria import All, Criteria, Problem, Some, Term, counted, terms
from vedette.query.ioc.joined import joined
from vedette.query.values import ValueProblem
from vedette.schema.dictionary import FIELDS

_ALL_TYPES = FIELDS["event.type"].types
MAX_COMPARISONS = 20_000
"""Of one file on the stream; a search asks for its alternatives in portions."""
_MOST_GUESSES = 50
"""Unknown terms for which a near one is looked for."""
_MOST_VIEWS = 64
"""Combinations of views of one AND group."""


def compile_criteria(criteria: Criteria) -> tuple[Node | None, tuple[Problem, ...]]:
    """Tree of events that match, None if none ever can; and every part that events cannot answer."""
    compiler = _Compiler(criteria)
    try:
        node = compiler.each(criteria)
    except _TooManyError:
        limit = f"more than {MAX_COMPARISONS:,} comparisons after each view of an event counts; split the file"
        return None, counted([*compiler.problems, Problem("(all)", limit, criteria.line)])
    return node, counted(compiler.problems)


class _TooManyError(Exception):
    """The tree would be too big: nothing of it is made."""


class _Compiler:
    """Compiles one tree. `usable` are the terms that some view can answer."""

    def __init__(self, criteria: Criteria) -> None:
        self.problems: list[Problem] = []
        self._made: dict[tuple[int, Column], tuple[Test, ...] | str] = {}
        self._comparisons = 0
        self._usable: dict[int, Answer] = {}
        for term in terms(criteria):
            found = columns.answer(term.name)
            problem = self._problem(term, found)
            if problem:
                self.problems.append(Problem(term.name, problem, term.line))
            elif found:
                self._usable[id(term)] = found

    def each(self, criteria: Criteria) -> Node | None:
        """Any choice of views for each alternative; OR groups choose anew for each operand."""
        if isinstance(criteria, Some):
            return _either(map(self.each, criteria.operands))
        choices = self._choices(criteria)
        if len(choices) > _MOST_VIEWS:
            self.problems.append(Problem("AND", "too many kinds of items in one group", criteria.line))
            return None
        node = _either(self._within(criteria, views) for views in choices)
        if node is None and isinstance(criteria, All):
            self._explain(criteria)
        return node

    def _choices(self, criteria: Criteria) -> list[dict[str, str]]:
        """Every way of taking one view for each kind of item below."""
        views: dict[str, dict[str, None]] = {}
        for term in terms(criteria):
            if found := self._usable.get(id(term)):
                views.setdefault(found.item, {}).update(dict.fromkeys(found.views))
        return [dict(zip(views, chosen, strict=True)) for chosen in product(*views.values())]

    def _within(self, criteria: Criteria, views: Mapping[str, str]) -> Node | None:
        match criteria:
            case Term():
                return self._term(criteria, views)
            case Some():
                return _either(self._within(operand, views) for operand in criteria.operands)
            case All():
                parts = [self._within(operand, views) for operand in criteria.operands]
                known = [part for part in parts if part is not None]
                if len(known) < len(parts) or not known:
                    return None
                node = ast.all_of(*known)
                return node if _types(node) else None

    def _term(self, term: Term, views: Mapping[str, str]) -> Node | None:
        found = self._usable.get(id(term))
        answering = found.views.get(views[found.item], ()) if found else ()
        usable = [(column, made) for column in answering if not isinstance(made := self._tests(column, term), str)]
        if found is None or not usable:
            return None
        self._comparisons += sum(len(made) + term.negated for _column, made in usable)
        if self._comparisons > MAX_COMPARISONS:
            raise _TooManyError
        condition = _placed(found.types)
        held = ast.any_of(*[condition(column, test) for column, made in usable for test in made])
        if not term.negated:
            return held
        known = ast.any_of(*[condition(column, Exists()) for column, _made in usable])
        return ast.all_of(known, ast.Not(held))

    def _tests(self, column: Column, term: Term) -> tuple[Test, ...] | str:
        """Tests, or what is wrong with the value; each made once, whatever the views."""
        key = id(term), column
        if key not in self._made:
            try:
                self._made[key] = tests.tests_of(column, term)
            except ValueProblem as problem:
                self._made[key] = str(problem)
        return self._made[key]

    def _problem(self, term: Term, found: Answer | None) -> str:
        """Why no event can answer `term`, or ""."""
        if found is None:
            near = columns.near(term.name) if len(self.problems) < _MOST_GUESSES else ()
            return "no event carries it" + (f"; did you mean {', '.join(near)}?" if near else "")
        tried = [self._tests(column, term) for view in found.views.values() for column in view]
        if any(not isinstance(made, str) for made in tried):
            return ""
        return next((made for made in tried if isinstance(made, str)), "no event carries it")

    def _explain(self, criteria: All) -> None:
        """Say why an AND group can never match an event."""
        unknown = [term.name for term in terms(criteria) if id(term) not in self._usable]
        names = dict.fromkeys(unknown or [term.name for term in terms(criteria)])
        listed = ", ".join(list(names)[:5]) + (", ..." if len(names) > 5 else "")
        reason = f"needs {listed}" if unknown else f"no one event tells all of {listed}"
        self.problems.append(Problem("AND", f"this group never matches an event: {reason}", criteria.line))


def _either(parts: Iterator[Node | None]) -> Node | None:
    known = [part for part in parts if part is not None]
    return joined(ast.any_of(*known)) if known else None


def _placed(types: tuple[str, ...]) -> Callable[[Column, Test], Condition]:
    def condition(column: Column, test: Test) -> Condition:
        carried = column.field.types
        narrowed = bool(types) and not carried <= set(types)
        return Condition(column.field, test, types if narrowed else ())

    return condition


def _types(node: Node) -> frozenset[str]:
    """Event types that can match `node`, as far as the fields that must be known say."""
    match node:
        case ast.And(operands):
            return _ALL_TYPES.intersection(*map(_types, operands))
        case ast.Or(operands):
            return frozenset().union(*map(_types, operands))
        case Condition():
            return node.field.types & frozenset(node.types or node.field.types)
        case _:
            return _ALL_TYPES
