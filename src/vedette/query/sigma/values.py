"""A field and a Sigma value -> nodes of the syntax tree."""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable

from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from vedette.query import ast, glob, regex
from vedette.query.ast import (
    MAX_VALUE,
    Anywhere,
    Between,
    Condition,
    Equals,
    Exists,
    InNetwork,
    Like,
    Node,
    Not,
    Regex,
    Test,
)
from vedette.query.sigma.fields import KEYWORDS, digests, readings
from vedette.query.sigma.rule import Placeholders
from vedette.query.values import is_address, is_canonical
from vedette.schema.dictionary import Field, view

_DIGEST = re.compile(r"(?P<name>md5|sha256|imphash)=(?P<digest>[0-9a-f]{32,64})", re.IGNORECASE)
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.DOTALL: "s",
    SigmaRegularExpressionFlag.MULTILINE: "m",
}
_MOST_ALTERNATIVES = 1_000
"""That the placeholders of one text may make."""


class ValueRefused(ValueError):  # noqa: N818 - becomes the reason of a refused rule
    """A value that cannot be tested; the text says why."""


class Reader:
    """Makes the nodes of one rule: of events of `types`; `record`: a rule of a Windows log."""

    def __init__(self, types: Iterable[str], *, record: bool, placeholders: Placeholders) -> None:
        self.types, self.record, self.placeholders = tuple(sorted(types)), record, placeholders

    def field(self, name: str, value: SigmaType) -> Node:
        """`name: value`. Raises ValueRefused."""
        match value:
            case SigmaExpansion():
                return ast.any_of(*(self.field(name, one) for one in value.values))
            case SigmaNull() | SigmaExists():
                known = self._each(name, lambda _field: Exists())
                return known if isinstance(value, SigmaExists) and value.exists else Not(known)
            case SigmaFieldReference():
                return self._reference(name, value)
            case SigmaString() if value.contains_placeholder():
                return ast.any_of(*(self.field(name, one) for one in self._filled(value)))
            case SigmaString() if name.lower() == "hashes":
                return self._hashes(value)
            case _:
                return self._each(name, lambda field: test_of(field, value))

    def keyword(self, value: SigmaType) -> Node:
        """Text anywhere in the event. Raises ValueRefused."""
        match value:
            case SigmaExpansion():
                return ast.any_of(*(self.keyword(one) for one in value.values))
            case SigmaString() if value.contains_placeholder():
                return ast.any_of(*(self.keyword(one) for one in self._filled(value)))
            case _:
                test = _keyword(value)
                return Anywhere(tuple(Condition(field, test) for field in KEYWORDS), test.pattern)

    def _each(self, name: str, test: Callable[[Field], Test]) -> Node:
        found = readings(name, self.types, record=self.record)
        return ast.any_of(*(Condition(field, test(field), types) for field, types in found))

    def _reference(self, name: str, value: SigmaFieldReference) -> Node:
        forms = {(False, False): "equals", (True, False): "starts_with", (False, True): "ends_with"}
        form = forms.get((value.starts_with, value.ends_with))
        if form is None:
            raise ValueRefused("a field reference cannot both start and end with the other field")
        nodes: list[Node] = []
        for kind in self.types:
            ((one, _),) = readings(name, (kind,), record=self.record)
            ((other, _),) = readings(value.field, (kind,), record=self.record)
            types = () if len(self.types) == 1 else (kind,)
            nodes.append(Condition(view(form, one, other), Equals("true"), types))
        return ast.any_of(*nodes)

    def _hashes(self, value: SigmaString) -> Node:
        """Sysmon lists digests in one text; ours are fields. What is neither is looked for in the record's item."""
        nodes = [self._each("Hashes", lambda field: test_of(field, value))]
        found = [_DIGEST.fullmatch(part) for part in value.s if isinstance(part, str)]
        wanted = [one for one in found if one]
        if len(wanted) == 1 and len(found) == 1:
            for kind in self.types:
                field = digests(kind).get(wanted[0]["name"].lower())
                if field:
                    types = () if len(self.types) == 1 else (kind,)
                    nodes.append(Condition(field, Equals(wanted[0]["digest"].lower()), types))
        return ast.any_of(*nodes)

    def _filled(self, value: SigmaString) -> list[SigmaString]:
        """Give the texts of a text with placeholders."""
        texts: list[SigmaString] = [SigmaString("")]
        for part in value.s:
            if isinstance(part, Placeholder):
                known = self.placeholders.get(part.name)
                if not known:
                    raise ValueRefused(f"the placeholder %{part.name}% has no values here: give them in the settings")
                texts = [text + SigmaString(one) for text in texts for one in known]
            else:
                texts = [text + part for text in texts]
            if len(texts) > _MOST_ALTERNATIVES:
                raise ValueRefused(f"placeholders make more than {_MOST_ALTERNATIVES} texts")
        return texts


def test_of(field: Field, value: SigmaType) -> Test:
    """Give the test that a value of Sigma makes of a field. Raises ValueRefused."""
    match value:
        case SigmaString():
            return _text(field, value)
        case SigmaTimestampPart():
            raise ValueRefused("modifiers for parts of a time (hour, day ...) are not supported")
        case SigmaNumber():
            return Equals(str(value.number))
        case SigmaBool():
            return Equals("true" if value.boolean else "false")
        case SigmaRegularExpression():
            return _regex(value)
        case SigmaCIDRExpression():
            return InNetwork(str(value.network))
        case SigmaCompareExpression():
            return _compared(value)
        case _:
            raise ValueRefused(f"values of the kind {type(value).__name__} are not supported")


def _keyword(value: SigmaType) -> Like | Regex:
    match value:
        case SigmaString():
            pattern = _pattern(value)
            inner = pattern.removeprefix("%")
            return Like(f"%{inner}" if inner.endswith("%") else f"%{inner}%", cased=isinstance(value, SigmaCasedString))
        case SigmaNumber():
            return Like(f"%{value}%")
        case SigmaRegularExpression():
            return _regex(value)
        case _:
            raise ValueRefused(f"a keyword cannot be {type(value).__name__}")


def _text(field: Field, value: SigmaString) -> Test:
    cased = isinstance(value, SigmaCasedString)
    pattern = _pattern(value)
    if pattern and not pattern.strip("%"):
        return Exists()
    if any(isinstance(part, SpecialChars) for part in value.s):
        return Like(pattern, cased=cased)
    text = "".join(part for part in value.s if isinstance(part, str))
    if cased:
        return Like(pattern, cased=not is_canonical(field))
    if is_address(field):
        try:
            return Equals(str(ipaddress.ip_address(text)))
        except ValueError:
            pass
    return Equals(glob.fold(text))


def _pattern(value: SigmaString) -> str:
    """Give a Sigma text as a LIKE pattern, folded unless it is cased. Raises ValueRefused."""
    fold: Callable[[str], str] = str if isinstance(value, SigmaCasedString) else glob.fold
    parts = {SpecialChars.WILDCARD_MULTI: "%", SpecialChars.WILDCARD_SINGLE: "_"}
    pattern = "".join(
        glob.escape(fold(part)) if isinstance(part, str) else parts[part]
        for part in value.s
        if not isinstance(part, Placeholder)
    )
    if len(pattern) > MAX_VALUE:
        raise ValueRefused(f"a text of {len(pattern):,} characters; at most {MAX_VALUE:,} are allowed")
    if "\0" in pattern:
        raise ValueRefused("a text holds the character NUL")
    return re.sub("%+", "%", pattern) if "\\" not in pattern else pattern


def _regex(value: SigmaRegularExpression) -> Regex:
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    text = str(value.regexp)
    try:
        regex.parse(text, flags, weight=regex.RULE_WEIGHT)
    except regex.RegexError as error:
        raise ValueRefused(f"in the regular expression {text[:80]!r}, character {error.offset + 1}: {error}") from error
    return Regex(text, flags)


def _compared(value: SigmaCompareExpression) -> Test:
    number = value.number.number
    low, high = math.floor(number), math.ceil(number)
    match value.op:
        case CompareOperators.LT:
            return Between(high=high - 1)
        case CompareOperators.LTE:
            return Between(high=low)
        case CompareOperators.GT:
            return Between(low=low + 1)
        case CompareOperators.GTE:
            return Between(low=high)
        case _:
            raise ValueRefused(f"the comparison {value.op.name} is not supported")
