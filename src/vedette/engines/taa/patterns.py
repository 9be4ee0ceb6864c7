"""Tests of texts as expressions for Hyperscan and RE2."""

import re
from collections.abc import Callable
from functools import lru_cache

import re2

from vedette.query import glob, regex
from vedette.query.ast import Like, Regex
from vedette.query.conditions import re2_text

_PIECE = re.compile(r"\\(?P<literal>.)|(?P<wildcard>[%_])|(?P<text>[^\\%_]+)", re.DOTALL)
_ONE = {"bytes": r"(?:[\x00-\x7f]|[\xc2-\xf4][\x80-\xbf]+)", "text": "(?s:.)"}
"""One character: of UTF-8, where Hyperscan looks at bytes, and of text."""
_SAFE = re.compile(r"[0-9A-Za-z]")


def expression(pattern: str, *, units: str) -> str:
    """Give a LIKE pattern as an expression that is searched for; `units`: bytes (Hyperscan) or text (RE2)."""
    pieces = list(_PIECE.finditer(pattern))
    starts = bool(pieces) and pieces[0]["wildcard"] == "%"
    ends = bool(pieces) and pieces[-1]["wildcard"] == "%"
    if starts:
        pieces = pieces[1:]
    if ends and pieces:
        pieces = pieces[:-1]
    parts = []
    for piece in pieces:
        if piece["wildcard"]:
            parts.append("(?s:.*)" if piece["wildcard"] == "%" else _ONE[units])
        else:
            parts.append(_quoted(piece["literal"] or piece["text"], units))
    return ("" if starts else r"\A") + "".join(parts) + ("" if ends else r"\z")


def _quoted(text: str, units: str) -> str:
    if units == "text":
        return str(re2.escape(text))
    return "".join(chr(byte) if byte < 128 and _SAFE.match(chr(byte)) else f"\\x{byte:02x}" for byte in text.encode())


def compiled(test: Like | Regex) -> "re2._Regexp":
    """Give the RE2 form of a test: linear in the text, whatever the expression."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 16 << 20
    text = re2_text(test) if isinstance(test, Regex) else expression(test.pattern, units="text")
    return re2.compile(text, options)


def check(test: Like | Regex) -> Callable[[str], bool]:
    """Give the test of one text, as the syntax tree defines it; compiled when it is first needed."""
    made: list[Callable[[str], object]] = []

    def search(text: str) -> object:
        if not made:
            made.append(compiled(test).search)
        return made[0](text)

    if isinstance(test, Regex) or test.cased:
        return lambda text: search(text) is not None
    fold = glob.fold_ascii if test.pattern.isascii() else glob.fold
    longest = max(glob.literals(test.pattern), key=len, default="")
    return lambda text: longest in (folded := fold(text)) and search(folded) is not None


@lru_cache(65_536)
def literals(test: Like | Regex) -> tuple[str, ...]:
    """Give folded texts of which every match contains one, as long as there are; () when nothing is known."""
    if isinstance(test, Like):
        runs = glob.literals(test.pattern)
        longest = max(runs, key=len, default="")
        return (glob.fold(longest),) if longest else ()
    sets = regex.parse(test.pattern, test.flags, weight=regex.RULE_WEIGHT).necessary
    return max(sets, key=lambda texts: min(map(len, texts)), default=())
