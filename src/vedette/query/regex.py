r"""Regular expressions that mean the same to the store (RE2) and to Python: parsed, bounded, and their literals found.

Accepted: literals, `.`, classes, `\d \w \s \b` and their opposites (ASCII), anchors, groups, alternatives, repeats
up to 1,000, and the flags i and s. Not: what RE2 cannot run in linear time (look-around, back-references, possessive
repeats) and what Python writes otherwise (`\pL`, `\Q..\E`). Letters match without regard to case and `.` matches a
line break, unless `(?-i)` or `(?-s)` says otherwise.
"""

import re
from functools import lru_cache

from msgspec import Struct

MAX_LENGTH = 1_024
"""Characters of an expression."""
MAX_REPEAT = 1_000
"""RE2's own bound for a repeat and for nested repeats multiplied."""
MAX_WEIGHT = 4_096
"""Characters times the largest repeat: about the states that an expression may be in at once.

RE2 stays linear, but where its automaton does not fit into memory a character costs nanoseconds a state, and the
store looks at the clock between blocks of some megabytes only (measured: `(a|b|ab)*.{400}q` reads 0.3 MB/s).
"""
RULE_WEIGHT = 32_768
"""The same for an expression of a detection rule: written with care, and asked of the store one rule at a time."""
MAX_NESTING = 32
MIN_LITERAL = 4
"""Characters a literal needs to be found by the store's n-gram index."""

_CLASSES = {
    "d": "0-9",
    "D": "\\x00-/:-\\U0010ffff",
    "w": "0-9A-Za-z_",
    # Without the long s and the Kelvin sign, which are s and k whatever their case.
    "W": "\\x00-/:-@\\[-\\^`\\{-\\u017e\\u0180-\\u2129\\u212b-\\U0010ffff",
    "s": "\\t\\n\\f\\r ",
    "S": "\\x00-\\x08\\x0b\\x0e-\\x1f!-\\U0010ffff",
}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`\\{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_ANCHORS = {"b": "(?a:\\b)", "B": "(?a:\\B)", "A": "\\A", "z": "\\Z"}
_PYTHON_FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}
_REPEAT = re.compile(r"(?:([*+?])|\{(\d{1,4})(,(\d{0,4}))?\})(\??)")
_FLAGS = re.compile(r"\?([is]*)(?:-([is]+))?([:)])")
_NAMED = re.compile(r"\?P?<[A-Za-z_]\w*>", re.ASCII)
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")


class RegexError(ValueError):
    """Not an expression that both engines understand; `offset` counts characters of the expression."""

    def __init__(self, problem: str, offset: int) -> None:
        self.problem, self.offset = problem, offset
        super().__init__(problem)


class Part(Struct, frozen=True):
    """A piece of an expression: its Python text, what it must contain, and how often its largest repeat runs."""

    python: str
    literal: str = ""
    """The exact text it stands for; "" if it can be several."""
    necessary: tuple[tuple[str, ...], ...] = ()
    """Each of these sets has a text that every match contains, in lower case."""
    repeats: int = 1


class Expression(Struct, frozen=True):
    """A parsed expression."""

    python: str
    necessary: tuple[tuple[str, ...], ...]
    flags: str = "is"

    def compiled(self) -> re.Pattern[str]:
        """For `search`; flags as the store sets them."""
        return re.compile(self.python, sum(_PYTHON_FLAGS[flag] for flag in self.flags))


@lru_cache(maxsize=512)
def parse(pattern: str, flags: str = "is", *, weight: int = MAX_WEIGHT) -> Expression:
    """Expression that `pattern` writes under `flags` (of i, s, m), no heavier than `weight`; raises `RegexError`."""
    if not pattern:
        raise RegexError("a regular expression is empty", 0)
    if len(pattern) > MAX_LENGTH:
        raise RegexError(f"a regular expression has {len(pattern)} characters, at most {MAX_LENGTH} are allowed", 0)
    parser = _Parser(pattern, lines="m" in flags)
    part = parser.alternatives(0)
    if parser.at < len(pattern):
        raise RegexError("a closing parenthesis has no opening one", parser.at)
    if part.repeats > 1 and len(pattern) * part.repeats > weight:
        raise RegexError(f"its {len(pattern)} characters times a repeat of {part.repeats} are more than {weight:,}", 0)
    try:
        re.compile(part.python)
    except re.error as error:
        raise RegexError(f"the expression is not valid: {error.msg}", 0) from error
    return Expression(part.python, part.necessary, flags)


class _Parser:
    """Recursive descent over one expression; `at` is the next character."""

    def __init__(self, pattern: str, *, lines: bool) -> None:
        self.pattern, self.at = pattern, 0
        self.end = "(?:$)" if lines else "\\Z"

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def alternatives(self, depth: int) -> Part:
        """Branches up to the end or a closing parenthesis."""
        if depth > MAX_NESTING:
            raise RegexError(f"groups are nested deeper than {MAX_NESTING}", self.at)
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.sequence(depth))
        if len(branches) == 1:
            return branches[0]
        best = [_longest(branch.necessary) for branch in branches]
        return Part(
            "|".join(branch.python for branch in branches),
            necessary=(tuple(dict.fromkeys(text for texts in best for text in texts)),) if all(best) else (),
            repeats=max(branch.repeats for branch in branches),
        )

    def sequence(self, depth: int) -> Part:
        """Repeated atoms up to the end of the branch."""
        parts: list[Part] = []
        while self.peek() not in {"", "|", ")"}:
            flags = _FLAGS.match(self.pattern, self.at + 1) if self.peek() == "(" else None
            if flags and flags[3] == ")":
                if parts:
                    raise RegexError("flags come first in an expression, group or branch", self.at)
                self.at = flags.end()
                return _flagged(flags, self.alternatives(depth + 1))
            parts.append(self.repeated(self.atom(depth)))
        return _concatenated(parts)

    def repeated(self, part: Part) -> Part:
        """`part` with the repeat that follows it, if one does."""
        found = _REPEAT.match(self.pattern, self.at)
        if not found:
            if self.peek() and self.peek() in "*+?":
                raise RegexError("nothing to repeat", self.at)
            return part
        low, high = _bounds(found)
        if high > MAX_REPEAT or low > high or part.repeats * max(high, 1) > MAX_REPEAT:
            raise RegexError(f"a repeat is out of order or above {MAX_REPEAT} (nested ones multiply)", self.at)
        self.at = found.end()
        following = self.peek()
        if following and following in "*+?":
            raise RegexError("a repeat of a repeat is not supported", self.at)
        return Part(
            f"(?:{part.python}){found[0]}",
            necessary=part.necessary if low else (),
            repeats=part.repeats * max(high, 1) if found[2] else part.repeats,
        )

    def atom(self, depth: int) -> Part:
        """One thing that a repeat could follow."""
        start, letter = self.at, self.peek()
        self.at += 1
        if letter == "(":
            return self.group(start, depth)
        if letter == "[":
            return Part(self.bracket(start))
        if letter == "\\":
            return self.escaped(start)
        if letter == ".":
            return Part(".")
        if letter in {"^", "$"}:
            return Part("(?:^)" if letter == "^" else self.end)
        if letter in "*+?":
            raise RegexError("nothing to repeat", start)
        return Part(re.escape(letter), letter)

    def group(self, start: int, depth: int) -> Part:
        """After an opening parenthesis."""
        flags = None
        if self.peek() == "?":
            flags = _FLAGS.match(self.pattern, self.at)
            head = flags or _NAMED.match(self.pattern, self.at)
            if not head:
                raise RegexError("look-around and other special groups are not supported", start)
            self.at = head.end()
        inner = self.alternatives(depth + 1)
        if self.peek() != ")":
            raise RegexError("a parenthesis is not closed", start)
        self.at += 1
        return _flagged(flags, inner) if flags else _grouped(inner)

    def escaped(self, start: int) -> Part:
        """After a backslash, outside brackets."""
        letter = self.peek()
        if letter in _ANCHORS:
            self.at += 1
            return Part(_ANCHORS[letter])
        if letter in _CLASSES:
            self.at += 1
            return Part(f"[{_CLASSES[letter]}]")
        text = self.escaped_letter(start)
        return Part(re.escape(text), text)

    def escaped_letter(self, start: int) -> str:
        """One character that an escape writes."""
        letter = self.peek()
        if found := _HEX.match(self.pattern, self.at):
            code = int(found[1] or found[2], 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise RegexError("there is no such character", start)
            self.at = found.end()
            return chr(code)
        self.at += 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if not letter or letter.isalnum() or not letter.isascii():
            raise RegexError(f"the escape \\{letter} is not supported", start)
        return letter

    def bracket(self, start: int) -> str:
        """Class in brackets, after the opening one."""
        negated = self.peek() == "^"
        self.at += negated
        parts: list[str] = []
        while self.peek() != "]" or not parts:
            if not self.peek():
                raise RegexError("a bracket is not closed", start)
            parts.append(self.bracket_item())
        self.at += 1
        return f"[{'^' if negated else ''}{''.join(parts)}]"

    def bracket_item(self) -> str:
        """Named class, a character or a range."""
        start = self.at
        if self.pattern.startswith("[:", start):
            name, colon, _ = self.pattern[start + 2 : start + 12].partition(":]")
            if not colon or name not in _POSIX:
                raise RegexError("there is no such named class", start)
            self.at += len(name) + 4
            return _POSIX[name]
        if self.pattern[start : start + 1] == "\\" and self.pattern[start + 1 : start + 2] in {*_CLASSES}:
            self.at += 2
            return _CLASSES[self.pattern[start + 1]]
        low = self.bracket_letter()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in {"]", ""}:
            return _class_letter(low)
        self.at += 1
        high = self.bracket_letter()
        if high < low:
            raise RegexError("a range in brackets is out of order", start)
        return f"{_class_letter(low)}-{_class_letter(high)}"

    def bracket_letter(self) -> str:
        start = self.at
        self.at += 1
        letter = self.pattern[start]
        return self.escaped_letter(start) if letter == "\\" else letter


def _class_letter(letter: str) -> str:
    return f"\\U{ord(letter):08x}" if not letter.isalnum() else letter


def _bounds(found: re.Match[str]) -> tuple[int, int]:
    """Least and most of a repeat; an open end counts as its least, at most once for `*`."""
    if found[1]:
        return (1 if found[1] == "+" else 0), 1
    low = int(found[2])
    return low, (low if not found[3] or not found[4] else int(found[4]))


def _longest(necessary: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Set whose shortest text is longest: the one that selects best."""
    return max(necessary, key=lambda texts: min(map(len, texts)), default=())


def _grouped(part: Part) -> Part:
    return Part(f"(?:{part.python})", part.literal, part.necessary, part.repeats)


def _flagged(flags: re.Match[str], part: Part) -> Part:
    on, off = flags[1], flags[2] or ""
    if set(on) & set(off) or not (on or off or flags[3] == ":"):
        raise RegexError("the flags contradict each other or are empty", flags.start())
    setting = on + (f"-{off}" if off else "")
    return Part(f"(?{setting}:{part.python})", "", part.necessary, part.repeats)


def _concatenated(parts: list[Part]) -> Part:
    """Neighbours that are exact texts join; only the joined ones are long enough to search for."""
    necessary: list[tuple[str, ...]] = []
    run = ""
    for part in [*parts, Part("")]:
        if part.literal and part.literal.isascii():
            run += part.literal.lower()
            continue
        if len(run) >= MIN_LITERAL:
            necessary.append((run,))
        run = ""
        necessary.extend(part.necessary)
    exact = parts[0].literal if len(parts) == 1 else ""
    return Part(
        "".join(part.python for part in parts),
        exact,
        tuple(dict.fromkeys(necessary)),
        max((part.repeats for part in parts), default=1),
    )
