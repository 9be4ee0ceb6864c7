"""What an analyst should know of a query that is right but will hardly find what was meant."""

from collections.abc import Iterator

from vedette.query import ast, glob
from vedette.query.ast import And, Anywhere, Condition, Equals, Like, Node, Not, OneOf, Or, Test
from vedette.query.position import excerpt
from vedette.query.simplify import asked_types
from vedette.schema.dictionary import FIELDS

_PATHS = (".path", ".directory")
_EVERY_TYPE = FIELDS["event.type"].types


def advise(node: Node) -> tuple[str, ...]:
    """Sentences about what cannot match, each once."""
    found = [*_impossible(node, _EVERY_TYPE)]
    for condition in ast.conditions(node):
        found += _about(condition)
    return tuple(dict.fromkeys(found))


def _about(condition: Condition) -> Iterator[str]:
    name = condition.field.name
    for text in _texts(condition.test):
        if "\\\\" in text[1:]:
            yield f"“{excerpt(text)}” has two backslashes in a row; in the hunt language one is written as one"
        if isinstance(condition.test, Like) or not name.endswith(_PATHS) or not text:
            continue
        if "/" not in text and "\\" not in text:
            part, other = f"{name}:*{text}*", f"{_name_field(name)}:{text}"
            yield f"{name} is a whole path; for a part of it write {part}, for a name {other}"


def _texts(test: Test) -> list[str]:
    """Texts that a test compares with; of a list only the first few."""
    if isinstance(test, Like):
        return glob.literals(test.pattern)
    values = (test.value,) if isinstance(test, Equals) else test.values[:20] if isinstance(test, OneOf) else ()
    return [value for value in values if isinstance(value, str)]


def _name_field(path: str) -> str:
    name = path.rpartition(".")[0] + ".name"
    return name if name in FIELDS else "file.name"


def _impossible(node: Node, types: frozenset[str]) -> Iterator[str]:
    """Parts of conjunctions that no event of the types asked for can fulfil."""
    match node:
        case And():
            types = types.intersection(*(asked_types(operand) for operand in node.operands))
            for operand in node.operands:
                if types and not _possible(operand, types):
                    names = ", ".join(dict.fromkeys(one.field.name for one in ast.conditions(operand)))
                    yield f"{names}: not in events of type {', '.join(sorted(types))}, so nothing can match"
                else:
                    yield from _impossible(operand, types)
            if not types:
                yield "no event has all of these types at once, so nothing can match"
        case Or():
            for operand in node.operands:
                yield from _impossible(operand, types)
        case _:
            return


def _possible(node: Node, types: frozenset[str]) -> bool:
    """Whether an event of one of `types` can match, as far as the dictionary says."""
    match node:
        case Condition():
            return bool((frozenset(node.types) or node.field.types or types) & types)
        case Anywhere():
            return any(_possible(condition, types) for condition in node.conditions)
        case And():
            return all(_possible(operand, types) for operand in node.operands)
        case Or():
            return not node.operands or any(_possible(operand, types) for operand in node.operands)
        case Not():
            return True
