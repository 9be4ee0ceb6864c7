"""Decides whether a statement may run, and what it is. Pure: text in, `Statement` out."""

import re
from enum import StrEnum

import msgspec

from vedette.runtime.errors import AccessDenied
from vedette.store.server import allowed
from vedette.store.server.lexer import Shape, Token, tokens


class Verb(StrEnum):
    """What a statement does, as far as its treatment differs."""

    SELECT = "select"
    DESCRIBE = "describe"
    WRITE = "write"
    DEFINE = "define"
    INSERT = "insert"
    KILL = "kill"


class Statement(msgspec.Struct, frozen=True):
    """An accepted statement. `text` is without its FORMAT clause; `format` is "" when none was named.

    `Verb.INSERT` is an INSERT whose data follow in `format`; `text` then ends before FORMAT. Of a `Verb.KILL`
    the text is the id of the query that shall end.
    """

    verb: Verb
    text: str
    format: str


_SELECTS = frozenset({"SELECT", "WITH"})
_DESCRIBES = frozenset({"SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"})
READS = frozenset({Verb.SELECT, Verb.DESCRIBE})
"""What changes nothing."""

_DEFINES = {
    "CREATE": frozenset({"TABLE", "DATABASE", "VIEW", "MATERIALIZED"}),
    "ALTER": frozenset({"TABLE"}),
    "DROP": frozenset({"TABLE", "DATABASE", "VIEW"}),
    "TRUNCATE": frozenset({"TABLE"}),
    "OPTIMIZE": frozenset({"TABLE"}),
}
_KILL = re.compile(r"KILL QUERY WHERE query_id = '([0-9a-f]{32})' ASYNC")
_NEVER = frozenset({"OUTFILE", "INFILE", "FETCH", "DICTIONARY"})


def check(statement: str, table_functions: frozenset[str]) -> Statement:
    """Accept `statement` or raise AccessDenied with the reason.

    `table_functions`: the lower-case names of all table functions that the engine has.
    """
    if killed := _KILL.fullmatch(statement.strip()):
        return Statement(Verb.KILL, killed[1], "")
    found = list(tokens(statement))
    while found and found[-1].is_sign(";"):
        found.pop()
    if not found:
        raise AccessDenied("the statement is empty")
    verb = _verb(found)
    for index, token in enumerate(found):
        follower = found[index + 1] if index + 1 < len(found) else None
        _check_token(token, follower, table_functions)
    _check_engine(found)
    _check_settings(found)
    return _without_format(statement, found, verb)


def _verb(found: list[Token]) -> Verb:
    first = next((token for token in found if not token.is_sign("(")), found[0])
    word = first.value.upper() if first.shape is Shape.WORD else ""
    if word in _SELECTS:
        return Verb.SELECT
    if first is not found[0]:
        raise AccessDenied("a statement in parentheses must be a SELECT")
    if word in _DESCRIBES:
        return Verb.DESCRIBE
    if word == "INSERT":
        return Verb.WRITE
    rest = [token for token in found[1:4] if not token.is_word("OR", "REPLACE")]
    if word in _DEFINES and rest and rest[0].is_word(*_DEFINES[word]):
        return Verb.DEFINE
    raise AccessDenied(f"statements that begin with {first.value[:20]!r} are not accepted here")


def _check_token(token: Token, follower: Token | None, table_functions: frozenset[str]) -> None:
    if token.is_sign(";"):
        raise AccessDenied("one statement at a time")
    if token.shape is Shape.WORD and token.value.upper() in _NEVER:
        raise AccessDenied(f"{token.value} is not accepted: it reaches outside the store")
    if token.is_sign(":") and follower is not None and follower.is_word("IDENTIFIER"):
        raise AccessDenied("parameters of type Identifier are not accepted")
    if token.shape not in {Shape.WORD, Shape.QUOTED} or follower is None:
        return
    name = token.value.lower()
    # The engine's own `default` database opens any path of the host as a table.
    if name == "default" and follower.is_sign("."):
        raise AccessDenied("the database `default` is not accepted")
    if follower.is_sign("(") and _reaches_outside(name, table_functions):
        raise AccessDenied(f"the function {token.value[:40]!r} is not accepted: it reaches outside the store")


def _reaches_outside(name: str, table_functions: frozenset[str]) -> bool:
    if name in allowed.TABLE_FUNCTIONS or name == "format":  # format('{}', x) is a harmless scalar
        return False
    return (
        name in table_functions
        or name in allowed.SCALAR_FUNCTIONS_REFUSED
        or (name.startswith("ai") and name != "airlines")
    )


def _check_engine(found: list[Token]) -> None:
    if not found[0].is_word("CREATE"):
        return
    for index, token in enumerate(found[:-1]):
        if not token.is_word("ENGINE"):
            continue
        name = found[index + 2] if found[index + 1].is_sign("=") and index + 2 < len(found) else found[index + 1]
        if name.value.lower() not in allowed.ENGINES:
            raise AccessDenied(f"the engine {name.value[:40]!r} is not accepted")


def _check_settings(found: list[Token]) -> None:
    """Names between SETTINGS (or ALTER's SETTING) and the clause's end, wherever one stands."""
    accepted = allowed.QUERY_SETTINGS | allowed.TABLE_SETTINGS
    inside = False
    for index, token in enumerate(found[:-1]):
        if token.is_word("SETTINGS", "SETTING"):
            inside = True
        elif inside and token.shape in {Shape.WORD, Shape.QUOTED} and found[index + 1].is_sign("="):
            if token.value not in accepted:
                raise AccessDenied(f"the setting {token.value[:60]!r} is not accepted")
        elif inside and token.is_sign(")"):
            inside = False


def _without_format(statement: str, found: list[Token], verb: Verb) -> Statement:
    if len(found) < 2 or not found[-2].is_word("FORMAT") or found[-1].shape is not Shape.WORD:
        return Statement(verb, statement[: found[-1].end], "")
    text = statement[: found[-2].start].rstrip()
    if verb is Verb.WRITE and not any(token.is_word("SELECT", "VALUES") for token in found):
        verb = Verb.INSERT
    return Statement(verb, text, found[-1].value)
