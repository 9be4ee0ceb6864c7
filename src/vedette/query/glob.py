"""Wildcards and letter case: the forms in which text is compared. Patterns are SQL's LIKE, folded."""

import re

_SPECIAL = re.compile(r"[%_\\]")
_PIECE = re.compile(r"\\(?P<literal>.)|(?P<wildcard>[%_])|(?P<text>[^\\%_]+)", re.DOTALL)
SIGMAS = "'\u03c2', '\u03c3'"
"""Small sigmas in SQL: at the end of a word, and elsewhere."""
_WILDCARDS = {"*": "%", "?": "_"}
_ASCII = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    """Lower-case `text`; both small sigmas are one. For ASCII text the store's `lower()` gives the same."""
    return text.lower() if text.isascii() else text.lower().replace("\u03c2", "\u03c3")


def fold_ascii(text: str) -> str:
    """Lower-case A-Z alone: the store's `lower()`."""
    return text.translate(_ASCII)


def escape(text: str) -> str:
    """`text` as a literal part of a LIKE pattern."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def containing(text: str) -> str:
    """Folded pattern of texts that contain `text`."""
    return f"%{escape(fold(text))}%"


def scan(text: str, pieces: re.Pattern[str]) -> tuple[str, str]:
    """Split `text` by groups `literal`, `wildcard` (`*` or `?`) and `text`: its text, and its pattern or ""."""
    literal: list[str] = []
    like: list[str] = []
    wild = False
    for piece in pieces.finditer(text):
        wildcard, part = piece["wildcard"], piece["literal"] or piece["text"] or ""
        literal.append(wildcard or part)
        like.append(_WILDCARDS[wildcard] if wildcard else escape(part))
        wild = wild or bool(wildcard)
    return "".join(literal), "".join(like) if wild else ""


def literals(like: str) -> list[str]:
    """Texts between the wildcards of a LIKE pattern, unescaped."""
    runs = [""]
    for piece in _PIECE.finditer(like):
        if piece["wildcard"]:
            runs.append("")
        else:
            runs[-1] += piece["literal"] or piece["text"]
    return [run for run in runs if run]


def to_regex(like: str) -> re.Pattern[str]:
    """Python expression that a text matches as a whole where the store's LIKE matches it."""
    parts = []
    for piece in _PIECE.finditer(like):
        if piece["wildcard"]:
            parts.append(".*" if piece["wildcard"] == "%" else ".")
        else:
            parts.append(re.escape(piece["literal"] or piece["text"]))
    return re.compile("".join(parts), re.DOTALL)
