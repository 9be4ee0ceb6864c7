"""Words of a ClickHouse statement; anything the engine might read otherwise than this module is refused."""

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from vedette.runtime.errors import AccessDenied


class Shape(StrEnum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"
    TEXT = "text"
    NUMBER = "number"
    SIGN = "sign"


class Token(msgspec.Struct, frozen=True):
    """One token: `value` has its quotes removed, `start` and `end` are offsets into the statement."""

    shape: Shape
    value: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the (upper-case) key words, written without quotes."""
        return self.shape is Shape.WORD and self.value.upper() in words

    def is_sign(self, sign: str) -> bool:
        """Whether this is the punctuation `sign`."""
        return self.shape is Shape.SIGN and self.value == sign


# Comments, heredocs and typographic quotes have no pattern on purpose: no statement of ours needs them,
# and each is a place where two lexers can disagree.
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<text>'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<number>\d[\w.]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<comment>--|/\*)
  | (?P<sign>->|::|<=>|<=|>=|<>|!=|==|\|\||[-(){}\[\],.;:?+*/%=<>@!])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


def tokens(statement: str) -> Iterator[Token]:
    """Yield the tokens of `statement`. Raises AccessDenied at the first thing that is not one."""
    at = 0
    while at < len(statement):
        found = _TOKEN.match(statement, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None or kind == "comment":
            raise AccessDenied(f"character {at} of the statement, {statement[at : at + 10]!r}, is not accepted")
        at = found.end()
        if kind == "space":
            continue
        value = found.group()
        if kind in {"text", "quoted"}:
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        yield Token(Shape(kind), value, found.start(), found.end())
